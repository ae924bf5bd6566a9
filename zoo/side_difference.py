"""Whether validation pictures look to a network like training pictures: a permutation test. Pure NumPy.

Of each picture, channel and layer two numbers count: the mean of the layer's input and the logarithm of its standard
deviation, each in standard deviations over all pictures. The two sides differ by the length of the difference of their
means in that space (the maximum mean discrepancy with a linear kernel: Gretton et al. 2012, JMLR 13). Classes are
compared with themselves, and pictures change sides within their class only, so that sides with other shares of classes
are not taken for other pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.threads import on_one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.shift import Measured

    Array = np.ndarray[Any, Any]

DRAWS = 999
"""Permutations."""

CHANNELS = 128
"""Channels of a layer, about, that are compared."""

_LEAST = 2  # pictures of a class on a side
_STILL = 1e-12


@dataclass(frozen=True, slots=True)
class SideDifference:
    """How training and validation pictures differ.

    Attributes:
        train: Training pictures that were compared.
        validation: Validation pictures that were compared.
        distance: Root mean square over channels of the difference of the sides' means, in standard deviations of the
            pictures, without what chance adds.
        p_value: How often pictures that are dealt to sides at random differ as much.
    """

    train: int
    validation: int
    distance: float
    p_value: float


@on_one_thread
def side_difference(
    layers: Sequence[Measured], labels: Array, is_validation: Array, *, draws: int = DRAWS, seed: int = 0
) -> SideDifference | None:
    """Compares two sides.

    Args:
        layers: Moments of n pictures.
        labels: int (n,).
        is_validation: bool (n,).
        draws: Permutations.
        seed: Of the permutations.

    Returns:
        None without layers, or where no class has two pictures on both sides.
    """
    pairs = [
        [np.flatnonzero((labels == one) & (is_validation == side)) for side in (False, True)]
        for one in np.unique(labels)
    ]
    pairs = [pair for pair in pairs if min(map(len, pair)) >= _LEAST]
    if not layers or not pairs:
        return None
    products = _products(layers)
    total = sum(len(train) + len(validation) for train, validation in pairs)
    weights = np.zeros((1 + draws, len(labels)))
    draw = np.random.default_rng([seed, 0x51DE])
    for train, validation in pairs:
        rows, share = np.concatenate([train, validation]), (len(train) + len(validation)) / total
        values = np.r_[np.full(len(train), share / len(train)), np.full(len(validation), -share / len(validation))]
        weights[:, rows] = values
        weights[1:, rows] = draw.permuted(np.tile(values, (draws, 1)), axis=1)
    found = np.einsum("dn,dn->d", weights @ products, weights)
    beyond = int((found[1:] >= found[0] * (1 - 1e-12)).sum())
    distance = math.sqrt(max(float(found[0] - found[1:].mean()), 0.0))
    counts = [sum(len(pair[side]) for pair in pairs) for side in (0, 1)]
    return SideDifference(counts[0], counts[1], distance, (1 + beyond) / (1 + draws))


def _products(layers: Sequence[Measured]) -> Array:
    """Mean over layers and channels of the products of the pictures' standardised numbers, (n, n)."""
    count = len(layers[0].mean)
    total = np.zeros((count, count))
    for layer in layers:
        few = slice(None, None, max(1, layer.mean.shape[1] // CHANNELS))  # so many say the same in less time
        mean, square = (np.array(table[:, few], np.float64) for table in (layer.mean, layer.square))
        spread = 0.5 * np.log(np.maximum(square - mean**2, 0.0) + layer.epsilon)
        for table in (mean, spread):
            deviation = table.std(axis=0)
            standard = (table - table.mean(axis=0)) / np.where(deviation > _STILL, deviation, np.inf)
            standard = standard.astype(np.float32)  # twice as fast, and seven digits are plenty
            total += standard @ standard.T / (2 * table.shape[1] * len(layers))
    return total
