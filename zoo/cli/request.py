"""What `zoo compare` and `zoo fit` were asked to do: words of the command line, over a grid file, over defaults."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo import figures, folders
from zoo.cli.options import STORE
from zoo.errors import UsageError
from zoo.grid import GridRecipe, parse_split, read_grid
from zoo.settings import AUTO

if TYPE_CHECKING:
    from collections.abc import Mapping


def grid_of(data: str | None, recipe: Path | None, given: Mapping[str, object]) -> GridRecipe:
    """The grid that is asked for.

    Args:
        data: What stands for DATA: pictures, or a grid file.
        recipe: The grid file of `--recipe`.
        given: Attributes of `GridRecipe` that were named on the command line; None is as if not named.

    Raises:
        UsageError: Neither data nor a grid file, two grid files, or no backbone.
        RecipeError: The grid file or a value is wrong.
    """
    if data is not None and is_grid_file(data):
        named = Path(data)
        if recipe is not None:
            raise UsageError(f"{data} and {recipe} are both grid files.", hint="Give one of them.")
        data, recipe = None, named
    if recipe is None:
        data = location(data)
    grid = read_grid(recipe) if recipe is not None else GridRecipe()
    changes = chosen({**given, "data": data})
    for name in ("backbones", "heads", "policies", "augmentations"):
        if name in changes:
            changes[name] = tuple(changes[name])
    grid = dataclasses.replace(grid, **changes)
    if not grid.backbones:
        raise UsageError("No backbone is named.", hint="Add -b NAME, or several; `zoo list backbones` shows them.")
    return grid


def location(data: str | None) -> str:
    """DATA, which must be there. Raises: UsageError."""
    if data is None:
        raise UsageError(
            "There are no pictures to work on.",
            hint="Name a folder with one sub-folder per class, or `demo` for made-up pictures.",
        )
    return data


def chosen(given: Mapping[str, object]) -> dict[str, Any]:
    """What was named on the command line, as values; None is as if not named. Raises: UsageError, RecipeError."""
    changes = {name: value for name, value in given.items() if value not in (None, [], ())}
    _read(changes)
    return changes


def _read(changes: dict[str, object]) -> None:
    """Turns words of the command line into values, in place."""
    readers = {"split": parse_split, "patience": patience_of}
    changes |= {name: read(str(changes[name])) for name, read in readers.items() if name in changes}
    if isinstance(changes.get("learning_rate"), str):
        changes["learning_rate"] = rate_of(str(changes["learning_rate"]))
    for name, read in (("learning_rate", rate_of), ("batch_size", int)):
        values = changes.get(name)
        if isinstance(values, list):
            changes[name] = _one_or_several(name, [read(value) for value in values])


def _one_or_several(name: str, values: list[Any]) -> object:
    """What an option that can be repeated was given."""
    if len(set(values)) < len(values):
        raise UsageError(f"{name} is given the same value twice: {values!r}.", hint="Each once is enough.")
    return values[0] if len(values) == 1 else tuple(values)


def is_grid_file(data: str) -> bool:
    """Whether DATA names a grid file."""
    return data.lower().endswith(".toml") and not folders.is_folder_path(data)


def patience_of(text: str) -> int | None:
    """The value of `--patience`: a number of epochs, or None for `none`.

    Raises:
        UsageError: It is neither.
    """
    if text.strip().lower() == "none":
        return None
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(
            f"--patience cannot be {text!r}.", hint="Give a number of epochs, or `none` for no early stop."
        ) from error


def rate_of(text: str) -> float | Literal["auto"]:
    """The value of `--lr`: a number, or `auto`.

    Raises:
        UsageError: It is neither.
    """
    if text.strip().lower() == AUTO:
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(
            f"--lr cannot be {text!r}.", hint="Give a number such as 0.001, or `auto` for a range test."
        ) from error


def store_of(grid: GridRecipe) -> Path:
    """The store of a grid."""
    return grid.store if grid.store is not None else STORE


def grid_words(grid: GridRecipe, *, policies: tuple[str, ...]) -> str:
    """What a grid amounts to: `8 rows × 3 seeds = 24 runs of at most 10 epochs: 2 backbones × 4 policies`.

    Args:
        grid: The grid; empty heads and augmentations count as one.
        policies: Those that are compared where the grid names none.
    """
    sizes = (
        (len(grid.backbones), "backbone", "backbones"),
        (len(grid.heads) or 1, "head", "heads"),
        (len(grid.policies or policies), "policy", "policies"),
        (len(grid.augmentations) or 1, "augmentation", "augmentations"),
        (_number(grid.batch_size), "batch size", "batch sizes"),
        (_number(grid.learning_rate), "learning rate", "learning rates"),
    )
    rows = 1
    for size, _, _ in sizes:
        rows *= size
    told = [*sizes[:4], *(size for size in sizes[4:] if size[0] > 1)]
    factors = " × ".join(figures.counted(size, one, many) for size, one, many in told)
    seeds = f" × {grid.seeds} seeds = {figures.counted(rows * grid.seeds, 'run')}" if grid.seeds > 1 else ""
    return f"{figures.counted(rows, 'row')}{seeds}, at most {figures.counted(grid.epochs, 'epoch')} each: {factors}"


def _number(setting: object) -> int:
    """How many rows a setting makes of one."""
    return len(setting) if isinstance(setting, tuple) else 1
