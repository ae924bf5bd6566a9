"""The display of a grid while it runs: progress, the present run, the best so far, the finished rows."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables
from zoo.events import DataReady, Note
from zoo.progress import PlainLines, data_lines
from zoo.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from zoo.events import Event, Observer, Progress
    from zoo.tally import Running, TalliedRow
    from zoo.values import Recipe

_REST = 9
"""Lines of a display that are not finished rows, with two to spare: what is higher than the window flickers."""

_LEAST_ROWS = 3

_WIDE = 100
"""Columns from which on a finished row usually takes one line."""


@contextlib.contextmanager
def watching() -> Iterator[Observer]:
    """An observer that shows what happens on stderr: redrawn in place on a terminal, plain lines elsewhere.

    What is printed to stdout meanwhile (by Keras when it downloads, by plugins) goes to stderr too: stdout is for the
    result.
    """
    if not screen.is_live(sys.stderr):
        with contextlib.redirect_stdout(sys.stderr):
            yield PlainLines(sys.stderr)
        return
    console = screen.errors()
    display = Display(console)
    with Live(display, console=console, transient=True, refresh_per_second=4, redirect_stdout=True):
        yield display


class Display:
    """An observer that is also what rich draws.

    Args:
        console: Where notes are printed, above the display.
        tally: What has happened already; a new one if not given.
    """

    def __init__(self, console: Console, *, tally: Tally | None = None) -> None:
        self._console = console
        self._tally = tally or Tally()
        self._lock = threading.Lock()  # rich draws on a thread of its own

    def __call__(self, event: Event) -> None:
        """Takes an event in; notes and what was found in the data are printed once, to stay."""
        with self._lock:
            self._tally.see(event)
            news = isinstance(event, Note) and self._tally.is_news(event)
            run = self._tally.run_of(event)
            row = f"{self._title(run.recipe)}: " if run is not None else ""
        if isinstance(event, Note) and news:
            screen.say(self._console, row + event.text, label="warning" if event.level == "warning" else "note")
        if isinstance(event, DataReady):
            for line in data_lines(event):
                label, _, text = line.partition(": ")
                screen.say(self._console, text, label=label)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the present state for the width and height there are."""
        with self._lock:
            yield Group(*self._parts(options))

    def _parts(self, options: ConsoleOptions) -> Iterator[RenderableType]:
        tally = self._tally
        yield Text("")
        yield self._bar(options.max_width)
        facts = Table.grid(padding=(0, 2, 0, 0))
        facts.add_column(style="bold", no_wrap=True)
        facts.add_column(overflow="fold")
        for label, text in self._facts():
            facts.add_row(label, text)
        yield facts
        rows = tally.rows
        if rows:
            rest = _REST + 2 * max(0, len(tally.running) - 1)
            room = max(_LEAST_ROWS, (options.size.height - rest) // (1 if options.max_width >= _WIDE else 2))
            yield Text("")
            yield self._rows(rows[:room], gap=2 if options.max_width >= _WIDE else 1)
            if len(rows) > room:
                yield Text(f"… and {figures.counted(len(rows) - room, 'row')} more", style="dim")

    def _bar(self, width: int) -> RenderableType:
        tally = self._tally
        times = f"{figures.duration(tally.elapsed)}"
        if tally.remaining is not None and tally.remaining >= 1:  # less is an estimate that has been overtaken
            times += f", about {figures.duration(tally.remaining)} left"
        if not tally.total:
            return Text(f"preparing  {times}", style="bold")
        partial = sum(run.epoch.epoch / max(1, run.epochs) for run in tally.running if run.epoch is not None)
        words = f"{tally.done}/{tally.total} runs"
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_row(
            ProgressBar(total=tally.total, completed=tally.done + partial, width=max(10, min(40, width - 50))),
            Text(words, style="bold"),
            Text(times),
        )
        return grid

    def _facts(self) -> Iterator[tuple[str, Text]]:
        tally = self._tally
        for run in tally.running:
            yield "now", Text(f"{self._title(run.recipe)}, seed {run.recipe.seed}")
            yield "", Text(_doing(run), style="" if run.epoch is not None or run.task is not None else "dim")
        if tally.task is not None:
            yield "", Text(_counted(tally.task))
        if tally.best is not None:
            yield "best", Text(f"{self._title(tally.best.records[0].recipe)}  {figures.share(tally.best.score)}")
        if tally.failures:
            yield "failed", Text(figures.counted(tally.failures, "run"), style="red")

    def _rows(self, rows: tuple[TalliedRow, ...], *, gap: int) -> Table:
        drawn = tables.table(gap=gap)
        tables.column(drawn, "finished rows", wrap=True)
        for header in ("validation", "seeds", "time"):
            tables.column(drawn, header, justify="right")
        tables.column(drawn, "status")
        for row in rows:
            seconds = sum(record.seconds for record in row.records)
            drawn.add_row(
                self._title(row.records[0].recipe),
                figures.share(row.score),
                str(len(row.records)),
                figures.duration(seconds),
                Text(row.trouble or "finished", style="red" if row.trouble else "green"),
            )
        return drawn

    def _title(self, recipe: Recipe) -> str:
        """Backbone and policy, and what else differs between rows."""
        recipes = [row.records[0].recipe for row in self._tally.rows]
        recipes += [run.recipe for run in self._tally.running]
        shown = [
            str(getattr(recipe, part))
            for part in ("backbone", "head", "policy", "augmentation")
            if part in {"backbone", "policy"} or len({str(getattr(one, part)) for one in recipes}) > 1
        ]
        return " · ".join(figures.literal(part) for part in shown)


def _doing(run: Running) -> str:
    """Where a run is: the task, step or stage, and the last epoch's scores."""
    if run.task is not None:
        return _counted(run.task)
    step, record = run.step, run.epoch
    now = f"epoch {step.epoch}/{run.epochs}: step {step.done:,} of {step.total:,}" if step else run.stage
    if record is None:
        return now or "starting"
    scores = f"{figures.share(record.val_accuracy)}, balanced {figures.share(record.val_balanced_accuracy)}"
    done = f"after epoch {record.epoch} of {run.epochs} validation accuracy {scores}"
    return f"{now}; {done}" if now else done


def _counted(task: Progress) -> str:
    return f"{figures.sentence(task.task)} {task.done:,} of {task.total:,}"
