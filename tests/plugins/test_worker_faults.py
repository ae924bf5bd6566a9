"""Plugins and worker processes: rows that take their process with them cost themselves only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from zoo.events import Note, RunEnded, RunStarted
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.board import Board, Row

BAD_HEADS = """
import faulthandler, os, pathlib, time
from zoo.contracts import Head
from zoo.hookspecs import hookimpl

PLACE = pathlib.Path(__file__).parent

def good(feature_shape, classes):
    import keras
    entry = keras.Input(feature_shape)
    pooled = keras.layers.GlobalAveragePooling2D()(entry)
    return keras.Model(entry, keras.layers.Dense(classes)(pooled))

def infinite(feature_shape, classes):
    model = good(feature_shape, classes)
    model.layers[-1].bias.assign([float("nan")] * classes)
    return model

def raising(feature_shape, classes):
    raise ValueError("[red]no[/red]")

def hogging(feature_shape, classes):
    print("hogging", flush=True)
    held = []
    while True:
        held.append(b"x" * (1 << 24))
        time.sleep(0.01)

def hanging(feature_shape, classes):
    time.sleep(600)

def exiting(feature_shape, classes):
    os.write(2, b"last words\\n")
    os._exit(3)

def crashing(feature_shape, classes):
    faulthandler._sigsegv()

def tight(feature_shape, classes):
    mark = PLACE / "tried"
    if not mark.exists():
        mark.touch()
        raise MemoryError("no room for 123 bytes")
    return good(feature_shape, classes)

@hookimpl
def zoo_heads():
    builders = dict(infinite=infinite, raising=raising, hogging=hogging, hanging=hanging, exiting=exiting,
                    crashing=crashing, tight=tight)
    return [Head(name=name, title="a bad head", build=build) for name, build in builders.items()]
"""
GRID: dict[str, Any] = {
    "backbones": ["scratch-cnn:size=32,depth=2"],
    "policies": ["unfreeze-all"],
    "epochs": 2,
    "batch_size": 8,
}


@pytest.fixture
def compare(site: Any, tmp_path: Path) -> Callable[..., tuple[Board, list[Any]]]:
    """Compares heads on demo pictures; gives the board and the events."""
    site.install("zoo-bad", points={"bad": "zoo_bad_heads"}, modules={"zoo_bad_heads": BAD_HEADS})

    def run(*heads: str, store: str = "runs", **options: Any) -> tuple[Board, list[Any]]:
        events: list[Any] = []
        settings = {**GRID, "heads": heads, "store": tmp_path / store, "observe": events.append, **options}
        return zoo.compare("demo:images=40", **settings), events

    return run


def rows_of(board: Board) -> dict[str, Row]:
    """Rows by head."""
    return {row.head: row for row in board.rows if row.kind == "run"}


def bits(board: Board, head: str, store: Path) -> tuple[Any, bytes]:
    """The history and the probabilities of a row, to the bit."""
    with Store(store) as opened:
        (run_id,) = rows_of(board)[head].run_ids
        history = [(one.loss, one.accuracy, one.val_loss) for one in opened.get(run_id).history]
        return history, opened.load_predictions(run_id, "validation").probabilities.tobytes()


def trace_of(board: Board, head: str, store: Path) -> str:
    """The file that tells how a row failed."""
    with Store(store) as opened:
        return (opened.folder(rows_of(board)[head].run_ids[0]) / "traceback.txt").read_text(encoding="utf-8")


def test_pitfall_115_bad_rows_leave_the_good_ones_as_they_are(compare: Any, tmp_path: Path) -> None:
    """Raise, NaN, hog, hang, exit and crash: each has status, reason and file; good rows are equal to the bit."""
    bad = ("raising", "infinite", "hogging", "hanging", "exiting", "crashing")
    limits = {"row_timeout": 40.0, "memory_limit": 2.5}
    board, events = compare("gap", *bad, "mlp", store="mixed", **limits)
    rows = rows_of(board)
    assert {head: rows[head].status for head in rows} == {
        **dict.fromkeys(bad, "failed"),
        "infinite": "diverged",
        "gap": "finished",
        "mlp": "finished",
    }
    assert "ValueError: [red]no[/red]" in rows["raising"].reason
    assert rows["hogging"].reason.startswith("Out of memory: the worker process held ")
    assert rows["hanging"].reason == "The row ran longer than --row-timeout 40 s."
    assert rows["exiting"].reason == "The worker process exited with code 3 while running this row."
    if sys.platform != "win32":
        words = "ended with signal 11 (segmentation fault) while running this row."
        assert rows["crashing"].reason == f"The worker process {words}"
    store = tmp_path / "mixed"
    assert "in hanging" in trace_of(board, "hanging", store)
    assert "in crashing" in trace_of(board, "crashing", store)
    assert "last words" in trace_of(board, "exiting", store)
    assert "in raising" in trace_of(board, "raising", store)
    assert [event.index for event in events if isinstance(event, RunEnded)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sum("A new worker process goes on" in event.text for event in events if isinstance(event, Note)) == 5
    alone, _ = compare("gap", "mlp", store="alone")
    here, _ = compare("gap", "mlp", store="here", jobs=0)
    for head in ("gap", "mlp"):
        one = bits(board, head, store)
        assert one == bits(alone, head, tmp_path / "alone")
        assert one == bits(here, head, tmp_path / "here")


def test_out_of_memory_is_tried_again_with_half_the_batch(compare: Any, tmp_path: Path) -> None:
    """The second run says so and is found again by the recipe that was asked for; the first one stays."""
    board, events = compare("tight", policies=["bn-trainable"])
    row = rows_of(board)["tight"]
    assert row.status == "finished"
    said = [event.text for event in events if isinstance(event, Note)]
    assert any("with batches of 8 pictures (Out of memory: no room for 123 bytes" in text for text in said)
    note = "Memory ran out with batches of 8 pictures, so this run had batches of 4; batch statistics are those of 4"
    with Store(tmp_path / "runs") as store:
        first, second = store.runs()
        assert (first.status, second.status) == ("failed", "finished")
        assert first.digest == second.digest
        assert second.recipe.batch_size == 8
        assert any(text.startswith(note) for text in second.notes)
        assert second.environment["batch_size"] == 4
    again, events = compare("tight", policies=["bn-trainable"])
    assert rows_of(again)["tight"].run_ids == row.run_ids
    assert not [event for event in events if isinstance(event, RunStarted)]
