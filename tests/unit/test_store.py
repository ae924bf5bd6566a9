"""The store of runs."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import RunFormatError, RunNotFoundError, StoreError
from zoo.process import Process, this_process
from zoo.store import Look, Store
from zoo.values import EpochRecord, Receipt, ReceiptRow, Recipe, RunRecord, Scores, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCORES = Scores(4, 0.75, 0.5, 0.6, (1.0, 0.0))


def recipe(*, seed: int = 0, backbone: str = "lite0", data: str = "d", split: str = "s") -> Recipe:
    """A recipe of a combination."""
    return Recipe(
        backbone=Spec(backbone, (("size", 64),)),
        head=Spec("gap"),
        policy=Spec("freeze-all"),
        augmentation=Spec("none"),
        data=data,
        split=split,
        classes=("a", "b"),
        seed=seed,
    )


def epoch(number: int) -> EpochRecord:
    """A line of a history."""
    return EpochRecord("head", number, 1.0 / number, 0.5, 0.7, 0.5, 0.5, 1e-3, 0.1)


def begin(store: Store, *, digest: str = "3f9a2cd8", **options: Any) -> str:
    """Enters a run."""
    return store.begin(recipe(**options), digest=digest, row="r", environment={"keras": "3"}, data={"location": "x"})


def finish(store: Store, run_id: str, **changes: Any) -> RunRecord:
    """Ends a run, and says how it was stored."""
    changes = {"status": "finished", "validation": SCORES, **changes}
    store.finish(dataclasses.replace(store.get(run_id), **changes))
    return store.get(run_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    with Store(tmp_path / "zoo-runs") as opened:
        yield opened


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    """Everything that a run measured is read again, from another connection, without loss."""
    run_id = begin(store)
    row = ReceiptRow("head", 6, "all", False, 6, 6, 0.25, None, None, "PASS")
    full = dataclasses.replace(
        store.get(run_id),
        status="not learning in inference mode",
        reason="why",
        notes=("one", "two"),
        validation=SCORES,
        train_accuracy=0.9,
        inference_accuracy=0.5,
        receipt=Receipt((row,), ("ghost",)),
        history=(epoch(1), epoch(2)),
        best_epoch=2,
        trainable_weights=6,
        total_weights=100,
        seconds=1.5,
        milliseconds_per_image=0.1,
    )
    store.finish(full)
    with Store(store.directory) as again:
        assert again.get(run_id) == again.find("3f9a2cd8") == again.runs()[0] == full
        assert again.data(run_id) == {"location": "x"}


def test_names_of_runs_can_be_read_and_are_unique(store: Store) -> None:
    """Backbone, policy, seed and digest make the name; a repetition and a left-over folder get another one."""
    first, second = begin(store), begin(store)
    (store.directory / "runs" / "lite0-freeze-all-s1-3f9a2c").mkdir()
    assert (first, second) == ("lite0-freeze-all-s0-3f9a2c", "lite0-freeze-all-s0-3f9a2c-2")
    assert begin(store, seed=1) == "lite0-freeze-all-s1-3f9a2c-2"
    assert store.folder(first).is_dir()
    assert begin(store, backbone="../Ünsafe [red]\x1b").startswith("nsafe-red-freeze-all-s0-")


def test_a_running_run_is_seen_with_its_epochs(store: Store) -> None:
    """Another process sees a run as soon as it begins, and each epoch as soon as it ends."""
    run_id = begin(store)
    store.add_epoch(run_id, epoch(2))
    store.add_epoch(run_id, epoch(1))
    with Store(store.directory) as other:
        seen = other.get(run_id)
    assert (seen.status, seen.history, seen.environment) == ("running", (epoch(1), epoch(2)), {"keras": "3"})
    assert seen.started.endswith("+00:00")


def test_a_failed_run_keeps_its_epochs_reason_and_traceback(store: Store) -> None:
    """What a failed run had done up to then is kept, although its last record does not know of it."""
    run_id = begin(store)
    blank = store.get(run_id)
    store.add_epoch(run_id, epoch(1))
    store.save_traceback(run_id, "Traceback of 'b\udcffd'")
    store.finish(dataclasses.replace(blank, status="diverged", reason="loss is nan"))
    kept = store.get(run_id)
    assert (kept.status, kept.reason, kept.history) == ("diverged", "loss is nan", (epoch(1),))
    assert (store.folder(run_id) / "traceback.txt").read_text(encoding="utf-8") == r"Traceback of 'b\udcffd'"


def test_find_gives_complete_runs_only(store: Store) -> None:
    """A run that failed is run again; one that has scores is not, and the latest counts."""
    for status, digest in [
        ("failed", "f"),
        ("diverged", "f"),
        ("interrupted", "f"),
        ("finished", "c"),
        ("finished", "c"),
    ]:
        finish(store, begin(store, digest=digest), status=status, validation=SCORES if digest == "c" else None)
    finish(store, begin(store, digest="n"), status="not learning in inference mode")
    begin(store, digest="r")
    names = {
        digest: record.id.removeprefix("lite0-freeze-all-s0-") for digest in "fcnrx" if (record := store.find(digest))
    }
    assert names == {"c": "c-2", "n": "n"}


def test_runs_are_sorted_and_chosen_by_data_and_split(store: Store) -> None:
    """Runs come in the order in which they began, whatever order they ended in."""
    parts = [(2, "d", "s"), (1, "d", "t"), (0, "e", "u")]
    ids = [begin(store, seed=seed, data=data, split=split) for seed, data, split in parts]
    for run_id in reversed(ids):
        finish(store, run_id)
    assert [record.id for record in store.runs()] == ids
    assert [record.id for record in store.runs(data="d")] == ids[:2]
    assert [record.id for record in store.runs(data="d", split="t")] == ids[1:2]
    assert store.runs(split="none") == ()


def test_get_takes_the_beginning_of_a_name(store: Store) -> None:
    """As much of a name as is unique will do, and a whole name wins over longer ones that begin so."""
    first, second = begin(store), begin(store)
    third = begin(store, seed=1)
    assert store.get("lite0-freeze-all-s1").id == third
    assert store.get(first).id == first
    with pytest.raises(RunNotFoundError, match=f"2 runs begin with 'lite0-freeze-all-s0': {first}, {second}") as caught:
        store.get("lite0-freeze-all-s0")
    for run_id in (first, second):
        rest = run_id.removeprefix("lite0-freeze-all-s0-")
        assert f"{rest} is begun {store.get(run_id).started}" in (caught.value.hint or "")  # all else is equal
    other = begin(store, data="others")
    with pytest.raises(RunNotFoundError, match="4 runs begin with 'lite0-freeze-all'") as caught:
        store.get("lite0-freeze-all")
    told = f"s1-3f9a2c is data d, seed 1, begun {store.get(third).started}; s0-3f9a2c-3 is data others, seed 0, begun "
    assert told in (caught.value.hint or "")
    with pytest.raises(RunNotFoundError, match="4 runs begin with 'lite0-fre'") as caught:
        store.get("lite0-fre")
    assert "freeze-all-s1-3f9a2c is data d, seed 1" in (caught.value.hint or "")
    with pytest.raises(RunNotFoundError) as caught:
        store.get("ghost")
    assert f"The store has 4 runs, the last of them {first}, {second}, {third}, {other}." in (caught.value.hint or "")


def test_get_says_what_is_near(store: Store) -> None:
    """A misspelt name leads to the right one, and an empty one to none."""
    first = begin(store)
    with pytest.raises(RunNotFoundError, match="There is no run named 'lite0-freze-all-s0-3f9a2c'") as caught:
        store.get("lite0-freze-all-s0-3f9a2c")
    assert caught.value.hint == f"Did you mean {first}?"
    with pytest.raises(RunNotFoundError, match="There is no run named ''"):
        store.get("")
    with pytest.raises(RunNotFoundError, match="There is no run named 'ghost'"):
        store.add_epoch("ghost", epoch(1))
    with pytest.raises(RunNotFoundError, match=r"There is no run named '\.\./runs'"):
        store.folder("../runs")


def test_a_run_ends_once(store: Store) -> None:
    """A finished run is never written over, and a run ends with the digest that it began with."""
    run_id = begin(store)
    begun = store.get(run_id)
    with pytest.raises(StoreError, match="was begun with digest 3f9a2cd8, but ends with other"):
        store.finish(dataclasses.replace(begun, status="finished", digest="other"))
    with pytest.raises(StoreError, match="is 'running' and cannot become 'running'"):
        store.finish(begun)
    finish(store, run_id)
    with pytest.raises(StoreError, match="is 'finished' and cannot become 'failed'"):
        store.finish(dataclasses.replace(begun, status="failed"))
    assert store.get(run_id).status == "finished"


@pytest.mark.parametrize(
    ("change", "status"),
    [({"born": "before"}, "interrupted"), ({"host": "elsewhere"}, "running"), ({}, "running")],
    ids=["dead process", "other machine", "alive"],
)
def test_runs_of_dead_processes_are_interrupted(
    store: Store, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], status: str
) -> None:
    """A run is `running` for as long as its process may live, and `interrupted` from then on."""
    writer: Process = dataclasses.replace(this_process(), **change)
    monkeypatch.setattr("zoo.run_table.this_process", lambda: writer)
    run_id = begin(store)
    with Store(store.directory, reading=True) as reader:  # says the same, and writes nothing
        told = reader.get(run_id)
        assert reader.runs()[0].status == told.status == status
        assert reader._database.read("SELECT status FROM runs") == [("running",)]
    assert store.runs()[0].status == store.get(run_id).status == status
    if status == "interrupted":
        assert store.get(run_id).reason == f"Process {writer.pid}, which ran it, ended before the run did."
    assert told == store.get(run_id)
    assert finish(store, run_id).status == "finished"  # its process lived after all


def test_predictions_come_back(store: Store) -> None:
    """Ids, labels and float32 probabilities are kept for each part."""
    run_id = begin(store)
    ids, labels = ("a/ä.png", "b/日本.png", "b/\udcff.png"), np.array([0, 1, 1])
    probabilities = np.random.default_rng(0).random((3, 2)).astype(np.float32)
    store.save_predictions(run_id, "validation", ids=ids, labels=labels, probabilities=probabilities)
    store.save_predictions(run_id, "test", ids=ids[:1], labels=labels[:1], probabilities=probabilities[:1])
    found = store.load_predictions(run_id, "validation")
    assert found.ids == ids
    assert (found.labels.dtype, found.probabilities.dtype) == (np.int64, np.float32)
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.probabilities, probabilities)
    kept = sorted(path.name for path in store.folder(run_id).iterdir())
    assert kept == ["predictions-test.npz", "predictions-validation.npz"]


def test_predictions_that_are_missing_damaged_or_do_not_fit(store: Store) -> None:
    """Each case has its own message, whichever way the file is damaged."""
    run_id = begin(store)
    with pytest.raises(RunNotFoundError, match="There are no stored predictions at"):
        store.load_predictions(run_id, "validation")
    with pytest.raises(
        StoreError, match=r"2 ids, labels of shape \(1,\) and probabilities of shape \(2, 2\) do not fit"
    ):
        store.save_predictions(run_id, "test", ids=["a", "b"], labels=np.zeros(1, int), probabilities=np.ones((2, 2)))
    path = store.folder(run_id) / "predictions-test.npz"
    store.save_predictions(run_id, "test", ids=["a"], labels=np.zeros(1, int), probabilities=np.ones((1, 2)))
    whole = path.read_bytes()
    torn = whole[:200] + bytes(8) + whole[208:]
    for damage in (b"", whole[:-30], torn, b"PK\x03\x04 not really", b"plain text"):
        path.write_bytes(damage)
        with pytest.raises(RunFormatError, match="cannot be read"):
            store.load_predictions(run_id, "test")


def test_looks_at_the_test_part_are_kept(store: Store) -> None:
    """Every evaluation on the test part is listed for its split, oldest first."""
    run_id, other = begin(store), begin(store, split="t")
    for number in range(2):
        store.record_test_look(row="r", run_id=run_id, when=f"2026-01-0{number + 1}", scores=SCORES)
    store.record_test_look(row="q", run_id=other, when="2026-01-03", scores=SCORES)
    assert store.test_looks("s") == tuple(Look("s", "r", run_id, f"2026-01-0{n}", SCORES) for n in (1, 2))
    assert store.test_looks("none") == ()


def test_board_contexts_are_kept_and_the_latest_is_last(store: Store) -> None:
    """A context is replaced by a newer one of the same data and split, which makes it the last."""
    store.save_board_context("d", "s", {"n_train": 1})
    store.save_board_context("d", "t", {"n_train": 2})
    store.save_board_context("d", "s", {"n_train": 3, "classes": ("a", "b\udcff")})
    assert store.board_contexts() == ({"n_train": 2}, {"n_train": 3, "classes": ["a", "b\udcff"]})


def test_fingerprints_are_remembered(store: Store) -> None:
    """Values can be read at once, are written in batches and at the end, and any file name is a key."""
    table = store.fingerprints()
    for number in range(1001):
        table.put(f"b\udcffd{number}", str(number))
    table.put("b\udcffd0", "new")
    table.put("b\udcfed0", "other")
    assert (table.get("b\udcffd0"), table.get("b\udcffd1000"), table.get("bd0")) == ("new", "1000", None)
    with Store(store.directory) as other:
        assert (other.fingerprints().get("b\udcffd7"), other.fingerprints().get("b\udcffd1000")) == ("7", None)
    store.close()
    with Store(store.directory) as other:
        assert (other.fingerprints().get("b\udcffd0"), other.fingerprints().get("b\udcffd1000")) == ("new", "1000")


def test_a_store_can_be_moved(store: Store, tmp_path: Path) -> None:
    """Nothing in it names the folder that it was made in, so that it works in another one."""
    run_id = begin(store)
    store.save_predictions(run_id, "test", ids=["a"], labels=np.zeros(1, int), probabilities=np.ones((1, 2)))
    finish(store, run_id)
    store.close()
    moved = tmp_path / "elsewhere" / "runs of [red]"
    moved.parent.mkdir()
    shutil.move(store.directory, moved)
    with Store(moved) as opened:
        assert opened.load_predictions(run_id, "test").ids == ("a",)
        assert opened.runs()[0].validation == SCORES
    assert str(tmp_path).encode() not in (moved / "zoo.sqlite").read_bytes()


def test_a_record_that_cannot_be_stored_leaves_nothing_behind(store: Store) -> None:
    """A run whose environment is no JSON is not begun by half: no row, no folder."""
    with pytest.raises(RunFormatError, match="A value of type set cannot be stored"):
        store.begin(recipe(), digest="d", environment={"flags": {1}})
    assert store.runs() == ()
    assert list((store.directory / "runs").iterdir()) == []
    with contextlib.closing(sqlite3.connect(store.directory / "zoo.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
