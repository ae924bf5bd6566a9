"""Keeping the best epoch of a training and going back to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from zoo.assembly import Assembly
    from zoo.contracts import Phase
    from zoo.values import Scores

    Array = np.ndarray[Any, Any]


class Best:
    """The best epoch so far and the weights it had.

    Args:
        assembly: The network.
        phases: Of the policy; what no phase may move is not copied.
        metric: Name of the score that counts.

    Attributes:
        key: Rank of the best epoch.
        epoch: Its number, 1-based; 0 before the first.
        probabilities: (n, classes) of the validation pictures in that epoch.
    """

    def __init__(self, assembly: Assembly, phases: Sequence[Phase], metric: str) -> None:
        self._free = [
            w for w in assembly.weights if any(assembly.is_open(w, p) or assembly.may_adapt(w, p) for p in phases)
        ]
        self._attribute = metric
        self._values: list[Array] = []
        self.probabilities: Array | None = None
        self.key = (-math.inf, -math.inf)
        self.epoch = 0

    def rank(self, scores: Scores) -> tuple[float, float]:
        """Higher is better: the metric, and among equals the lower loss."""
        return (float(getattr(scores, self._attribute)), -scores.loss)

    def offer(self, scores: Scores, epoch: int, probabilities: Array) -> None:
        """Keeps the weights as they are now, and what they predict, if their scores are the best so far."""
        if self.rank(scores) > self.key:
            self.key, self.epoch, self.probabilities = self.rank(scores), epoch, probabilities
            self._values = [weight.value for weight in self._free]

    def restore(self) -> None:
        """Gives the network the weights of the best epoch."""
        for weight, value in zip(self._free, self._values, strict=True):
            weight.variable.assign(value)
