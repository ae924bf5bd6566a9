"""Progress as plain lines."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys

import pytest

from zoo import progress
from zoo.events import DataReady, EpochEnded, GridStarted, Note, Progress, RunEnded, RunStarted, StepTaken, ignore
from zoo.progress import PlainLines, data_lines, for_python
from zoo.values import (
    EpochRecord,
    HealthReport,
    ImageTable,
    Picture,
    Recipe,
    RunRecord,
    Scores,
    Skipped,
    Spec,
    Split,
    Status,
)


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def stream() -> io.StringIO:
    """Where lines go."""
    return io.StringIO()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def lines(stream: io.StringIO, clock: Clock) -> PlainLines:
    """The observer under test."""
    return PlainLines(stream, clock=clock)


def recipe(policy: str = "freeze-all", *, seed: int = 0) -> Recipe:
    """A recipe."""
    return Recipe(
        backbone=Spec("tiny"),
        head=Spec("gap"),
        policy=Spec(policy),
        augmentation=Spec("none"),
        data="d",
        split="s",
        classes=("a", "b"),
        epochs=3,
        seed=seed,
    )


def epoch(number: int) -> EpochEnded:
    """The end of an epoch with a validation accuracy of 0.75."""
    return EpochEnded(EpochRecord("head", number, 0.5, 0.8, 0.6, 0.75, 0.7, 1e-3, 2.0), 3)


def record(status: Status = "finished", *, accuracy: float | None = 0.75, reason: str = "") -> RunRecord:
    """A run that took 12 seconds."""
    scores = None if accuracy is None else Scores(8, accuracy, accuracy, 0.6, (0.7, 0.8))
    history = tuple(epoch(number).record for number in (1, 2, 3)) if accuracy is not None else ()
    return RunRecord(
        id="r1",
        recipe=recipe(),
        digest="",
        status=status,
        reason=reason,
        validation=scores,
        history=history,
        best_epoch=2,
        seconds=12.0,
    )


def data(*names: str, skipped: int = 0, fixed: bool = False) -> DataReady:
    """Two pictures of each class, divided 2 to 1 to 1."""
    pictures = tuple(Picture(f"{label}/{n}.png", label) for label in range(len(names)) for n in range(2))
    lost = tuple(Skipped(f"x{n}", "the file is empty") for n in range(skipped))
    report = HealthReport(ImageTable("here", names, pictures), (), lost, (), (), (), (), "")
    return DataReady(report, Split((0, 1), (2,), (3,), seed=7, fixed=fixed))


def test_a_run_is_told_in_lines(lines: PlainLines, stream: io.StringIO, clock: Clock) -> None:
    """Grid, run, epochs and outcome make a log that can be read without knowing the program."""
    lines(GridStarted(2, 0))
    lines(RunStarted(recipe(), 1, 2))
    for number in (1, 2):
        clock.now += 2
        lines(epoch(number))
    lines(RunEnded(record(), 1, 2))
    assert stream.getvalue().splitlines() == [
        "grid: 2 runs",
        "[1/2] tiny · gap · freeze-all · none, seed 0",
        "  epoch 1/3: loss 0.500, validation accuracy 0.750 (2.0 s)",
        "  epoch 2/3: loss 0.500, validation accuracy 0.750 (2.0 s)",
        "[1/2] validation accuracy 0.750 (epoch 2 of 3), 12 s; about 4.0 s left",
    ]


def test_lines_of_several_runs_under_way_name_theirs(lines: PlainLines, stream: io.StringIO, clock: Clock) -> None:
    """With two workers each line says which run it is about; alone again, lines are as ever."""
    for index, policy in enumerate(("a", "b"), start=1):
        lines(RunStarted(recipe(policy), index, 2))
    for index in (1, 2):
        clock.now += 2
        lines(dataclasses.replace(epoch(index), run=index))
    lines(Note("Statistics lag.", run=2))
    lines(RunEnded(record(), 2, 2, run=2))
    clock.now += 2
    lines(dataclasses.replace(epoch(3), run=1))
    assert stream.getvalue().splitlines()[2:] == [
        "[1/2] epoch 1/3: loss 0.500, validation accuracy 0.750 (2.0 s)",
        "[2/2] epoch 2/3: loss 0.500, validation accuracy 0.750 (2.0 s)",
        "note: [2/2] Statistics lag.",
        "[2/2] validation accuracy 0.750 (epoch 2 of 3), 12 s; about 8.0 s left",
        "  epoch 3/3: loss 0.500, validation accuracy 0.750 (2.0 s)",
    ]


def test_short_epochs_do_not_flood_a_log(lines: PlainLines, stream: io.StringIO) -> None:
    """Epochs that take no time are told by the first and by the outcome only."""
    lines(RunStarted(recipe(), 1, 1))
    for number in range(1, 100):
        lines(epoch(number))
    assert stream.getvalue().count("epoch") == 1


def test_a_long_epoch_gives_signs_of_life(lines: PlainLines, stream: io.StringIO, clock: Clock) -> None:
    """A step is told once nothing has been said for half a minute, and then not again for as long."""
    lines(RunStarted(recipe(), 1, 1))
    for step in range(1, 8):
        clock.now += 10
        lines(StepTaken(1, step, 24))
    assert stream.getvalue().splitlines()[1:] == ["  epoch 1: step 3 of 24", "  epoch 1: step 6 of 24"]


def test_a_failed_run_gives_its_reason(lines: PlainLines, stream: io.StringIO) -> None:
    """The line of a run that failed says so, and why."""
    lines(RunEnded(record("failed", accuracy=None, reason="Out of memory: 3 GB."), 1, 1))
    assert stream.getvalue() == "[1/1] failed: Out of memory: 3 GB., 12 s\n"


def test_a_run_from_the_store_is_told_as_such(lines: PlainLines, stream: io.StringIO) -> None:
    """It never started, so its line says which row it is."""
    lines(RunEnded(record(), 1, 1, reused=True))
    assert stream.getvalue() == (
        "[1/1] from the store: tiny · gap · freeze-all · none, seed 0: validation accuracy 0.750 (epoch 2 of 3)\n"
    )


def test_tasks_are_told_at_their_end_and_now_and_then(lines: PlainLines, stream: io.StringIO, clock: Clock) -> None:
    """A task that takes long shows that it is alive every ten seconds."""
    lines(Progress("checking pictures", 1, 3000))
    clock.now += 11
    lines(Progress("checking pictures", 1500, 3000))
    lines(Progress("checking pictures", 1501, 3000))
    lines(Progress("checking pictures", 3000, 3000))
    assert stream.getvalue().splitlines() == [
        "checking pictures: 1,500 of 3,000",
        "checking pictures: 3,000 of 3,000",
    ]


def test_notes_are_told_once_in_one_line(lines: PlainLines, stream: io.StringIO) -> None:
    """The same note is not repeated, and nothing in it reaches the terminal as a command."""
    for _ in range(2):
        lines(Note("class 'a\x1b[2J'\nis empty", level="warning"))
    lines(Note("kept in a file"))
    assert stream.getvalue().splitlines() == [r"warning: class 'a\x1b[2J' is empty", "note: kept in a file"]


def test_data_are_told_with_counts_and_sides() -> None:
    """Classes with numbers of pictures, the sizes of the sides, and what was left out."""
    assert data_lines(data("[/]", "b\x07", skipped=2)) == (
        r"data: 4 pictures in 2 classes: [/] 2, b\x07 2",
        "split: 2 train, 1 validation, 1 test (split seed 7)",
        "left out: 2 files that cannot be used",
    )


def test_many_classes_are_not_all_named() -> None:
    """A thousand classes take one line."""
    line = data_lines(data(*(f"c{n:04d}" for n in range(1000)), fixed=True))
    assert line[0].endswith("c0011 2, 988 more")
    assert line[1].endswith("(as the data come)")


def test_an_encoding_without_the_letters_gets_escapes() -> None:
    """A log in ASCII holds the line with escapes; it does not end the training."""
    raw = io.BytesIO()
    log = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    PlainLines(log)(RunStarted(recipe("ü"), 1, 1))
    assert raw.getvalue() == rb"[1/1] tiny \xb7 gap \xb7 \xfc \xb7 none, seed 0" + b"\n"


def test_python_gets_lines_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script whose stderr is a file is silent; in a terminal and in a notebook there are lines."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    terminal = io.StringIO()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    assert for_python() is ignore
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    assert isinstance(for_python(), PlainLines)
    monkeypatch.setattr(terminal, "isatty", lambda: False)
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert isinstance(for_python(), PlainLines)


def test_plain_lines_need_neither_rich_nor_keras() -> None:
    """Whoever calls `zoo.fit` from Python does not pay for the command line."""
    code = "import sys, zoo.progress; print([m for m in ('rich', 'typer', 'keras', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
