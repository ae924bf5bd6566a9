"""What pictures say without a network: how near validation lies to training, and what trivial cues tell of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import nearness
from zoo.values import PARTS

if TYPE_CHECKING:
    from zoo.dataset import Dataset
    from zoo.nearness import Likeness
    from zoo.values import Side

    Array = np.ndarray[Any, Any]
    Compared = tuple[Likeness, Array, Array]
    """A likeness, and the validation and training rows that it is of."""


def spread(count: int, most: int) -> Array:
    """Row numbers, int64, at most so many, evenly spread over a side of `count` pictures."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def of_pictures(
    dataset: Dataset, sides: tuple[Side, Side], *, classes: int, most: tuple[int, int]
) -> tuple[Compared, dict[str, float]]:
    """Likeness of thumbnails, and validation accuracy in [0, 1] by trivial cues.

    Args:
        dataset: Names and files of the pictures.
        sides: Training and validation pictures.
        classes: Number of classes.
        most: Most pictures of each that are looked at.
    """
    rows = [spread(len(side.labels), limit) for side, limit in zip(sides, most, strict=True)]
    small = [nearness.thumbnails(side.pixels, chosen) for side, chosen in zip(sides, rows, strict=True)]
    likeness = nearness.by_thumbnails(*small)
    pictures = [
        [dataset.report.table.pictures[dataset.indices(part)[row]] for row in chosen.tolist()]
        for part, chosen in zip(PARTS, rows, strict=False)
    ]
    from zoo import cues  # SciPy takes a moment to import

    told = cues.cues_of(*zip(pictures, (side.pixels for side in sides), rows, strict=True))
    labels = sides[0].labels[rows[0]], sides[1].labels[rows[1]]
    return (likeness, rows[1], rows[0]), cues.reached(told, *labels, classes=classes)
