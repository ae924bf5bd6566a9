"""How far a grid has come, as its events tell it: the state behind every display of progress."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.events import DataReady, EpochEnded, GridStarted, Note, Progress, RunEnded, RunStarted, Stage, StepTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.events import Event
    from zoo.values import EpochRecord, Recipe, RunRecord


@dataclass(frozen=True, slots=True)
class TalliedRow:
    """The finished runs of one row so far; they differ in their seed only.

    Attributes:
        title: `backbone · head · policy · augmentation`.
        records: In the order in which they ended.
    """

    title: str
    records: tuple[RunRecord, ...]

    @property
    def score(self) -> float | None:
        """Mean validation score by the recipe's metric, over the runs that have one; None if none has."""
        scores = [
            getattr(record.validation, record.recipe.metric) for record in self.records if record.validation is not None
        ]
        return sum(scores) / len(scores) if scores else None

    @property
    def trouble(self) -> str:
        """Status of the first run that is not simply finished; nothing if all are."""
        return next((record.status for record in self.records if record.status != "finished"), "")


@dataclass
class Tally:
    """What has happened up to now. `see` takes the events in order; the rest looks.

    Attributes:
        clock: Seconds on any scale; only differences count.
        total: Number of runs, 0 before the grid has begun.
        done: Runs that have ended, those from the store included.
        reused: Those of them that were in the store already.
        recipe: Of the present run, None between runs.
        index: Its 1-based position.
        epoch: Last record of the present run.
        epochs: Most epochs that the present run can have.
        task: What is being done outside epochs, None when it is done.
        stage: What the present run is at where nothing can be counted; empty when epochs tell it.
        step: The last training step of the present epoch; None between epochs.
        data: What was found in the data, None before.
        began: When the tally was made, on the clock's scale.
    """

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    done: int = 0
    reused: int = 0
    recipe: Recipe | None = None
    index: int = 0
    epoch: EpochRecord | None = None
    epochs: int = 0
    task: Progress | None = None
    stage: str = ""
    step: StepTaken | None = None
    data: DataReady | None = None
    began: float = field(init=False)
    _run_began: float = 0.0
    _fresh: dict[str, list[float]] = field(default_factory=dict)
    _titles: tuple[str, ...] = ()
    _rows: dict[str, list[RunRecord]] = field(default_factory=dict)
    _said: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def see(self, event: Event) -> None:
        """Takes the next event in."""
        match event:
            case Progress():
                self.task = event if event.done < event.total else None
            case DataReady():
                self.data = event
            case GridStarted():
                self.total, self._titles = event.total, event.titles
            case RunStarted():
                self.recipe, self.index, self.total = event.recipe, event.index, max(self.total, event.total)
                self.epoch, self.epochs, self._run_began = None, event.recipe.epochs, self.clock()
                self.stage, self.step = "", None
            case Stage():
                self.stage, self.step = event.text, None
            case StepTaken():
                self.step, self.task, self.stage = event, None, ""
            case EpochEnded():
                self.epoch, self.epochs, self.task, self.step, self.stage = event.record, event.epochs, None, None, ""
            case RunEnded():
                self._end(event)
            case _:
                pass

    def _end(self, event: RunEnded) -> None:
        self.done += 1
        self.total = max(self.total, event.total)
        self._rows.setdefault(event.record.recipe.title, []).append(event.record)
        if event.reused:
            self.reused += 1
        else:
            self._fresh.setdefault(event.record.recipe.title, []).append(self.clock() - self._run_began)
        self.recipe, self.epoch, self.task, self.step, self.stage = None, None, None, None, ""

    def is_news(self, note: Note) -> bool:
        """Whether a note has not been said before of the present row: its seeds tell the same. Asking says it."""
        said = (self.recipe.title if self.recipe is not None else "", note.text)
        fresh = said not in self._said
        self._said.add(said)
        return fresh

    @property
    def elapsed(self) -> float:
        """Seconds since the tally was made."""
        return self.clock() - self.began

    @property
    def remaining(self) -> float | None:
        """Estimate of the seconds left, None before there is anything to go by.

        A run takes as long as those of its row did; where the row is new, the mean of all that were trained. The
        present one is judged by its own epochs as soon as it has one.
        """
        spent = [seconds for several in self._fresh.values() for seconds in several]
        under_way = self.clock() - self._run_began if self.recipe is not None else 0.0
        own = None
        if self.recipe is not None and self.epoch is not None:
            own = under_way * max(self.epochs, self.epoch.epoch) / self.epoch.epoch
        if not self.total or (not spent and own is None):
            return None
        mean = sum(spent) / len(spent) if spent else own or 0.0
        present = 0.0
        if self.recipe is not None:
            expected = own if own is not None else self._usual(self.recipe.title, mean)
            present = max(0.0, expected - under_way)
        first = self.done + (self.recipe is not None)
        titles = self._titles[first:] if len(self._titles) == self.total else ("",) * (self.total - first)
        return present + sum(self._usual(title, mean) for title in titles)

    def _usual(self, title: str, mean: float) -> float:
        """Seconds that a run of a row takes."""
        several = self._fresh.get(title)
        return sum(several) / len(several) if several else mean

    @property
    def rows(self) -> tuple[TalliedRow, ...]:
        """Rows with a run that has ended, best score first, those without a score last."""
        rows = [TalliedRow(title, tuple(records)) for title, records in self._rows.items()]
        return tuple(sorted(rows, key=lambda row: (-(row.score if row.score is not None else -math.inf), row.title)))

    @property
    def best(self) -> TalliedRow | None:
        """The row with the best score so far; the first by name among equals. None before there is a score."""
        return next((row for row in self.rows if row.score is not None), None)

    @property
    def failures(self) -> int:
        """Runs that failed or diverged."""
        return sum(record.status in {"failed", "diverged"} for records in self._rows.values() for record in records)
