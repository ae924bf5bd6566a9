"""The course of the learning rate over the steps of a phase."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.contracts import KerasModel, Phase
    from zoo.values import Optimiser

RATE_FACTORS: Mapping[Optimiser, float] = {"adam": 1.0, "adamw": 1.0, "sgd": 3.0, "rmsprop": 1.0, "lion": 0.3}
"""What the rates of a policy, which are meant for Adam, are multiplied by; a rate that is given is taken as it is.

Adam and RMSprop both divide by the running size of the gradient. In each step of Lion every weight moves by the rate,
and its authors advise a third to a tenth of AdamW's (Chen et al. 2023, arXiv:2302.06675). Steps of SGD have no size of
their own. Both factors were chosen by the measurement in docs/how-to/training-options.md.
"""

_RISE = 0.3
_FIRST = 25.0
_LAST = 250_000.0


def scaled_to(phases: Sequence[Phase], rate: float, *, solves: bool = False) -> tuple[Phase, ...]:
    """Phases whose highest rate is this one; the others keep their proportion to it.

    Args:
        phases: Of a policy.
        rate: The highest.
        solves: Whether the head is solved where no block is open. The rate of such a phase is never used, so it does
            not count as the highest.
    """
    counted = stepped(phases, solves=solves) or phases
    return scaled_by(phases, rate / max(phase.learning_rate for phase in counted))


def stepped(phases: Sequence[Phase], *, solves: bool) -> list[Phase]:
    """Phases that take steps: all, or where the head is solved those that open blocks."""
    return [phase for phase in phases if phase.open_blocks or not solves]


def scaled_by(phases: Sequence[Phase], factor: float) -> tuple[Phase, ...]:
    """Phases with all rates multiplied by a factor."""
    return tuple(dataclasses.replace(phase, learning_rate=phase.learning_rate * factor) for phase in phases)


def rate_at(phase: Phase, share: float) -> float:
    """The learning rate of a step.

    Args:
        phase: Its rate is the highest of the course.
        share: Steps taken before this one, as a share of all planned for the phase; more than 1 counts as 1.
    """
    share = min(max(share, 0.0), 1.0)
    if phase.schedule == "cosine":
        return _wave(phase.learning_rate, 0.0, share)
    if phase.schedule == "one-cycle":
        if share < _RISE:
            return _wave(phase.learning_rate / _FIRST, phase.learning_rate, share / _RISE)
        return _wave(phase.learning_rate, phase.learning_rate / _LAST, (share - _RISE) / (1 - _RISE))
    return phase.learning_rate


def _wave(start: float, end: float, share: float) -> float:
    """Half a cosine wave from one value to another."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class Pace:
    """Sets the learning rate of every step of a phase.

    Args:
        tail: The compiled model.
        phase: Its schedule.
        total: Steps planned.
    """

    def __init__(self, tail: KerasModel, phase: Phase, *, total: float) -> None:
        self._tail, self._phase, self._total, self._taken = tail, phase, max(total, 1.0), 0
        self.rate = rate_at(phase, 0.0)

    def step(self) -> None:
        """To be called before each step."""
        self.rate = rate_at(self._phase, self._taken / self._total)
        self._taken += 1
        if self._phase.schedule != "constant":
            self._tail.optimizer.learning_rate.assign(self.rate)
