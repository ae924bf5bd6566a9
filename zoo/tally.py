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
class Running:
    """A run under way.

    Attributes:
        recipe: Of the run.
        index: Its 1-based position.
        began: When, on the clock's scale.
        epochs: Most epochs that it can have.
        epoch: Its last record.
        task: What is being done outside epochs, None when it is done.
        stage: What it is at where nothing can be counted; empty when epochs tell it.
        step: The last training step of its present epoch; None between epochs.
    """

    recipe: Recipe
    index: int
    began: float
    epochs: int
    epoch: EpochRecord | None = None
    task: Progress | None = None
    stage: str = ""
    step: StepTaken | None = None

    def see(self, event: Event) -> None:
        """Takes an event of this run in."""
        match event:
            case Progress():
                self.task = event if event.done < event.total else None
            case Stage():
                self.stage, self.step = event.text, None
            case StepTaken():
                self.step, self.task, self.stage = event, None, ""
            case EpochEnded():
                self.epoch, self.epochs, self.task, self.step, self.stage = event.record, event.epochs, None, None, ""
            case _:
                pass


@dataclass
class Tally:
    """What has happened up to now. `see` takes the events in order; the rest looks.

    Attributes:
        clock: Seconds on any scale; only differences count.
        total: Number of runs, 0 before the grid has begun.
        done: Runs that have ended, those from the store included.
        reused: Those of them that were in the store already.
        data: What was found in the data, None before.
        began: When the tally was made, on the clock's scale.
    """

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    done: int = 0
    reused: int = 0
    data: DataReady | None = None
    began: float = field(init=False)
    _task: Progress | None = None
    _running: dict[int, Running] = field(default_factory=dict)
    _over: set[int] = field(default_factory=set)
    _fresh: dict[str, list[float]] = field(default_factory=dict)
    _titles: tuple[str, ...] = ()
    _rows: dict[str, list[RunRecord]] = field(default_factory=dict)
    _said: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def see(self, event: Event) -> None:
        """Takes the next event in."""
        run = self.run_of(event)
        match event:
            case DataReady():
                self.data = event
            case GridStarted():
                self.total, self._titles = event.total, event.titles
            case RunStarted():
                self.total, self._task = max(self.total, event.total), None
                self._running.pop(event.index, None)  # one that is tried again
                self._running[event.index] = Running(event.recipe, event.index, self.clock(), event.recipe.epochs)
            case RunEnded():
                self._end(event)
            case Progress() if run is None:
                self._task = event if event.done < event.total else None
            case _ if run is not None:
                run.see(event)
            case _:
                pass

    def run_of(self, event: Event) -> Running | None:
        """The run under way that an event belongs to: the one it names, else the one that began last."""
        return self._running.get(event.run) if event.run else self.present

    @property
    def running(self) -> tuple[Running, ...]:
        """The runs under way, in the order in which they began."""
        return tuple(self._running.values())

    @property
    def present(self) -> Running | None:
        """The run that began last of those under way; None between runs."""
        return next(reversed(self._running.values()), None)

    @property
    def task(self) -> Progress | None:
        """What is being done outside runs, None when it is done."""
        return self._task

    def _end(self, event: RunEnded) -> None:
        self.done += 1
        self.total = max(self.total, event.total)
        self._over.add(event.index)
        self._rows.setdefault(event.record.recipe.title, []).append(event.record)
        run = self._running.pop(event.index, None)
        if event.reused:
            self.reused += 1
        elif run is not None:
            self._fresh.setdefault(event.record.recipe.title, []).append(self.clock() - run.began)

    def is_news(self, note: Note) -> bool:
        """Whether a note has not been said before of its row: its seeds tell the same. Asking says it."""
        run = self.run_of(note)
        said = (run.recipe.title if run is not None else "", note.text)
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

        A run takes as long as those of its row did; where the row is new, the mean of all that were trained. One under
        way is judged by its own epochs as soon as it has one. As many go on side by side as do now.
        """
        spent = [seconds for several in self._fresh.values() for seconds in several]
        own = {run.index: self._judged(run) for run in self._running.values()}
        known = [seconds for seconds in own.values() if seconds is not None]
        if not self.total or not (spent or known):
            return None
        mean = sum(spent) / len(spent) if spent else sum(known) / len(known)
        left = 0.0
        for run in self._running.values():
            judged = own[run.index]
            expected = judged if judged is not None else self._usual(run.recipe.title, mean)
            left += max(0.0, expected - (self.clock() - run.began))
        begun = self._over | set(self._running)
        titles = self._titles if len(self._titles) == self.total else ("",) * self.total
        left += sum(self._usual(title, mean) for i, title in enumerate(titles, start=1) if i not in begun)
        return left / max(1, len(self._running))

    def _judged(self, run: Running) -> float | None:
        """Seconds that a run takes, by its own epochs; None before it has one."""
        if run.epoch is None:
            return None
        return (self.clock() - run.began) * max(run.epochs, run.epoch.epoch) / run.epoch.epoch

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
