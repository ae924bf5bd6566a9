"""Ctrl-C, a killed call, and a killed worker: no process stays behind, and the next call goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

import zoo
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals differ")

CALL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["zoo", "compare", "demo:images=40", "-b", "scratch-cnn:size=32,depth=2", "-p", "freeze-all",
            "-p", "unfreeze-all", "--epochs", "3000", "--patience", "none", "--batch-size", "8", "--store", sys.argv[1]]
from zoo.cli.app import main
main()
"""


class Call:
    """A call of `zoo compare` in a process group of its own, whose first run is under way.

    Args:
        store: Folder of the runs.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALL, str(store)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "ZOO_LOAD_PLUGINS": "", "KERAS_BACKEND": "tensorflow"},
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("  epoch 1/"):
                break
        self.workers = psutil.Process(self.process.pid).children(recursive=True)
        assert len(self.workers) == 1

    def said(self) -> str:
        """The rest of standard error, once the process has ended."""
        _, said = self.process.communicate(timeout=60)
        return str(said)

    def settled(self) -> bool:
        """Whether no worker is left; waits for it."""
        _, alive = psutil.wait_procs(self.workers, timeout=30)
        return not alive

    def statuses(self) -> list[tuple[str, str]]:
        """Status and reason of all runs."""
        with Store(self.store) as store:
            return [(record.status, record.reason) for record in store.runs()]


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    """A call under way."""
    made = Call(tmp_path / "runs")
    yield made
    for process in (*made.workers, made.process):
        if process.is_running() if isinstance(process, psutil.Process) else process.poll() is None:
            process.kill()
    made.process.wait()
    assert made.process.stderr is not None
    made.process.stderr.close()


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "call alone"])
def test_an_interrupt_marks_the_row_and_leaves_nothing(call: Call, *, whole_group: bool) -> None:
    """SIGINT to all processes, as a terminal sends it, or to the call alone: exit code 130, and the run is marked."""
    if whole_group:
        os.killpg(call.process.pid, signal.SIGINT)
    else:
        call.process.send_signal(signal.SIGINT)
    said = call.said()
    assert call.process.returncode == 130
    assert said.endswith("\nstopped; finished rows are kept; the same command goes on\n")
    assert "Traceback" not in said
    assert call.settled()
    assert call.statuses() == [("interrupted", "stopped by the person")]


def test_a_killed_call_takes_its_worker_along(call: Call) -> None:
    """Nobody can tell the worker: it notices that the channel is closed, marks its row and ends."""
    call.process.kill()
    assert call.settled()
    assert call.statuses() == [("interrupted", "stopped by the person")]


def test_a_killed_worker_is_taken_for_memory_that_ran_out(call: Call) -> None:
    """SIGKILL, as the kernel sends it, costs the row only: it is tried with half the batch, and the call goes on."""
    call.workers[0].kill()
    assert call.process.stderr is not None
    lines = iter(call.process.stderr)
    warning = next(line for line in lines if line.startswith("warning: Memory ran out"))
    assert "the worker process ended with signal 9 (killed)" in warning
    assert warning.rstrip().endswith("the row is tried once more in a new worker process, with batches of 4.")
    assert next(line for line in lines if line.startswith("[1/2] scratch-cnn"))
    call.workers = psutil.Process(call.process.pid).children()
    time.sleep(0.2)
    call.process.send_signal(signal.SIGINT)
    call.said()
    assert call.settled()
    assert [status for status, _ in call.statuses()] == ["failed", "interrupted"]


def test_the_next_call_goes_on(tmp_path: Path) -> None:
    """What an observer stopped is run again, in whole; what was finished is not."""

    def stop(event: object) -> None:
        if type(event).__name__ == "RunEnded":
            raise KeyboardInterrupt

    grid = {"backbones": ["scratch-cnn:size=32,depth=2"], "policies": ["freeze-all", "unfreeze-all"], "epochs": 1}
    with pytest.raises(KeyboardInterrupt):
        zoo.compare("demo:images=40", store=tmp_path, observe=stop, **grid)
    with Store(tmp_path) as store:
        assert [record.status for record in store.runs()][:1] == ["finished"]
    started: list[str] = []

    def watch(event: object) -> None:
        if type(event).__name__ == "RunStarted":
            started.append(event.recipe.policy.name)

    board = zoo.compare("demo:images=40", store=tmp_path, observe=watch, **grid)
    assert started == ["unfreeze-all"]
    assert {row.status for row in board.rows if row.kind == "run"} == {"finished"}
