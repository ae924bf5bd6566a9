"""The benchmark's scenarios that take minutes, end to end on made-up pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--backbone", "scratch-cnn:size=32", "--images", "60", "--epochs", "1", "--repeats", "1")


def grid(tmp_path: Path, scenario: str, *words: str) -> tuple[str, dict[str, Any]]:
    """Runs the program on made-up pictures; what it printed, and the document of the scenario."""
    out = tmp_path / "found.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "grid.py"), "--scenario", scenario, "--json", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text(encoding="utf-8"))["scenarios"][scenario]


def test_a_mixed_grid(tmp_path: Path) -> None:
    """Every policy of it is trained by both, with two seeds each."""
    _, found = grid(tmp_path, "mixed", *QUICK)
    ours, peer = ([tuple(row.items())[:5] for row in run["rows"]] for run in found["runs"])
    assert sorted(ours) == sorted(peer)
    assert len(ours) == 10
    assert all(row["status"] == "finished" for run in found["runs"] for row in run["rows"])


def test_the_tuner_trains_all_rows(tmp_path: Path) -> None:
    """KerasTuner finds a score for each combination."""
    pytest.importorskip("keras_tuner")
    pytest.importorskip("tensorboard")
    _, found = grid(tmp_path, "frozen-1", *QUICK, "--tuner", "--only", "tuner", "--only", "ours")
    assert [(run["contender"], len(run["rows"])) for run in found["runs"]] == [("ours", 1), ("tuner", 1)]


def test_one_more_head(tmp_path: Path) -> None:
    """Only the rows of the new head are trained in the second call."""
    _, found = grid(tmp_path, "add-a-head", *QUICK)
    assert [(run["contender"], len(run["rows"])) for run in found["runs"]] == [("start", 0), ("grid", 6), ("more", 3)]
    assert {row["head"] for row in found["runs"][2]["rows"]} == {"mlp"}
    assert set(found["ratios"]) == {"whole call", "without start and imports", "time of the rows"}


def test_memory_after_each_row(tmp_path: Path) -> None:
    """Thirty rows, thirty looks."""
    pytest.importorskip("psutil")
    text, found = grid(tmp_path, "rows-30", *QUICK)
    assert len(found["run"]["answer"]["resident"]) == 30
    assert min(own for own, _ in found["run"]["answer"]["resident"]) > 100e6
    assert "growth after the fifth row" in text


def test_features_kept_and_anew(tmp_path: Path) -> None:
    """All rows of both calls are compared."""
    _, found = grid(tmp_path, "equality", *QUICK)
    assert len(found["largest_differences"]) == 6
    assert max(found["largest_differences"].values()) <= found["tolerance"]


def test_bad_rows_leave_the_good_ones_alone(tmp_path: Path) -> None:
    """Each bad row ends in its own way, and the good ones are equal to the last bit."""
    _, found = grid(tmp_path, "faults", *QUICK, "--row-timeout", "40")
    statuses = {row["head"]: row["status"] for row in found["rows"]}
    assert {statuses[name] for name in ("gap", "concat-pool", "cosine")} == {"finished"}
    assert not {name for name, status in statuses.items() if name.startswith("faulty-") and status == "finished"}
    assert found["equal"] == dict.fromkeys(found["equal"], True)
    assert len(found["equal"]) == 3


def test_start_is_measured_beside_nothing(tmp_path: Path) -> None:
    """Each command fifteen times."""
    _, found = grid(tmp_path, "start")
    assert {len(times) for times in found["seconds"].values()} == {15}
    assert found["ratios"]["python -c pass"] == 1
