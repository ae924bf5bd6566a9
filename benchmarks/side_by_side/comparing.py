"""Ratios of times, and differences of accuracies with their noise."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from side_by_side.processes import Measured

NORMAL_95 = 1.96

LIMITS = ("limit", "limit-folded")
"""Contenders that ours cannot be faster than, with Keras' pass and with ours."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as long one takes as another.

    Attributes:
        over: Whose time is divided.
        under: By whose.
        each: Of every repeat.
        cpu: The same of CPU seconds, which tell more on a machine that others use; empty where they are not known.
        goal: What is aimed at, None for nothing.
        at_least: Whether the goal is a lower bound.
    """

    over: str
    under: str
    each: tuple[float, ...]
    cpu: tuple[float, ...] = ()
    goal: float | None = None
    at_least: bool = True

    @property
    def median(self) -> float:
        """Over the repeats."""
        return statistics.median(self.each)

    @property
    def reached(self) -> bool | None:
        """Whether the median is as good as the goal; None without one."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Accuracies of a grid in two programs, means over rows and repeats.

    Attributes:
        contender: The other program.
        ours: Mean accuracy of ours.
        others: Mean accuracy of the other.
        worst: Least difference of a row, ours less the other's.
        noise: Half the 95 % interval of a difference of two accuracies on so many pictures (binomial, each on its
            own), so that it errs on the wide side for the same pictures.
        rows: Rows that both have.
    """

    contender: str
    ours: float
    others: float
    worst: float
    noise: float
    rows: int

    @property
    def equal_or_better(self) -> bool:
        """Whether ours is not below the other by more than the noise."""
        return self.ours >= self.others - self.noise


def ratios(runs: Sequence[Measured], goals: Mapping[str, float]) -> list[Ratio]:
    """Of ours and every other: the other's time over ours, and ours over the limit's."""
    known = {(run.contender, run.repeat): run for run in runs}
    found = []
    for name in dict.fromkeys(run.contender for run in runs):
        over, under = ("ours", name) if name in LIMITS else (name, "ours")
        pairs = [(known[over, i], known[under, i]) for i in _repeats(runs, over) if (under, i) in known]
        if name == "ours" or not pairs:
            continue
        cpu = tuple(a.cpu_seconds / b.cpu_seconds for a, b in pairs if a.cpu_seconds and b.cpu_seconds)
        each = tuple(a.seconds / b.seconds for a, b in pairs)
        at_least = name not in LIMITS
        found.append(Ratio(over=over, under=under, each=each, cpu=cpu, goal=goals.get(name), at_least=at_least))
    return found


def _repeats(runs: Sequence[Measured], contender: str) -> list[int]:
    return sorted(run.repeat for run in runs if run.contender == contender)


def noise(first: float, second: float, count: int) -> float:
    """Half the 95 % interval of the difference of two accuracies that were each measured on `count` pictures."""
    return NORMAL_95 * math.sqrt((first * (1 - first) + second * (1 - second)) / count)


def mean_accuracies(runs: Sequence[Measured], contender: str) -> dict[tuple[object, ...], float]:
    """Mean accuracy over repeats of every row that has one."""
    found: dict[tuple[object, ...], list[float]] = {}
    for run in runs:
        for row in run.rows:
            if run.contender == contender and row.accuracy is not None:
                found.setdefault(row.key, []).append(row.accuracy)
    return {key: statistics.fmean(values) for key, values in found.items()}


def differences(runs: Sequence[Measured], count: int) -> list[Difference]:
    """Of ours and every other that trains, over rows that both have; `count` validation pictures."""
    ours, found = mean_accuracies(runs, "ours"), []
    for name in dict.fromkeys(run.contender for run in runs):
        others = mean_accuracies(runs, name)
        both = [key for key in ours if key in others]
        if name == "ours" or not both:
            continue
        mean, theirs = (statistics.fmean(side[key] for key in both) for side in (ours, others))
        found.append(
            Difference(
                contender=name,
                ours=mean,
                others=theirs,
                worst=min(ours[key] - others[key] for key in both),
                noise=noise(mean, theirs, count),
                rows=len(both),
            )
        )
    return found
