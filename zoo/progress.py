"""Progress as plain lines: for Python in a terminal or notebook, and for the command line where it is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from zoo import figures
from zoo.events import (
    DataReady,
    EpochEnded,
    GridStarted,
    Note,
    Progress,
    RunEnded,
    RunStarted,
    StepTaken,
    ignore,
)
from zoo.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.events import Event, Observer
    from zoo.values import RunRecord

_CLASSES = 12
"""Most classes that are named with their numbers of pictures."""

_PAUSE = 1.0
"""Seconds between two lines about epochs of one run: short ones would flood a log."""

_LONG = 10.0
"""Seconds between two lines about one task."""


_SILENCE = 30.0
"""Seconds without a line after which a training step is worth one."""


class PlainLines:
    """An observer that writes one line for each thing worth knowing, without colours or cursor movements.

    Args:
        stream: Where to write. Characters that its encoding lacks are written as escapes.
        clock: Seconds on any scale.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._tally = Tally(clock=clock)
        self._spoke = clock()
        self._task = ""

    def __call__(self, event: Event) -> None:
        """Writes what there is to say about an event."""
        self._tally.see(event)
        for line in self._lines(event):
            self._write(line)

    def _lines(self, event: Event) -> Iterator[str]:
        match event:
            case Note():
                if self._tally.is_news(event):
                    label = "warning" if event.level == "warning" else "note"
                    yield f"{label}: {self._place(event).lstrip()}{figures.sentence(event.text)}"
            case Progress():
                yield from self._task_lines(event)
            case DataReady():
                yield from data_lines(event)
            case GridStarted():
                yield f"grid: {figures.counted(event.total, 'run')}"
            case RunStarted():
                yield f"[{event.index}/{event.total}] {figures.sentence(event.recipe.title)}, seed {event.recipe.seed}"
            case StepTaken():
                yield from self._sign_of_life(event)
            case EpochEnded():
                yield from self._epoch_lines(event)
            case RunEnded():
                yield f"[{event.index}/{event.total}] {self._ending(event)}"
            case _:
                pass

    def _task_lines(self, event: Progress) -> Iterator[str]:
        if event.task != self._task:
            self._task, self._spoke = event.task, self._clock()
        if event.done >= event.total or self._clock() - self._spoke >= _LONG:
            self._spoke = self._clock()
            place = self._place(event).lstrip()
            yield f"{place}{figures.sentence(event.task)}: {event.done:,} of {event.total:,}"
        if event.done >= event.total:
            self._task = ""

    def _sign_of_life(self, event: StepTaken) -> Iterator[str]:
        """A line where nothing has been said for long."""
        if self._clock() - self._spoke >= _SILENCE:
            self._spoke = self._clock()
            yield f"{self._place(event)}epoch {event.epoch}: step {event.done:,} of {event.total:,}"

    def _epoch_lines(self, event: EpochEnded) -> Iterator[str]:
        record = event.record
        if record.epoch > 1 and self._clock() - self._spoke < _PAUSE:
            return
        self._spoke = self._clock()
        yield (
            f"{self._place(event)}epoch {record.epoch}/{event.epochs}: loss {record.loss:.3f}, validation accuracy "
            f"{figures.share(record.val_accuracy)} ({figures.duration(record.seconds)})"
        )

    def _place(self, event: Event) -> str:
        """What a line about a run begins with: its number where several are under way, else two spaces."""
        run = self._tally.run_of(event)
        several = len(self._tally.running) > 1
        return f"[{run.index}/{self._tally.total}] " if several and run is not None else "  "

    def _ending(self, event: RunEnded) -> str:
        record = event.record
        if event.reused:
            row = f"{figures.sentence(record.recipe.title)}, seed {record.recipe.seed}"
            return f"from the store: {row}: {_said(record)}"
        left = self._tally.remaining
        more = f"; about {figures.duration(left)} left" if left and self._tally.done < event.total else ""
        return f"{_said(record)}, {figures.duration(record.seconds)}{more}"

    def _write(self, line: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._stream.flush()


def for_python() -> Observer:
    """The observer that a call from Python gets: lines in a notebook or where stderr is a terminal, else silence."""
    if "ipykernel" in sys.modules and sys.stdout is not None:
        return PlainLines(sys.stdout)  # a notebook shows stderr on red ground, as if something were wrong
    if sys.stderr is not None and sys.stderr.isatty():
        return PlainLines(sys.stderr)
    return ignore


def data_lines(event: DataReady) -> tuple[str, ...]:
    """What was found in the data and how it is divided, in two or three lines."""
    table, split = event.report.table, event.split
    numbers = [0] * len(table.classes)
    for picture in table.pictures:
        numbers[picture.label] += 1
    named = [f"{figures.literal(name)} {number:,}" for name, number in zip(table.classes, numbers, strict=True)]
    if len(named) > _CLASSES:
        named = [*named[:_CLASSES], f"{len(named) - _CLASSES} more"]
    size = f"{figures.counted(len(table), 'picture')} in {figures.counted(len(table.classes), 'class', 'classes')}"
    origin = "as the data come" if split.fixed else f"split seed {split.seed}"
    sides = ", ".join(f"{len(getattr(split, part)):,} {part}" for part in ("train", "validation", "test"))
    lines = [f"data: {size}: {', '.join(named)}", f"split: {sides} ({origin})"]
    skipped, dropped = len(event.report.skipped), len(split.dropped)
    absent = [figures.counted(skipped, "file") + " that cannot be used"] if skipped else []
    absent += [figures.counted(dropped, "copy", "copies") + " of test or validation pictures"] if dropped else []
    if absent:
        lines.append(f"left out: {', '.join(absent)}")
    return tuple(lines)


def _said(record: RunRecord) -> str:
    """How a run ended, in a few words."""
    scores = record.validation
    parts: list[str] = [] if record.status == "finished" else [record.status]
    if scores is not None:
        name = "balanced accuracy" if record.recipe.metric == "balanced_accuracy" else "accuracy"
        value = figures.share(getattr(scores, record.recipe.metric))
        parts.append(f"validation {name} {value} (epoch {record.best_epoch} of {len(record.history)})")
    if record.reason:
        parts.append(figures.sentence(record.reason))
    return ": ".join(parts) or record.status
