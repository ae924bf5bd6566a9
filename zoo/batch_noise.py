"""How much the statistics of a batch scatter from batch to batch, against what distinguishes the classes. Pure NumPy.

The mean of a channel over a batch of B pictures has the variance V / B, V being the variance of the pictures' own
means. Batch normalisation adds that scatter to every picture of the batch, while the classes differ by the scatter b of
their means. Where the first is larger, the batch a picture was in says more about it than its class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.shift import Measured

    Array = np.ndarray[Any, Any]

LATE = 0.5
"""Layers behind this share of all are looked at: in the first ones classes hardly differ by their means."""


@dataclass(frozen=True, slots=True)
class BatchNoise:
    """Scatter of batch statistics against that of the classes.

    Attributes:
        batch_size: Pictures in a batch.
        error: Standard deviation of a batch's mean, in standard deviations of the layer's input.
        between: Standard deviation of the classes' means, in the same unit.
        ratio: `error / between`.
        needed: Pictures in a batch at which the two are equal.
    """

    batch_size: int
    error: float
    between: float
    ratio: float
    needed: int


def batch_noise(layers: Sequence[Measured], labels: Array, *, batch_size: int) -> BatchNoise | None:
    """What a batch's mean scatters by; medians over channels, then over the later half of the layers.

    Args:
        layers: Moments of n pictures, in depth order.
        labels: int (n,). Classes with a single picture are left out: they say nothing about scatter within.
        batch_size: At least 1.

    Returns:
        None without layers, or where fewer than two classes have two pictures or classes do not differ at all.
    """
    sets = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups = [rows for rows in sets if len(rows) > 1]
    if not layers or len(groups) < 2:  # noqa: PLR2004 - nothing to compare
        return None
    found = [_layer(layer, groups) for layer in layers[int(LATE * len(layers)) :]]
    pictures, between = (float(np.median(column)) for column in zip(*found, strict=True))
    if not between > 0:
        return None
    error = math.sqrt(pictures / batch_size)
    return BatchNoise(batch_size, error, math.sqrt(between), error / math.sqrt(between), math.ceil(pictures / between))


def _layer(layer: Measured, groups: Sequence[Array]) -> tuple[float, float]:
    """Variance of the pictures' means and of the classes' means, over that of the input, in the channel in the middle.

    The classes' is without what the number of pictures in each class adds to it.
    """
    means, kept = np.asarray(layer.mean, np.float64), np.concatenate(groups)
    middle, square = means[kept].mean(axis=0), np.asarray(layer.square, np.float64)[kept].mean(axis=0)
    whole = np.maximum(square - middle**2, 0.0) + layer.epsilon
    within = np.stack([means[rows].var(axis=0, ddof=1) for rows in groups])
    chance = np.stack([within[index] / len(rows) for index, rows in enumerate(groups)]).mean(axis=0)
    between = np.stack([means[rows].mean(axis=0) for rows in groups]).var(axis=0, ddof=1) - chance
    pictures = within.mean(axis=0) + np.maximum(between, 0.0)
    return float(np.median(pictures / whole)), float(np.median(np.maximum(between, 0.0) / whole))
