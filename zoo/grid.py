"""Grid files: what `zoo compare` runs, written down in TOML.

```toml
data = "photos"
backbones = ["efficientnet-lite0", "efficientnetb0:size=160"]
policies = ["freeze-all", "unfreeze-top-k:k=2"]
seeds = 3
split = "0.7/0.15/0.15"
```
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import RecipeError
from zoo.settings import SETTINGS, setting_fault

if TYPE_CHECKING:
    from zoo.values import Metric, Optimiser, Precision, Schedule

    Rate = float | Literal["auto"] | None

_PLACES = re.compile(r"demo(:.*)?|[A-Za-z][A-Za-z0-9+.-]+://.*", re.DOTALL)
"""Data that are no path: the built-in demo, and addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRecipe:
    """A grid of runs: every backbone with every head, policy and augmentation, each with every seed.

    Attributes:
        data: Where the pictures are: a path, or `demo`.
        source: Spec of the source that reads them; None finds one that accepts them.
        backbones: Specs of backbones; empty leaves the choice to the command, as in the next three.
        heads: Specs of heads.
        policies: Specs of policies.
        augmentations: Specs of augmentations.
        seeds: Number of seeds for each row.
        epochs: Epochs over all phases.
        batch_size: Pictures in a batch; several make a row for each.
        split: Shares of training, validation and test part; they add up to 1.
        split_seed: Seed that draws the split.
        learning_rate: Highest rate of a policy's phases; None for its own, `auto` for that of a range test; several
            make a row for each.
        schedule: Course of the rate in every phase; `policy` is what the policy says.
        optimiser: What turns gradients into steps.
        weight_decay: Share of each weight, times the rate, that every step takes off.
        accumulate: Batches whose mean gradient makes one step.
        ema: Decay of the moving average of the weights that is validated and delivered; 0 for none.
        precision: What the backbone's layers compute in.
        views: Augmented versions of each picture where blocks are closed; 0 for new ones in every epoch.
        label_smoothing: Share of each target spread over all classes.
        patience: Epochs without improvement after which a phase ends; None never. In a file `false` means None.
        metric: What epochs are chosen and rows are ranked by.
        store: Folder of the runs; None for the command's.
    """

    data: str = "demo"
    source: str | None = None
    backbones: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    augmentations: tuple[str, ...] = ()
    seeds: int = 1
    epochs: int = 10
    batch_size: int | tuple[int, ...] = 32
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    split_seed: int = 0
    learning_rate: Rate | tuple[Rate, ...] = None
    schedule: Schedule = "policy"
    optimiser: Optimiser = "adam"
    weight_decay: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    precision: Precision = "float32"
    views: int = 0
    label_smoothing: float = 0.0
    patience: int | None = 5
    metric: Metric = "accuracy"
    store: Path | None = None


SEVERAL = ("batch_size", "learning_rate")
"""Settings of which a grid may have several values."""

_LISTS = ("backbones", "heads", "policies", "augmentations")
_TEXTS = ("data", "source", "split", "store")
_NUMBERS = ("learning_rate", "weight_decay", "ema", "label_smoothing")


def read_grid(path: str | Path) -> GridRecipe:
    """Read a grid file. Its keys are the attributes of `GridRecipe`; all may be left out.

    Relative paths in `data` and `store` start at the folder of the file.

    Raises:
        RecipeError: The file cannot be read or is no TOML, a key is unknown, or a value is wrong.
    """
    path = Path(path)
    document = _document(path)
    known = [field.name for field in fields(GridRecipe)]
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"{f'Did you mean {near[0]}? ' if near else ''}The keys are {', '.join(known)}."
            raise RecipeError(f"{path}: there is no key {key!r}.", hint=hint)
        values[key] = _value(key, value, path=path)
    if "data" not in values and values.get("source"):
        values["data"] = values["source"].partition(":")[0]  # a source that makes pictures is found by its own name
    return GridRecipe(**values)


