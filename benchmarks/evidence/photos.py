"""The pictures of a measurement: a fixed random part of a folder, divided in three, and shifted copies of it on disk.

Training and validation pictures go to zoo as a folder that is divided already. Hold-out pictures lie beside it, where
no run can see them: epochs are chosen on validation pictures, policies are compared on hold-out pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from zoo.dataset import prepare
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo.values import Part

    Array = np.ndarray[Any, Any]

Side = Literal["train", "val", "holdout"]
SIDES: tuple[Side, ...] = ("train", "val", "holdout")
_PARTS: dict[Side, Part] = {"train": "train", "val": "validation"}
FRACTIONS = (0.4, 0.2, 0.4)
"""Shares of the sides before they are cut to their sizes. Copies and look-alikes share a side."""


@dataclass(frozen=True)
class Photos:
    """Chosen pictures of one data set.

    Attributes:
        name: Of the folder.
        classes: Class names in label order.
        pixels: uint8 (n, size, size, 3) of each side, RGB 0–255.
        labels: int64 (n,) of each side.
    """

    name: str
    classes: tuple[str, ...]
    pixels: Mapping[Side, Array] = field(repr=False)
    labels: Mapping[Side, Array] = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures on each side."""
        return {side: len(self.labels[side]) for side in SIDES}

    @property
    def majority(self) -> float:
        """Hold-out accuracy of always naming the most frequent training class."""
        named = np.bincount(self.labels["train"]).argmax()
        return float((self.labels["holdout"] == named).mean())


def choose(data: str, *, size: int, train: int, validation: int, holdout: int | None = None, seed: int = 0) -> Photos:
    """So many pictures of each side, drawn evenly from the classes.

    Args:
        data: A folder with one sub-folder for each class, or `demo`.
        size: Side in pixels; shifts and networks see pictures of this size.
        train: Training pictures at most.
        validation: Validation pictures at most.
        holdout: Hold-out pictures at most; all that are left if not given.
        seed: Of the division and the draw.
    """
    dataset = prepare(data, load_catalog(), fractions=FRACTIONS, split_seed=seed, sizes=(size,))
    most: dict[Side, int | None] = {"train": train, "val": validation, "holdout": holdout}
    pixels, labels = {}, {}
    for side, limit in most.items():
        found = dataset.test_side(size) if side == "holdout" else dataset.side(_PARTS[side], size)
        chosen = _evenly(found.labels, limit, seed)
        pixels[side], labels[side] = found.pixels[chosen], found.labels[chosen]
    return Photos(Path(data).name, dataset.classes, pixels, labels)


def _evenly(labels: Array, limit: int | None, seed: int) -> Array:
    """Indices of at most so many pictures, in turn from each class, sorted."""
    order = np.random.default_rng([seed, 11]).permutation(len(labels))
    if limit is None or limit >= len(labels):
        return np.sort(order)
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        turns[mine] = np.arange(len(mine))
    ranked: Array = order[np.argsort(turns[order], kind="stable")][:limit]
    return np.sort(ranked)


def changed(photos: Photos, change: Callable[[Array, int], Array]) -> Photos:
    """The same pictures, each changed; pictures are numbered over all sides."""
    pixels: dict[Side, Array] = {}
    start = 0
    for side in SIDES:
        pictures = photos.pixels[side]
        pixels[side] = np.stack([change(picture, start + index) for index, picture in enumerate(pictures)])
        start += len(pictures)
    return Photos(photos.name, photos.classes, pixels, photos.labels)


def write(photos: Photos, folder: Path) -> Path:
    """Writes all sides as PNG: `folder/pictures/{train,val}/CLASS/` and `folder/holdout/CLASS/`.

    Returns:
        `folder/pictures`, which zoo reads as divided data.
    """
    for side in SIDES:
        home = folder / "holdout" if side == "holdout" else folder / "pictures" / side
        for name in photos.classes:
            (home / name).mkdir(parents=True, exist_ok=True)
        for index, (picture, label) in enumerate(zip(photos.pixels[side], photos.labels[side], strict=True)):
            Image.fromarray(picture).save(home / photos.classes[label] / f"{index:04}.png", compress_level=1)
    return folder / "pictures"
