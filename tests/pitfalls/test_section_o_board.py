"""Section O of the pitfalls, and those of section E and F that a board must not fall into."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from zoo.board import Board, Context, build_board
from zoo.statistics import score
from zoo.store import Store
from zoo.values import Recipe, RunRecord, Spec

if TYPE_CHECKING:
    from pathlib import Path

LABELS = np.tile([0, 1], 200)
CONTEXT = Context(data="d", split="s", classes=("a", "b"), n_train=900, n_validation=400, n_test=0)


def predictions(right: int, *, labels: np.ndarray = LABELS, shuffle: int | None = None) -> np.ndarray:
    """Probabilities that are right on so many pictures, the first ones or shuffled ones."""
    correct = np.arange(len(labels)) < right
    if shuffle is not None:
        correct = np.random.default_rng(shuffle).permutation(correct)
    return np.eye(2, dtype=np.float32)[np.where(correct, labels, 1 - labels)]


def keep(store: Store, name: str, right: int, *, seed: int = 0, labels: np.ndarray = LABELS, data: str = "d") -> str:
    """Puts a finished run with its predictions into a store."""
    part = Spec(name)
    recipe = Recipe(
        backbone=part, head=part, policy=part, augmentation=part, data=data, split="s", classes=("a", "b"), seed=seed
    )
    run_id = store.begin(recipe, digest=f"{name}{seed}{data}", environment={})
    table = predictions(right, labels=labels, shuffle=seed)
    ids = [f"{index}.png" for index in range(len(labels))]
    store.save_predictions(run_id, "validation", ids=ids, labels=labels, probabilities=table)
    store.finish(dataclasses.replace(store.get(run_id), status="finished", validation=score(table, labels)))
    return run_id


def draw(store: Store, *, context: Context = CONTEXT, **options: object) -> Board:
    """The board of a store, from what is stored alone."""
    complete = [record for record in store.runs() if record.validation is not None]
    loaded = {record.id: store.load_predictions(record.id, "validation") for record in complete}
    found = {run_id: (one.labels, one.probabilities) for run_id, one in loaded.items()}
    return build_board(store.runs(), found, context, **{"metric": "accuracy", **options})  # type: ignore[arg-type]


def test_pitfall_67_ranks_do_not_depend_on_the_test_part(tmp_path: Path) -> None:
    """Whatever the test part says, ranks, ties and the recommendation stay, and its scores only stand beside them."""
    with Store(tmp_path) as store:
        ids = [keep(store, name, right) for name, right in (("x", 390), ("y", 388), ("z", 300))]
        blind = draw(store)
        for order in (1, -1):
            tests = {run_id: score(predictions(100 * place), LABELS) for place, run_id in enumerate(ids[::order])}
            seen = draw(store, tests=tests)
            accuracies = {run_id: scores.accuracy for run_id, scores in tests.items()}
            assert {row.run_ids[0]: row.test and row.test.accuracy for row in seen.rows} == accuracies
            assert [dataclasses.replace(row, test=None) for row in seen.rows] == list(blind.rows)


def test_pitfall_67_without_a_test_part_the_score_is_a_selection_score(tmp_path: Path) -> None:
    """The board says that its score is made on the pictures that rows were selected by, if there are no others."""
    with Store(tmp_path) as store:
        keep(store, "x", 390)
        assert any("no test part: the score is a selection score" in note for note in draw(store).notes)
        tested = draw(store, context=dataclasses.replace(CONTEXT, n_test=100))
        assert not any("test part" in note for note in tested.notes)


def test_pitfall_71_balanced_accuracy_can_rank(tmp_path: Path) -> None:
    """On a 90/10 split, always saying the frequent class wins by accuracy and loses by balanced accuracy."""
    labels = np.repeat([0, 1], [360, 40])
    constant = np.eye(2, dtype=np.float32)[np.zeros(400, int)]
    with Store(tmp_path) as store:
        lazy, fair = keep(store, "lazy", 400), keep(store, "fair", 320, labels=labels)
        about = {lazy: (labels, constant), fair: (labels, predictions(320, labels=labels, shuffle=0))}
        records = [dataclasses.replace(store.get(run), validation=score(*about[run][::-1])) for run in (lazy, fair)]
    by_accuracy = build_board(records, about, CONTEXT, metric="accuracy")
    by_balance = build_board(records, about, CONTEXT, metric="balanced_accuracy")
    assert [row.backbone for row in by_accuracy.rows] == ["lazy", "fair"]
    assert [row.backbone for row in by_balance.rows] == ["fair", "lazy"]
    worst = by_balance.rows[1]
    assert (worst.score, worst.accuracy, worst.recalls, worst.tied_with_best) == (0.5, 0.9, (1.0, 0.0), False)


def test_pitfall_112_the_mean_of_seeds_ranks_and_not_the_best_of_them(tmp_path: Path) -> None:
    """A row with one lucky and two bad seeds ranks below a steady one; the spread and single seeds are shown."""
    with Store(tmp_path) as store:
        for seed, (lucky, steady) in enumerate(((396, 360), (300, 361), (300, 359))):
            keep(store, "lucky", lucky, seed=seed)
            keep(store, "steady", steady, seed=seed)
        keep(store, "single", 380)
        drawn = draw(store)
    assert [(row.backbone, row.score) for row in drawn.rows] == [("single", 0.95), ("steady", 0.9), ("lucky", 0.83)]
    assert [row.single_seed for row in drawn.rows] == [True, False, False]
    assert drawn.rows[2].spread == (0.75, 0.99)
    assert any("1 row has one seed" in note for note in drawn.notes)


def test_pitfall_112_repetitions_of_one_seed_are_no_further_row(tmp_path: Path) -> None:
    """Running a seed again until it is lucky gives neither a row nor a seed more."""
    with Store(tmp_path) as store:
        for right in (398, 350):
            keep(store, "x", right)
        (row,) = draw(store).rows
    assert (row.seeds, row.score) == (1, 0.875)


def test_pitfall_113_noise_is_marked_as_a_tie_on_the_board(tmp_path: Path) -> None:
    """390 and 392 right of 400 are a tie, 368 and 388 are none, and intervals show how wide the doubt is."""
    for near, pair in ((True, (392, 390)), (False, (388, 368))):
        with Store(tmp_path / str(near)) as store:
            for name, right in zip("xy", pair, strict=True):
                keep(store, name, right, seed=0)
            best, other = draw(store).rows
        assert (best.backbone, other.backbone, other.tied_with_best) == ("x", "y", near)
        assert best.low is not None
        assert best.high is not None
        assert best.high - best.low > 0.015


def test_pitfall_114_rows_on_other_data_are_listed_apart(tmp_path: Path) -> None:
    """After a picture was added, rows from before are stale: unranked, and said to be not comparable."""
    with Store(tmp_path) as store:
        keep(store, "old", 400, data="before")
        keep(store, "new", 200)
        drawn = draw(store)
        other_split = draw(store, context=dataclasses.replace(CONTEXT, split="t"))
    assert [row.backbone for row in drawn.rows] == ["new"]
    assert [(row.backbone, row.rank) for row in drawn.stale] == [("old", None)]
    assert drawn.stale[0].notes[0] == "Run on other data: its score cannot be compared with those above."
    assert drawn.best is drawn.rows[0]
    assert [row.notes[0] for row in other_split.stale] == [
        "Run on another split of the data: its score cannot be compared with those above.",
        "Run on other data: its score cannot be compared with those above.",
    ]


VICTIM = """
import sys
from zoo.store import Store
from zoo.values import EpochRecord, Recipe, Spec
part = Spec("victim")
recipe = Recipe(backbone=part, head=part, policy=part, augmentation=part, data="d", split="s", classes=("a", "b"))
with Store(sys.argv[1]) as store:
    run_id = store.begin(recipe, digest="victim0d", environment={})
    store.add_epoch(run_id, EpochRecord("head", 1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    print(run_id, flush=True)
    input()
"""


def test_pitfall_115_failed_and_killed_rows_stay_and_only_they_are_run_again(tmp_path: Path) -> None:
    """Row 2 fails and row 3 is killed: all four are on the board with their reasons, and two are complete."""
    with Store(tmp_path) as store:
        keep(store, "one", 390)
        part = Spec("two")
        failing = Recipe(
            backbone=part, head=part, policy=part, augmentation=part, data="d", split="s", classes=("a", "b")
        )
        run_id = store.begin(failing, digest="two0d", environment={})
        store.finish(dataclasses.replace(store.get(run_id), status="failed", reason="out of memory"))
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline().startswith("victim-victim-s0-")
        victim.kill()
    with Store(tmp_path) as store:
        keep(store, "four", 380)
        rows = {row.backbone: row for row in draw(store).rows}
        todo = [digest for digest in ("one0d", "two0d", "victim0d", "four0d") if store.find(digest) is None]
    assert {name: (row.rank, row.status) for name, row in rows.items()} == {
        "one": (1, "finished"),
        "four": (2, "finished"),
        "two": (None, "failed"),
        "victim": (None, "interrupted"),
    }
    assert rows["two"].reason == "out of memory"
    assert "ended before the run did" in rows["victim"].reason
    assert todo == ["two0d", "victim0d"]


def test_a_board_needs_neither_keras_nor_the_pictures(tmp_path: Path) -> None:
    """Drawing a board from a store imports no backend."""
    with Store(tmp_path) as store:
        keep(store, "x", 390)
        assert isinstance(store.runs()[0], RunRecord)
    code = (
        "import sys; from zoo.board import build_board, Context; from zoo.store import Store\n"
        "with Store(sys.argv[1]) as s:\n"
        "    about = Context(data='d', split='s', classes=(), n_train=1, n_validation=1, n_test=1)\n"
        "    print(build_board(s.runs(), {}, about, metric='accuracy').best.backbone)\n"
        "print([m for m in ('keras', 'tensorflow', 'torch', 'jax') if m in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert child.stdout.split("\n")[:2] == ["x", "[]"]