def parse_split(text: str) -> tuple[float, float, float]:
    """Read the shares of a split, `0.7/0.15/0.15` or in percent `70/15/15`.

    Returns:
        Shares of training, validation and test part, which add up to 1.

    Raises:
        RecipeError: They are not three numbers that add up to 1 or 100, or a part that must not be empty is.
    """
    hint = "Write training/validation/test, such as 0.7/0.15/0.15 or 70/15/15; the test part may be 0."
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError as error:
        raise RecipeError(f"Split {text!r} holds something that is no number.", hint=hint) from error
    if len(shares) != 3:  # noqa: PLR2004 — training, validation, test
        raise RecipeError(f"Split {text!r} has {len(shares)} parts instead of 3.", hint=hint)
    total = sum(shares)
    if math.isclose(total, 100, abs_tol=1e-6):
        shares = [share / 100 for share in shares]
    elif not math.isclose(total, 1, abs_tol=1e-6):
        raise RecipeError(f"The parts of split {text!r} add up to {total:g}, not to 1 or 100.", hint=hint)
    train, validation, test = shares
    if train <= 0 or validation <= 0 or test < 0:
        raise RecipeError(f"Split {text!r} leaves training or validation empty, or has a part below 0.", hint=hint)
    return train, validation, test


def _document(path: Path) -> dict[str, Any]:
    hint = "Give the path of a grid file in TOML."
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editor puts a mark at the start
        return tomllib.loads(f"{text}\n")  # so that a mistake in the last line is told with its number
    except FileNotFoundError as error:
        raise RecipeError(f"There is no grid file {str(path)!r}.", hint=hint) from error
    except OSError as error:
        raise RecipeError(f"Grid file {str(path)!r} cannot be read: {error.strerror}.", hint=hint) from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"Grid file {str(path)!r} is not UTF-8: {error.reason}.", hint="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        hint = 'Text stands in quotes, lists in brackets: backbones = ["efficientnetb0"].'
        raise RecipeError(f"Grid file {str(path)!r} is no TOML: {error}.", hint=hint) from error


def _value(key: str, value: object, *, path: Path) -> object:
    if key in _LISTS:
        return _list(key, value, path=path)
    if key in _TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise RecipeError(f"{path}: {key} must be text that is not empty, not {value!r}.", hint=f'{key} = "…"')
        if key == "split":
            return parse_split(value)
        return value if key == "source" else _place(key, value, folder=path.parent)
    if key == "patience" and value is False:
        return None  # TOML has no null
    if key in SEVERAL and isinstance(value, list) and value:
        if len(set(map(repr, value))) < len(value):
            raise RecipeError(f"{path}: {key} names something twice: {value!r}.", hint="Each once is enough.")
        return tuple(_value(key, one, path=path) for one in value)
    fault = setting_fault(key, value)
    if fault:
        raise RecipeError(f"{path}: {fault}", hint=f"{key}: {SETTINGS[key].help}")
    return float(value) if key in _NUMBERS and isinstance(value, int) else value


def _list(key: str, value: object, *, path: Path) -> tuple[str, ...]:
    hint = f'Example: {key} = ["name", "name:option=value"]; leave the key out for the usual choice.'
    if not isinstance(value, list) or not value or any(not isinstance(one, str) or not one.strip() for one in value):
        raise RecipeError(f"{path}: {key} must be a list of one or more texts, not {value!r}.", hint=hint)
    if len(set(value)) < len(value):
        raise RecipeError(f"{path}: {key} names something twice: {value!r}.", hint="Each once is enough.")
    return tuple(value)


def _place(key: str, value: str, *, folder: Path) -> str | Path:
    if key == "data" and _PLACES.fullmatch(value):
        return value
    try:
        place = folder / Path(value).expanduser()
    except RuntimeError as error:
        raise RecipeError(
            f"{key} = {value!r}: there is no such home folder.", hint="Write the path in full."
        ) from error
    return str(place) if key == "data" else place
