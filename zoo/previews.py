"""What an augmentation makes of somebody's pictures, on a contact sheet to look at before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import decoding
from zoo.backend import clean_state
from zoo.contact_sheet import Cell, draw_sheet
from zoo.dataset import load_table
from zoo.errors import ContractError, SourceError, UsageError, ZooError
from zoo.plugins import load_catalog
from zoo.recipe import complete_augmentation
from zoo.values import Skipped

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from zoo.augmenting import Augmenter
    from zoo.registry import Catalog
    from zoo.values import ImageTable, Spec, UInt8Array

    Array = np.ndarray[Any, Any]

PARTNERS = 8
"""Pictures that are mixed with one another at least, however few of them are shown."""

_TOLD = 0.005
"""Shares of a label that would be written as 0.00 are left out."""

_LIMITS = {"count": (1, 100), "versions": (1, 20), "size": (16, 1024), "seed": (0, 2**32 - 1)}


def preview(
    augmentation: str | Spec,
    data: object,
    *,
    count: int = 6,
    versions: int = 5,
    size: int = 160,
    seed: int = 0,
    source: str | None = None,
    catalog: Catalog | None = None,
) -> Image:
    """Draws some pictures, each beside several augmented versions of it, just as training would see them.

    Pictures come from all classes in turn. Under each version of an augmentation that mixes labels stands its label,
    with the share of each class.

    Args:
        augmentation: Name with options, such as `light:strength=2`.
        data: As in `zoo.fit`.
        count: Number of pictures, one row each, from 1 to 100; fewer where there are fewer.
        versions: Augmented versions of each, from 1 to 20.
        size: Side of the pictures in pixels, from 16 to 1024.
        seed: Of the augmentation and of the choice of pictures.
        source: Name with options of the source to use, where several could read the data.
        catalog: Items to choose from; everything installed if not given.

    Returns:
        A Pillow image, RGB, which a notebook shows.

    Raises:
        UsageError: If a number is out of its range.
        SourceError: If the data cannot be read.
        ContractError: If the augmentation fails.
    """
    for name, value in (("count", count), ("versions", versions), ("size", size), ("seed", seed)):
        low, high = _LIMITS[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise UsageError(f"{name} must be a whole number from {low} to {high}, not {value!r}.", hint="Change it.")
    items = catalog or load_catalog()
    spec = complete_augmentation(items, augmentation)
    table = load_table(data, items, source=source)
    chosen = _choose(table, count=max(count, PARTNERS), size=size, seed=seed)
    pixels = np.stack([picture for _, picture in chosen])
    labels = np.array([table.pictures[index].label for index, _ in chosen])
    targets = np.eye(len(table.classes), dtype=np.float32)[labels]
    made = _versions(items, spec, pixels, targets, count=versions, seed=seed)
    mixes = items.augmentation(spec.name).mixes_labels
    rows = []
    for row, (index, picture) in enumerate(chosen[:count]):
        cells = [Cell(picture, (table.classes[labels[row]], table.pictures[index].id))]
        for pictures, mixed in made:
            cells.append(Cell(pictures[row], _mixture(mixed[row], table.classes) if mixes else ()))
        rows.append(cells)
    return draw_sheet(f"{spec}: the picture, then {versions} versions of it (seed {seed})", rows)


def save_preview(image: Image, path: Path) -> None:
    """Writes a sheet as PNG.

    Raises:
        UsageError: If it cannot be written.
    """
    check_place(path)
    try:
        image.save(path, format="PNG")
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def check_place(path: Path) -> None:
    """Whether a sheet may be written there, as far as can be told before it is drawn.

    Raises:
        UsageError: If the name does not end in .png, or there is no such folder.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{str(path)!r} does not end in .png.", hint="The sheet is a PNG file: -o sheet.png")
    try:
        taken, there = path.is_dir(), path.parent.is_dir()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if taken:
        raise UsageError(f"{str(path)!r} is a folder.", hint="Name a file in it.")
    if not there:
        raise UsageError(f"There is no folder {str(path.parent)!r} to write into.", hint="Make it first.")


def _unwritable(path: Path, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or error
    return UsageError(f"{str(path)!r} cannot be written: {reason}.", hint="Choose another place with -o.")


def _choose(table: ImageTable, *, count: int, size: int, seed: int) -> list[tuple[int, UInt8Array]]:
    """Indices and pixels of pictures that can be read, from all classes in turn, each class in an order of its own."""
    draw = np.random.default_rng(seed)
    labels = np.array([picture.label for picture in table.pictures], dtype=np.int64)
    piles = [draw.permutation(np.flatnonzero(labels == label)).tolist() for label in range(len(table.classes))]
    chosen: list[tuple[int, UInt8Array]] = []
    reason = "there are none"
    while len(chosen) < count and any(piles):
        for pile in piles:
            while pile and len(chosen) < count:
                index = pile.pop()
                found = decoding.attempt(table.pictures[index])
                if not isinstance(found, Skipped):
                    chosen.append((index, decoding.resize(found, size)))
                    break
                reason = f"{found.id}: {found.reason}"
    if not chosen:
        raise SourceError(f"No picture of {table.location!r} can be read: {reason}.", hint="Check the data.")
    return chosen


def _versions(
    catalog: Catalog, spec: Spec, pixels: UInt8Array, targets: Array, *, count: int, seed: int
) -> list[tuple[UInt8Array, Array]]:
    """Augmented pictures, rounded to uint8, and their targets, so many times."""
    item = catalog.augmentation(spec.name)
    made = []
    with clean_state(seed):
        from zoo.augmenting import Augmenter

        try:
            layers = tuple(item.build(pixels.shape[1], seed, **spec.values()))
            augment: Augmenter = Augmenter(layers, mixes_labels=item.mixes_labels)
            for _ in range(count):
                pictures, mixed = augment(pixels, targets)
                made.append((np.rint(pictures).clip(0, 255).astype(np.uint8), mixed))
        except ZooError:
            raise
        except Exception as error:
            line = (str(error).strip().splitlines() or [""])[0]
            raise ContractError(
                f"The augmentation {spec.name!r} failed: {type(error).__name__}: {line}.", hint="Tell its author."
            ) from error
    return made


def _mixture(target: Array, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Classes with their shares, the largest first."""
    order = np.argsort(-target, kind="stable")
    return tuple(f"{target[label]:.2f} {classes[label]}" for label in order if target[label] >= _TOLD)
