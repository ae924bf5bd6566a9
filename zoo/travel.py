"""How many training steps moving statistics need from where they are to where the pictures are.

After t steps with momentum m a share mᵗ of the way is left (`zoo.lag`). So what counts is not the momentum alone but
how far the statistics have to go: with a stored variance that is 255² times too large about 1,170 steps at momentum
0.99, with one that is twice too large about 70. Statistics count as arrived when the layer's variance is within the
factor `RATIO` of the pictures' and its mean within `MEAN` of their standard deviations. A layer adds epsilon to
variances, so a variance below epsilon is no further away than epsilon.

A layer has arrived when nine channels in ten have (`CHANNELS`). That was chosen by a curve: on car-damage at 96 px with
efficientnet-lite0 and pictures divided by 255 once too often (`benchmarks/measure.py scaling`), validation came out of
chance after 490 steps, when half of the channels have arrived by these formulas (483), and rose no further after 830,
when nine in ten have (802). With momentum 0.9 the same gives 77 steps, and validation was at chance until step 36 and
near its best from 84 on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.shift import Measured, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

RATIO = 1.5
"""Factor that a moving variance may be off by in the end."""

MEAN = 0.25
"""Standard deviations of the pictures that a moving mean may be off by in the end."""

CHANNELS = 0.9
"""Share of a layer's channels that must have arrived."""


class Moving(Measured, Protocol):
    """What is known of a layer whose statistics move."""

    @property
    def momentum(self) -> float:
        """In [0, 1)."""


@dataclass(frozen=True, slots=True)
class Travel:
    """The way of the moving statistics of a network.

    Attributes:
        steps: Training steps that are planned.
        needed: Steps after which the statistics of all layers have arrived.
        layer: The layer that needs the most.
        momentum: Its momentum.
        variance_ratio: Stored variance over the pictures', of the channel there that arrives as the last of `CHANNELS`.
        mean_distance: Its stored mean less the pictures', in their standard deviations, without sign.
        sufficient: Momentum with which the planned steps are enough in every layer.
    """

    steps: int
    needed: int
    layer: str
    momentum: float
    variance_ratio: float
    mean_distance: float
    sufficient: float


def share_left(mean_distance: Array, variance_ratio: Array) -> Array:
    """What share of its way a statistic may have left when it counts as arrived, in (0, 1].

    Args:
        mean_distance: Stored mean less the pictures', in standard deviations of the pictures; at least 0.
        variance_ratio: Stored variance over the pictures'; greater than 0.
    """
    with np.errstate(divide="ignore"):
        above = (RATIO - 1) / np.maximum(variance_ratio - 1, 0.0)
        below = (1 - 1 / RATIO) / np.maximum(1 - variance_ratio, 0.0)
        mean = MEAN / mean_distance
    left: Array = np.minimum(np.minimum(above, below), np.minimum(mean, 1.0))
    return left


def layer_steps(layer: Moving) -> int:
    """Steps after which the statistics of `CHANNELS` of a layer's channels have arrived."""
    return _steps(_left(layer)[0], layer.momentum)


def travel_of(layers: Sequence[Moving], *, steps: int) -> Travel | None:
    """The way of all layers, None where there are none.

    Args:
        layers: Moments of what the layers see in training, where each batch normalises itself: a layer is not to be
            blamed for one below it that is off.
        steps: That are planned.
    """
    if not layers:
        return None
    ways = [(_left(layer), layer) for layer in layers]
    (left, ratio, distance), slowest = max(ways, key=lambda way: _steps(way[0][0], way[1].momentum))
    needed = _steps(left, slowest.momentum)
    least = min(way[0] for way, _ in ways)
    sufficient = least ** (1 / steps) if steps > 0 and least < 1 else slowest.momentum
    return Travel(steps, needed, slowest.name, slowest.momentum, ratio, distance, math.floor(1000 * sufficient) / 1000)


def _left(layer: Moving) -> tuple[float, float, float]:
    """Share that may be left, variance ratio and mean distance of the last channel that must have arrived."""
    mean, variance = pooled(layer)
    found = variance + layer.epsilon
    ratio = (np.asarray(layer.stored_variance, np.float64) + layer.epsilon) / found
    distance = np.abs(np.asarray(layer.stored_mean, np.float64) - mean) / np.sqrt(found)
    left = share_left(distance, ratio)
    spared = int(round((1 - CHANNELS) * len(left), 6))  # rounded, since 0.1 of 10 is 0.9999999999999998 here
    last = int(np.argsort(left)[spared])
    return float(left[last]), float(ratio[last]), float(distance[last])


def _steps(left: float, momentum: float) -> int:
    if left >= 1:
        return 0
    if momentum <= 0:
        return 1
    return math.ceil(math.log(left) / math.log(momentum)) if momentum < 1 else 2**31
