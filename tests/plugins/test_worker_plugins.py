"""Plugins in worker processes: what they print, what they are there, and that the call itself stays light."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

import zoo
from zoo.errors import TrainingError
from zoo.events import Note, RunEnded
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.store import Store
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
import os, sys
from zoo.contracts import Head
from zoo.hookspecs import hookimpl

IN_WORKER = sys.argv[:1] == ["zoo.worker"]
{top}

def build(feature_shape, classes):
    import keras
    print("printed by a plugin")
    os.write(1, b"written by a library\\n")
    entry = keras.Input(feature_shape)
    return keras.Model(entry, keras.layers.Dense(classes)(keras.layers.GlobalAveragePooling2D()(entry)))

@hookimpl
def zoo_heads():
    return [Head(name="loud", title=f"a loud head{{IN_WORKER if {differs} else ''}}", build=build)]
"""
GRID: dict[str, Any] = {"policies": ["freeze-all"], "epochs": 1, "batch_size": 8}
CNN = "scratch-cnn:size=32,depth=2"
SCRIPT = """
import sys
import zoo
board = zoo.compare("demo:images=40", backbones=["scratch-cnn:size=32,depth=2"], policies=["freeze-all"], epochs=1,
                    store=sys.argv[1], observe=lambda event: None)
print(sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules)), [row.status for row in board.rows][-1])
"""


def install(site: Any, *, top: str = "", differs: bool = False) -> None:
    """Installs a plugin whose head prints."""
    source = HEAD.format(top=top, differs=differs)
    site.install("zoo-loud", points={"loud": "zoo_loud_head"}, modules={"zoo_loud_head": source})


