"""The display of a grid while it runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from zoo.cli import live
from zoo.cli.live import Display
from zoo.events import DataReady, EpochEnded, GridStarted, Note, Progress, RunEnded, RunStarted, Stage, StepTaken
from zoo.progress import PlainLines
from zoo.tally import Tally
from zoo.values import EpochRecord, HealthReport, ImageTable, Picture, Recipe, RunRecord, Scores, Spec, Split

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.events import Event


class Screen:
    """A terminal of a given size that remembers what was printed, and a display on it."""

    def __init__(self, width: int = 80, height: int = 30) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file,
            width=width,
            height=height,
            force_terminal=True,
            color_system=None,
            markup=False,
            emoji=False,
        )
        self.now = 0.0
        self.display = Display(self.console, tally=Tally(clock=lambda: self.now))

    def see(self, *events: Event) -> None:
        """Lets the display see events."""
        for event in events:
            self.display(event)

    def drawn(self) -> list[str]:
        """The lines of the display as it is now."""
        with self.console.capture() as captured:
            self.console.print(self.display)
        return captured.get().splitlines()


def recipe(policy: str, *, head: str = "gap", backbone: str = "efficientnet-lite0", seed: int = 0) -> Recipe:
    """A recipe of ten epochs."""
    return Recipe(
        backbone=Spec(backbone),
        head=Spec(head),
        policy=Spec(policy),
        augmentation=Spec("none"),
        data="d",
        split="s",
        classes=("a", "b"),
        seed=seed,
    )


def ended(plan: Recipe, index: int, total: int, *, accuracy: float | None = 0.9) -> RunEnded:
    """The end of a run that took 65 seconds."""
    scores = None if accuracy is None else Scores(10, accuracy, accuracy, 0.5, (1.0, 1.0))
    status = "failed" if accuracy is None else "finished"
    record = RunRecord(id=f"r{index}", recipe=plan, digest="", status=status, validation=scores, seconds=65.0)
    return RunEnded(record, index, total)


def epoch(number: int) -> EpochEnded:
    """The end of an epoch."""
    return EpochEnded(EpochRecord("head", number, 0.5, 0.8, 0.6, 0.75, 0.7, 1e-3, 2.0), 10)


def test_before_the_grid_there_is_a_task_and_a_time() -> None:
    """Checking many pictures takes a while: the screen shows how far it is."""
    screen = Screen()
    screen.see(Progress("checking pictures", 120, 400))
    screen.now = 12
    text = "\n".join(screen.drawn())
    assert "preparing  12 s" in text
    assert "checking pictures 120 of 400" in text


def test_the_present_run_the_best_and_the_finished_rows_are_shown() -> None:
    """One look answers: how far, how long yet, what now, what is best, what failed."""
    screen = Screen()
    screen.see(GridStarted(4, 0))
    for index, (policy, accuracy) in enumerate([("freeze-all", 0.9), ("bn-affine", 0.95), ("bn-trainable", None)], 1):
        screen.see(RunStarted(recipe(policy), index, 4))
        screen.now += 65
        screen.see(ended(recipe(policy), index, 4, accuracy=accuracy))
    screen.see(RunStarted(recipe("unfreeze-top-k:k=2"), 4, 4), epoch(3))
    screen.now += 15  # for three of ten epochs
    lines = [" ".join(line.split()) for line in screen.drawn()]
    assert any("3/4 runs 3 min 30 s, about 35 s left" in line for line in lines)
    assert "now efficientnet-lite0 · unfreeze-top-k:k=2, seed 0" in lines
    assert "after epoch 3 of 10 validation accuracy 0.750, balanced 0.700" in lines
    assert "best efficientnet-lite0 · bn-affine 0.950" in lines
    assert "failed 1 run" in lines
    assert "efficientnet-lite0 · bn-affine 0.950 1 1 min 05 s finished" in lines
    assert "efficientnet-lite0 · bn-trainable — 1 1 min 05 s failed" in lines


def test_steps_and_stages_show_that_something_happens() -> None:
    """From the first second on: what is built or compiled, then which step of which epoch."""
    screen = Screen(width=120)
    screen.see(GridStarted(1, 0), RunStarted(recipe("p"), 1, 1))
    assert any("starting" in line for line in screen.drawn())
    screen.see(Stage("building the network"))
    assert any("building the network" in line for line in screen.drawn())
    screen.see(StepTaken(1, 7, 24))
    assert any(line.strip() == "epoch 1/10: step 7 of 24" for line in screen.drawn())
    screen.see(epoch(1), StepTaken(2, 1, 24))
    text = " ".join(" ".join(screen.drawn()).split())
    assert "epoch 2/10: step 1 of 24; after epoch 1 of 10 validation accuracy 0.750, balanced 0.700" in text


def test_every_run_under_way_is_shown() -> None:
    """With two workers there are two runs, each with what it is at."""
    screen = Screen(width=120)
    screen.see(GridStarted(3, 0), RunStarted(recipe("a"), 1, 3), RunStarted(recipe("b"), 2, 3))
    screen.see(StepTaken(1, 7, 24, run=1), Stage("building the network", run=2), Note("Statistics lag.", run=1))
    lines = [" ".join(line.split()) for line in screen.drawn()]
    start = lines.index("now efficientnet-lite0 · a, seed 0")
    assert lines[start + 1 : start + 4] == [
        "epoch 1/10: step 7 of 24",
        "now efficientnet-lite0 · b, seed 0",
        "building the network",
    ]
    assert "efficientnet-lite0 · a: Statistics lag." in screen.file.getvalue()


def test_heads_are_named_where_they_differ() -> None:
    """What is the same in all rows takes no room; what differs is shown in the order of a row's title."""
    screen = Screen(width=120)
    screen.see(ended(recipe("p", head="gap"), 1, 3), RunStarted(recipe("p", head="mlp"), 2, 3))
    text = "\n".join(screen.drawn())
    assert "efficientnet-lite0 · mlp · p, seed 0" in text
    assert "none" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Long names are wrapped, never cut off."""
    screen = Screen(width=width)
    long = recipe("unfreeze-top-k:k=2,bn=adapting", backbone="efficientnetb0:size=160")
    screen.see(GridStarted(9, 0), ended(long, 1, 9), RunStarted(long, 2, 9), epoch(10))
    lines = screen.drawn()
    assert max(map(cell_len, lines)) <= width
    assert "…" not in "".join(lines)
    assert "".join(lines).replace(" ", "").count("unfreeze-top-k:k=2,bn=adapting") == 3


@pytest.mark.parametrize("height", [16, 24, 40])
def test_the_display_is_never_higher_than_the_terminal(height: int) -> None:
    """With more rows than lines the best are shown, and how many are not."""
    screen = Screen(height=height)
    screen.see(GridStarted(60, 0))
    for index in range(1, 51):
        screen.see(ended(recipe(f"policy-{index:02d}"), index, 60, accuracy=None if index == 3 else index / 100))
    screen.see(RunStarted(recipe("next"), 51, 60), epoch(10))
    lines = screen.drawn()
    assert len(lines) <= height
    assert "policy-50" in "".join(lines)
    assert any(line.startswith("… and ") and line.endswith(" rows more") for line in lines)


def test_notes_and_data_are_printed_once_above_the_display() -> None:
    """They stay on the screen, name their row, and hold foreign text to the letter."""
    screen = Screen()
    pictures = tuple(Picture(f"{n}", n % 2) for n in range(4))
    report = HealthReport(ImageTable("here", ("[/]", "[red]"), pictures), (), (), (), (), (), (), "")
    screen.see(DataReady(report, Split((0, 1), (2,), (3,))))
    for seed in range(2):
        screen.see(RunStarted(recipe("bn-trainable", seed=seed), 1 + seed, 2))
        screen.see(Note("Statistics lag [/] \x1b[2J.", level="warning"))
    screen.see(Note("Kept in a file."))
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert lines == [
        "data: 4 pictures in 2 classes: [/] 2, [red] 2",
        "split: 2 train, 1 validation, 1 test (split seed 0)",
        "warning: efficientnet-lite0 · bn-trainable: Statistics lag [/] \\x1b[2J.",
        "note: efficientnet-lite0 · bn-trainable: Kept in a file.",
    ]


@pytest.mark.parametrize(("terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_lines_where_nothing_can_be_redrawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool, term: str
) -> None:
    """In a pipe and on a dumb terminal there are plain lines, and prints do not reach stdout."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with live.watching() as observe:
        print("from a plugin")  # noqa: T201 - what is under test
        observe(GridStarted(2, 0))
    assert isinstance(observe, PlainLines)
    assert capsys.readouterr() == ("", "from a plugin\ngrid: 2 runs\n")


