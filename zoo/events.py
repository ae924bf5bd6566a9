"""What stages tell while they work. Stages are silent: whoever wants to show something observes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.rate_curve import RangeTest
    from zoo.values import EpochRecord, HealthReport, Recipe, RunRecord, Split


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened.

    Attributes:
        run: The run that it belongs to, 1-based, where rows run in other processes; 0 elsewhere.
    """

    run: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A sentence for the person: `level` is `info` or `warning`."""

    text: str
    level: str = "info"


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """`done` of `total` units of `task` (a phrase such as `reading pictures`) are finished."""

    task: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class DataReady(Event):
    """The pictures are checked and divided; nothing is trained yet."""

    report: HealthReport
    split: Split


@dataclass(frozen=True, slots=True)
class GridStarted(Event):
    """A grid of `total` runs begins; `finished` of them are in the store already; `titles` are their rows, in order."""

    total: int
    finished: int
    titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """Run `index` (1-based) of `total` begins."""

    recipe: Recipe
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class Stage(Event):
    """The present run is at `text`, such as `building the network`, which has no parts to count."""

    text: str


@dataclass(frozen=True, slots=True)
class StepTaken(Event):
    """`done` of the `total` training steps of epoch `epoch` (1-based, over all phases) are over."""

    epoch: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RateTested(Event):
    """The range test of the present run is over."""

    test: RangeTest


@dataclass(frozen=True, slots=True)
class EpochEnded(Event):
    """An epoch of the present run is over; `epochs` is the most there can be."""

    record: EpochRecord
    epochs: int


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run is over, whatever its status; `reused` when it was in the store already."""

    record: RunRecord
    index: int
    total: int
    reused: bool = False


Observer = Callable[[Event], None]
"""Called with each event, in order, on the thread that does the work."""


def ignore(event: Event) -> None:
    """An observer that looks away."""
