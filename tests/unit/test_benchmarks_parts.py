"""What the time of a process goes into, as the benchmark tells it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo.events import Note, Progress, RunEnded, RunStarted, Stage

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("importable")


def measured(contender: str, seconds: float, **answer: Any) -> Any:
    """A made-up measurement."""
    from side_by_side.processes import Measured

    return Measured(
        contender=contender,
        repeat=0,
        place=0,
        seconds=seconds,
        cpu_seconds=2 * seconds,
        peak_bytes=None,
        load=None,
        answer=answer,
    )


def test_time_between_events_belongs_to_what_began_it() -> None:
    """Every second is in one part, also those before the first event and after the last; notes change nothing."""
    from side_by_side.parts import FROZEN, HEADS, ROWS, STAGES, START, Parts

    clock = iter([100.0 + second for second in (2, 5, 6, 10, 11, 13, 20)])
    used = iter([1.0, 2.0, 3.0, 9.0, 9.5, 10.0, 12.0])
    parts = Parts(100.0, clock=lambda: next(clock), cpu=lambda: next(used))
    row: Any = None
    for event in (
        RunStarted(row, 1, 1),
        Stage("building the network"),
        Progress("computing frozen features", 0, 64),
        Note("nothing"),
        Progress("computing frozen features", 64, 64),
        Stage("compiling the first training step"),
        Stage("saving the model"),
        RunEnded(row, 1, 1),
        RunStarted(row, 2, 2),
    ):
        parts.see(event)
    found = parts.over()
    assert found == {
        START: [1, 2.0, 1.0],
        STAGES["building the network"]: [2, 10.0, 3.0],
        FROZEN: [1, 1.0, 1.0],
        HEADS: [1, 4.0, 6.0],
        STAGES["saving the model"]: [1, 1.0, 0.5],
        ROWS: [1, 2.0, 0.5],
    }


def test_the_table_says_what_is_beyond_the_limit() -> None:
    """Parts, the whole, and the difference from a limit that was measured in the same repeat; without one, no line."""
    from side_by_side.parts import table

    ours = measured("ours", 30.0, parts={"start": [1, 4.0, 3.0], "rows": [12, 25.0, 50.0]})
    limit = measured("limit", 20.0, parts={"import": 3.0})
    lines = {line.split("  ")[0].strip(): line.split() for line in table([ours, limit]).splitlines()}
    assert lines["rows"][-3:] == ["12", "25.0", "50.0"]
    assert lines["end of the process"][-2:] == ["1.0", "–"]
    assert lines["beyond the limit"][-2:] == ["10.0", "20.0"]
    assert "import" in table([ours, limit])
    assert "beyond the limit" not in table([ours])
    assert table([dataclasses.replace(ours, answer={})]) == ""


@pytest.mark.timeout(300)
def test_parts_are_printed_and_add_up(tmp_path: Path) -> None:
    """On small pictures: every part that a frozen row has is there, and together they are the time of the process."""
    out = tmp_path / "found.json"
    words = ["--scenario", "frozen-1", "--images", "60", "--size", "64", "--epochs", "2", "--repeats", "1"]
    words += ["--only", "ours", "--parts", "--json", str(out), "--backbone", "scratch-cnn"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "grid.py"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(out.read_text(encoding="utf-8"))["scenarios"]["frozen-1"]["runs"]
    parts = run["answer"]["parts"]
    for name in ("networks built", "frozen pass", "training of heads", "saved networks loaded", "test score"):
        assert any(part.startswith(name) for part in parts), name
        assert name in done.stdout
    assert sum(wall for _, wall, _ in parts.values()) <= run["seconds"]