@pytest.fixture
def on_a_terminal() -> Callable[[str], tuple[int, str, str]]:
    """Runs code with stderr on a pseudo-terminal of 80 × 24 and stdout in a pipe."""
    pty = pytest.importorskip("pty")

    def run(code: str) -> tuple[int, str, str]:
        ours, theirs = pty.openpty()
        env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**env, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
        )
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux says so when the other side is closed
                break
            if not part:
                break
            seen += part
        os.close(ours)
        out, _ = child.communicate(timeout=60)
        return child.returncode, out.decode(), seen.decode()

    return run


def test_a_terminal_gets_the_display_and_stdout_stays_pure(
    on_a_terminal: Callable[[str], tuple[int, str, str]],
) -> None:
    """With --json and the display on the terminal, stdout is one JSON document although the library prints."""
    code = (
        "import sys, time\n"
        "from zoo import comparison\n"
        "from zoo.events import GridStarted\n"
        "from zoo.rows import Board\n"
        "def compare(data, *, observe, **_):\n"
        "    observe(GridStarted(7, 0)); print('Downloading'); time.sleep(0.6)\n"
        "    return Board(rows=(), stale=(), metric='accuracy', classes=('a', 'b'), n_train=1, n_validation=1,\n"
        "                 n_test=0, data='d', split='s')\n"
        "comparison.compare = compare\n"
        "sys.argv = ['zoo', 'compare', 'demo', '-b', 'x', '--store', 'nowhere', '--json']\n"
        "from zoo.cli.app import main\nmain()\n"
    )
    status, out, seen = on_a_terminal(code)
    assert status == 0
    assert json.loads(out)["board"]["rows"] == []
    assert "0/7 runs" in seen
    assert "Downloading" in seen
    assert "\x1b[?25l" in seen, "the cursor is hidden while the display is redrawn"
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l"), "and is there again at the end"
