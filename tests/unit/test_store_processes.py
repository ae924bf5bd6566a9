"""Several processes on one store, and processes that are killed."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from zoo.process import Process
from zoo.store import Store
from zoo.values import Recipe, Spec

if TYPE_CHECKING:
    from pathlib import Path

COMMON = """
import dataclasses, sys
from zoo.store import Store
from zoo.values import EpochRecord, Recipe, Scores, Spec
SPEC = Spec("x")
def recipe(seed):
    return Recipe(backbone=SPEC, head=SPEC, policy=SPEC, augmentation=SPEC, data="d", split="s", classes=(), seed=seed)
def epoch(number):
    return EpochRecord("head", number, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""

WORKER = """
directory, me, runs, journal = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with Store(directory, journal=journal) as store:
    for number in range(runs):
        run_id = store.begin(recipe(number % 3), digest=f"{me}-{number}", environment={})
        store.add_epoch(run_id, epoch(1))
        record = dataclasses.replace(store.get(run_id), status="finished", validation=Scores(1, 1.0, 1.0, me, ()))
        store.finish(record)
"""

VICTIM = """
with Store(sys.argv[1]) as store:
    done = store.begin(recipe(0), digest="done", environment={})
    store.finish(dataclasses.replace(store.get(done), status="finished", history=(epoch(1),)))
    run_id = store.begin(recipe(1), digest="half", environment={})
    number = 0
    while True:
        number += 1
        store.add_epoch(run_id, epoch(number))
        print(number, flush=True)
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_four_processes_write_at_once(tmp_path: Path, journal: str) -> None:
    """Four processes make 25 runs each in a store that none of them found: no run is lost, no name given twice."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", COMMON + WORKER, str(tmp_path / "store"), str(number), "25", journal],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert errors == [""] * 4
    with Store(tmp_path / "store") as store:
        records = store.runs()
        assert {record.digest for record in records} == {f"{me}-{run}" for me in range(4) for run in range(25)}
        assert len({record.id for record in records}) == 100
        assert {record.status for record in records} == {"finished"}
        assert Counter(len(record.history) for record in records) == {1: 100}
        assert all(store.folder(record.id).is_dir() for record in records)


def test_a_run_that_ends_while_somebody_looks_stays_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose process finished it and left, just as another one wondered whether it lives, is not interrupted."""
    with Store(tmp_path) as store, Store(tmp_path) as looking:
        part = Spec("x")
        recipe = Recipe(backbone=part, head=part, policy=part, augmentation=part, data="d", split="s", classes=())
        begun = store.get(store.begin(recipe, digest="d", environment={}))

        def alive(process: Process) -> bool:
            store.finish(dataclasses.replace(begun, status="finished"))
            return False

        monkeypatch.setattr(Process, "alive", alive)
        assert [(record.status, record.reason) for record in looking.runs()] == [("finished", "")]


def test_a_killed_writer_leaves_a_valid_store(tmp_path: Path) -> None:
    """After kill -9 in the middle of a run the file is sound, and all epochs that were told are there."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMON + VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        told = [victim.stdout.readline() for _ in range(20)]
        victim.kill()
    assert told[-1] == "20\n"
    with Store(tmp_path) as store:
        done, half = store.runs()
        assert (done.status, half.status) == ("finished", "interrupted")
        assert half.reason == f"Process {victim.pid}, which ran it, ended before the run did."
        assert [epoch.epoch for epoch in half.history] == list(range(1, len(half.history) + 1))
        assert len(half.history) >= 20
        assert store.find("done") == done
        assert store.find("half") is None
        store.save_board_context("d", "s", {"still": "writable"})
    with contextlib.closing(sqlite3.connect(tmp_path / "zoo.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