def test_what_a_plugin_prints_goes_to_standard_error(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints of Python and of libraries below it neither disturb the worker nor reach stdout."""
    install(site)
    board = zoo.compare("demo:images=40", backbones=[CNN], heads=["loud"], store=tmp_path, **GRID)
    assert [row.status for row in board.rows if row.kind == "run"] == ["finished"]
    said = capsys.readouterr()
    assert said.out == ""
    assert "printed by a plugin\n" in said.err
    assert "written by a library\n" in said.err


def test_a_worker_that_cannot_start_is_an_error(site: Any, tmp_path: Path) -> None:
    """Dead twice before a row began: the call ends, and says what the worker wrote last."""
    install(site, top="if IN_WORKER: os.write(2, b'cannot go on\\n'); os._exit(7)")
    with pytest.raises(TrainingError, match="exited with code 7 before it began a row, twice in a row") as caught:
        zoo.compare("demo:images=40", backbones=[CNN], heads=["loud"], store=tmp_path, **GRID)
    assert "cannot go on" in caught.value.hint


def test_an_item_that_is_another_one_in_the_worker_runs_here(site: Any, tmp_path: Path) -> None:
    """Rather than train something else, rows run in this process; a note says so and names the item."""
    install(site, differs=True)
    events: list[Any] = []
    zoo.compare("demo:images=40", backbones=[CNN], heads=["loud"], store=tmp_path, observe=events.append, **GRID)
    (note,) = [event.text for event in events if isinstance(event, Note) and "run in this process" in event.text]
    assert note.endswith("head 'loud' would not be the same in another process.")
    assert [event.record.status for event in events if isinstance(event, RunEnded)] == ["finished"]


def test_items_given_in_this_process_run_here(tmp_path: Path) -> None:
    """A plugin object cannot be had elsewhere: its rows run in this process, and a note says so."""

    class Given:
        """A head of this process."""

        @staticmethod
        @hookimpl
        def zoo_heads() -> list[zoo.Head]:
            """The built-in one under another name."""
            gap = load_catalog(only=[]).head("gap")
            return [zoo.Head(name="given", title="given", build=gap.build, options=gap.options)]

    events: list[Any] = []
    items = load_catalog(only=[], extra=[Given])
    options = {**GRID, "heads": ["given"], "catalog": items, "store": tmp_path, "observe": events.append}
    zoo.compare("demo:images=40", backbones=[CNN], **options)
    (note,) = [event.text for event in events if isinstance(event, Note) and "run in this process" in event.text]
    assert note.endswith("head 'given' was given in this process.")
    assert [event.record.status for event in events if isinstance(event, RunEnded)] == ["finished"]


def test_data_that_cannot_be_sent_stay_here(tmp_path: Path) -> None:
    """What pickle refuses is used in this process; the note has its reason."""

    class Local(str):
        """Text of a class that another process cannot have."""

        __slots__ = ()

    class Given:
        """A source of this process: sources are needed by the call only."""

        @staticmethod
        @hookimpl
        def zoo_sources() -> list[zoo.Source]:
            """Noise in two classes."""

            def load(location: object) -> ImageTable:
                noise = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
                rows = tuple(Picture(id=f"{i:02}", label=i % 2, pixels=noise[i]) for i in range(40))
                return ImageTable(location=Local("here"), classes=("a", "b"), pictures=rows)

            return [zoo.Source(name="given", title="given", accepts=lambda place: place == "given", load=load)]

    events: list[Any] = []
    options = {**GRID, "catalog": load_catalog(only=[], extra=[Given]), "store": tmp_path, "observe": events.append}
    zoo.compare("given", backbones=[CNN], **options)
    (note,) = [event.text for event in events if isinstance(event, Note) and "run in this process" in event.text]
    assert "the data cannot be sent to another process (" in note
    assert [event.record.status for event in events if isinstance(event, RunEnded)] == ["finished"]


def test_a_script_without_a_main_guard_works_and_stays_light(tmp_path: Path) -> None:
    """The script is not run again in the worker, and no Keras is imported by the call."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "random.py").write_text("raise SystemExit('not this one')\n", encoding="utf-8")
    words = [sys.executable, "-P", str(script), str(tmp_path / "runs")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "[] finished\n", done.stderr


def test_a_worker_and_the_process_of_the_call_find_each_others_runs(tmp_path: Path) -> None:
    """Both were started the same way, so the environment is the same, and the digest."""
    events: list[Any] = []
    for jobs in (1, 0):
        options = {**GRID, "store": tmp_path, "observe": events.append}
        zoo.compare("demo:images=40", backbones=[CNN], jobs=jobs, **options)
    assert [event.reused for event in events if isinstance(event, RunEnded)] == [False, True]


def test_two_workers_share_the_cores(tmp_path: Path) -> None:
    """Rows of two backbones run in two processes, both recorded with their share of threads; all are found again."""
    before = set(psutil.Process().children())
    workers: set[psutil.Process] = set()

    def watch(event: Any) -> None:
        if event.run:
            workers.update(set(psutil.Process().children()) - before)

    grid = {**GRID, "backbones": [CNN, "scratch-cnn:size=32,depth=3"], "store": tmp_path}
    board = zoo.compare("demo:images=40", jobs=2, observe=watch, **grid)
    assert {row.status for row in board.rows if row.kind == "run"} == {"finished"}
    assert len(workers) == 2
    with Store(tmp_path) as store:
        threads = {record.environment["variables"]["TF_NUM_INTRAOP_THREADS"] for record in store.runs()}
    assert len(threads) == 1
    events: list[Any] = []
    zoo.compare("demo:images=40", jobs=2, observe=events.append, **grid)
    assert [event.reused for event in events if isinstance(event, RunEnded)] == [True, True]
    assert set(psutil.Process().children()) <= before


def test_pitfall_93_neither_call_nor_worker_grows_with_rows(tmp_path: Path) -> None:
    """After the fifth row the resident memory of both grows by less than 2 MB a row."""
    me = psutil.Process()
    before = set(me.children())
    held: dict[str, list[float]] = {"call": [], "worker": []}

    def watch(event: Any) -> None:
        if isinstance(event, RunEnded):
            (worker,) = set(me.children()) - before
            held["call"].append(me.memory_info().rss / 2**20)
            held["worker"].append(worker.memory_info().rss / 2**20)

    grid = {**GRID, "policies": ["bn-trainable"], "seeds": 14, "store": tmp_path}
    zoo.compare("demo:images=40", backbones=[CNN], observe=watch, **grid)
    for name, resident in held.items():
        assert len(resident) == 14
        assert np.polyfit(range(9), resident[5:], 1)[0] < 2.0, name
