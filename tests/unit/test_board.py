"""The board: means, ranks, ties, recommendations, notes, JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.board import Board, Context, Row, baselines, build_board
from zoo.errors import RunFormatError
from zoo.records import to_plain
from zoo.statistics import score
from zoo.values import Recipe, RunRecord, Spec

if TYPE_CHECKING:
    import random

LABELS = np.tile([0, 1], 50)
CONTEXT = Context(data="d", split="s", classes=("a", "b"), n_train=400, n_validation=100, n_test=100)


def probabilities(wrong: int, *, offset: int = 0) -> np.ndarray:
    """Predictions for `LABELS` with so many mistakes, the first at an offset."""
    predicted = LABELS.copy()
    predicted[(offset + np.arange(wrong)) % len(LABELS)] ^= 1
    return np.eye(2, dtype=np.float32)[predicted]


_OF_RECIPE = ("data", "split", "epochs", "policy", "augmentation")


def run(name: str, *, seed: int = 0, wrong: int | None = 0, offset: int = 0, **changes: Any) -> tuple[RunRecord, Any]:
    """A run of a backbone with so many mistakes, and what it predicted; None mistakes for no score."""
    fixed = {key: changes.pop(key) for key in list(changes) if key in _OF_RECIPE}
    policy, augmentation = Spec(fixed.pop("policy", "freeze-all")), Spec(fixed.pop("augmentation", "none"))
    recipe = Recipe(
        **{"data": "d", "split": "s", **fixed},
        backbone=Spec(name),
        head=Spec("gap"),
        policy=policy,
        augmentation=augmentation,
        classes=("a", "b"),
        seed=seed,
    )
    predicted = None if wrong is None else (LABELS, probabilities(wrong, offset=offset))
    record = RunRecord(
        id=f"{name}-{policy}-{augmentation}-{seed}-{changes.get('started', '')}"
        f"{recipe.data}{recipe.split}{recipe.epochs}",
        recipe=recipe,
        digest="x",
        status="failed" if wrong is None else "finished",
        validation=predicted and score(predicted[1], LABELS),
        total_weights=100,
        seconds=1.0,
    )
    return dataclasses.replace(record, **changes), predicted


def board(*runs: tuple[RunRecord, Any], context: Any = CONTEXT, **options: Any) -> Board:
    """The board of some runs."""
    predictions = {record.id: predicted for record, predicted in runs if predicted is not None}
    records = [record for record, _ in runs]
    return build_board(records, predictions, context, **{"metric": "accuracy", **options})


def names(rows: tuple[Row, ...]) -> list[str]:
    """Backbones in order."""
    return [row.backbone for row in rows]


def test_a_row_has_means_spread_cost_and_interval_over_its_seeds() -> None:
    """All figures of a row come from all of its seeds."""
    seeds = [
        run("x", seed=s, wrong=w, seconds=2.0, milliseconds_per_image=w, trainable_weights=7)
        for s, w in enumerate((2, 4, 6))
    ]
    (row,) = board(*seeds).rows
    assert (row.score, row.accuracy, row.balanced_accuracy, row.spread) == (0.96, 0.96, 0.96, (0.94, 0.98))
    assert (row.rank, row.seeds, row.failed, row.single_seed, row.status, row.reason) == (
        1,
        3,
        0,
        False,
        "finished",
        "",
    )
    assert (row.seconds, row.milliseconds_per_image, row.trainable, row.total) == (6.0, 4.0, 7, 100)
    assert row.recalls == pytest.approx((0.96, 0.96))
    assert row.run_ids == tuple(record.id for record, _ in seeds)
    assert row.low is not None
    assert row.high is not None
    assert 0.85 < row.low < 0.96 < row.high < 1
    assert row.title == "x · gap · freeze-all · none"


def test_rows_that_cannot_be_told_from_the_best_are_ties() -> None:
    """One mistake more is a tie, thirty are not, and the best is no tie of its own."""
    drawn = board(run("best", wrong=2), run("near", wrong=3), run("far", wrong=32))
    assert names(drawn.rows) == ["best", "near", "far"]
    assert [row.tied_with_best for row in drawn.rows] == [False, True, False]
    assert drawn.best is drawn.rows[0]


@pytest.mark.parametrize(
    "costs",
    [({"total_weights": 90}, {}), ({}, {"trainable_weights": 5}), ({"seconds": 9.0}, {"seconds": 1.0})],
    ids=["weights of the model", "trained weights", "name"],
)
def test_the_cheapest_among_ties_is_recommended(costs: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A smaller model, then fewer trained weights, then the name decides, but never time or a row that is worse."""
    drawn = board(
        run("rich", wrong=2, **costs[1]), run("cheap", wrong=3, **costs[0]), run("bad", wrong=40, total_weights=1)
    )
    assert drawn.recommended is not None
    assert drawn.recommended.backbone == "cheap"
    assert [row.recommended for row in drawn.rows] == [False, True, False]


def test_without_augmentation_is_cheaper() -> None:
    """Of rows that are equal otherwise, the one that does less to the pictures is recommended, whatever its name."""
    drawn = board(run("x", wrong=2, augmentation="augmix"), run("x", wrong=3), run("x", wrong=2, augmentation="a"))
    assert [(row.augmentation, row.recommended) for row in drawn.rows] == [
        ("a", False), ("augmix", False), ("none", True),
    ]  # fmt: skip


def test_time_recommends_nothing() -> None:
    """Which row is recommended, and so gets the look at the test part, is the same on a slow and on a fast machine."""
    for seconds in (1.0, 9.0):
        drawn = board(run("a", wrong=2, seconds=5.0), run("b", wrong=2, seconds=seconds))
        assert [row.recommended for row in drawn.rows] == [True, False]
        assert names(drawn.rows) == ["a", "b"]


def test_with_many_rows_it_takes_more_to_call_one_worse() -> None:
    """A row that is worse than the best of two may tie with the best of twenty, but is not recommended for that."""
    best, other = run("best", wrong=2), run("other", wrong=9, total_weights=1)
    few = board(best, other, run("filler", wrong=2, total_weights=50))
    many = board(best, other, *[run(f"r{i:02}", wrong=2, total_weights=50) for i in range(18)])
    pick = {
        size: next(row for row in drawn.rows if row.backbone == "other")
        for size, drawn in (("few", few), ("many", many))
    }
    assert (pick["few"].tied_with_best, pick["many"].tied_with_best) == (False, True)
    assert not pick["many"].recommended


def test_equal_scores_are_ordered_by_cost_and_name() -> None:
    """Rows of one score stand cheaper first, then by name, in whatever order they were run."""
    runs = [run("b"), run("c", total_weights=1), run("a"), run("a", policy="unfreeze-all")]
    for order in (runs, runs[::-1]):
        assert [row.title.split(" · ")[::2] for row in board(*order).rows] == [
            ["c", "freeze-all"], ["a", "freeze-all"], ["a", "unfreeze-all"], ["b", "freeze-all"],
        ]  # fmt: skip


def test_rows_without_scores_stay_with_their_reason() -> None:
    """Rows that failed, diverged, are running or were interrupted are listed last, unranked, with their reason."""
    bad = [
        run(f"z{i}", wrong=None, status=s, reason=f"why {i}")
        for i, s in enumerate(("failed", "diverged", "interrupted", "running"))
    ]
    drawn = board(*bad, run("ok", wrong=50))
    assert [(row.backbone, row.rank, row.status, row.reason) for row in drawn.rows[1:]] == [
        (record.recipe.backbone.name, None, record.status, record.reason) for record, _ in bad
    ]
    assert [row.failed for row in drawn.rows] == [0, 1, 1, 1, 0]
    assert drawn.best is drawn.rows[0]


def test_a_partly_failed_row_says_so_and_keeps_its_scores() -> None:
    """A row of which one seed failed is ranked by the others, and says which failed and why."""
    runs = [run("x", seed=0, wrong=2), run("x", seed=1, wrong=None, reason="out of memory"), run("x", seed=2, wrong=4)]
    (row,) = board(*runs).rows
    assert (row.rank, row.status, row.seeds, row.failed, row.score) == (1, "finished", 2, 1, 0.97)
    assert row.reason == "1 of 3 seeds have no score; seed 1 is failed: out of memory"


def test_rows_that_do_not_learn_in_inference_mode_rank_last() -> None:
    """However high its score, such a row ranks below all finished ones, and is neither best nor recommended."""
    blind = {"status": "not learning in inference mode", "reason": "statistics lag", "total_weights": 1}
    drawn = board(run("blind", wrong=0, **blind), run("ok", wrong=40), run("dead", wrong=None))
    assert [(row.backbone, row.rank) for row in drawn.rows] == [("ok", 1), ("blind", 2), ("dead", None)]
    assert [row.recommended for row in drawn.rows] == [True, False, False]
    alone = board(run("blind", wrong=0, **blind))
    assert (alone.best, alone.recommended, alone.rows[0].rank, alone.rows[0].reason) == (
        None,
        None,
        1,
        "statistics lag",
    )


def test_of_several_runs_with_one_seed_the_last_complete_one_counts() -> None:
    """A run that was repeated after a failure is one seed and not two."""
    runs = [
        run("x", wrong=9, started="1"), run("x", wrong=3, started="2"), run("x", wrong=None, started="3"),
    ]  # fmt: skip
    (row,) = board(*runs).rows
    assert (row.seeds, row.failed, row.score, row.run_ids) == (1, 0, 0.97, (runs[1][0].id,))


def test_settings_are_named_where_rows_differ_in_them() -> None:
    """Two rows with the same four names can still be told apart."""
    drawn = board(run("x", wrong=1, epochs=10), run("x", wrong=2, epochs=20))
    assert [row.settings for row in drawn.rows] == ["epochs 10", "epochs 20"]
    assert drawn.rows[0].title == "x · gap · freeze-all · none · epochs 10"


def test_baselines_stand_among_the_rows_without_rank() -> None:
    """Baselines are placed by their score, below a row with the same one."""
    predicted = {"majority": np.zeros(100, int), "nearest neighbour": probabilities(10).argmax(axis=1)}
    about = dataclasses.replace(CONTEXT, baselines=baselines(predicted, LABELS, 2))
    drawn = board(run("x", wrong=1), run("y", wrong=10), run("z", wrong=60), run("dead", wrong=None), context=about)
    assert names(drawn.rows) == ["x", "y", "nearest neighbour", "chance", "majority", "z", "dead"]
    assert [row.rank for row in drawn.rows] == [1, 2, None, None, None, 3, None]
    neighbour, chance = drawn.rows[2:4]
    assert (neighbour.kind, neighbour.score, chance.score, chance.low) == ("baseline", 0.9, 0.5, None)
    assert neighbour.low is not None
    assert neighbour.low < 0.9


def test_a_board_of_baselines_and_failures() -> None:
    """A board on which nothing has a score can be drawn."""
    about = dataclasses.replace(CONTEXT, baselines=baselines({}, LABELS, 2))
    drawn = board(run("x", wrong=None), context=about)
    assert (names(drawn.rows), drawn.best, drawn.recommended) == (["chance", "x"], None, None)
    assert board().rows == ()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [(7, "is hardly better than"), (9, "cannot be told from"), (25, "")],
    ids=["near", "alike", "far"],
)
def test_a_best_row_that_is_hardly_better_than_thumbnails_is_noted(wrong: int, expected: str) -> None:
    """The nearest thumbnail within 0.02, or not to be told apart on these pictures, spoils what the board says."""
    predicted = {"nearest neighbour": probabilities(wrong).argmax(axis=1)}
    about = dataclasses.replace(CONTEXT, baselines=baselines(predicted, LABELS, 2))
    notes = " ".join(board(*[run("x", seed=seed, wrong=5) for seed in range(2)], context=about).notes)
    said = f"best row (0.950) {expected} the baseline nearest neighbour ({1 - wrong / 100:.3f})"
    assert (said in notes) is bool(expected)
    assert ("nearest neighbour" in notes) is bool(expected)


def test_notes_on_the_board() -> None:
    """No test part, a score too good to be true, one seed, and what the context says are told."""
    about = dataclasses.replace(CONTEXT, n_test=0, notes=("grouped",))
    notes = board(run("x", wrong=0), context=about).notes
    assert notes[0] == "grouped"
    assert [
        any(word in note for note in notes)
        for word in ("no test part", "The best score is 1.000", "1 row has one seed")
    ] == [True] * 3
    calm = board(*[run("x", seed=s, wrong=9) for s in range(3)]).notes
    assert calm == ()


def test_missing_predictions_make_intervals_decide() -> None:
    """Rows whose predictions were deleted are still ranked; overlapping intervals are ties, and the row says so."""
    runs = [run("best", wrong=2), run("near", wrong=4), run("far", wrong=60)]
    drawn = build_board([record for record, _ in runs], {}, CONTEXT, metric="accuracy")
    assert [row.tied_with_best for row in drawn.rows] == [False, True, False]
    assert all("Stored predictions are missing" in " ".join(row.notes) for row in drawn.rows)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 2), st.none() | st.integers(0, 60)),
        unique_by=lambda r: r[:2],
        max_size=7,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_the_order_of_runs_does_not_matter(rows: list[tuple[str, int, int | None]], dice: random.Random) -> None:
    """Whatever order runs come in, the board is the same; scores fall, ranks count up, one row is recommended."""
    runs = [run(name, seed=seed, wrong=wrong) for name, seed, wrong in rows]
    drawn = board(*runs)
    dice.shuffle(runs)
    assert board(*runs) == drawn
    ranked = [row for row in drawn.rows if row.rank is not None]
    assert [row.rank for row in ranked] == list(range(1, len(ranked) + 1))
    assert [row.score for row in ranked] == sorted((row.score or 0.0 for row in ranked), reverse=True)
    assert drawn.rows[: len(ranked)] == tuple(ranked)
    assert sum(row.recommended for row in drawn.rows) == min(1, len(ranked))


def test_json_round_trip() -> None:
    """A board survives JSON text; its form has a name and a version, and others are refused."""
    about = dataclasses.replace(CONTEXT, baselines=baselines({"majority": np.zeros(100, int)}, LABELS, 2))
    runs = [run("x", wrong=1), run("y", wrong=None, reason="[/] é"), run("old", data="e")]
    drawn = board(*runs, context=about, tests={runs[0][0].id: score(probabilities(5), LABELS)})
    document = drawn.to_json()
    assert (document["schema"], document["version"]) == ("keras-zoo board", 1)
    assert Board.from_json(json.loads(json.dumps(document, allow_nan=False))) == drawn
    assert drawn.rows[0].test is not None
    for wrong in ({"version": 2}, {"schema": "else"}):
        with pytest.raises(RunFormatError, match=r"not 'keras-zoo board' in version 1\."):
            Board.from_json({**document, **wrong})
    with pytest.raises(RunFormatError, match=r"Board\.rows\[0\]\.rank should be int, but is 'first'"):
        Board.from_json({**document, "rows": [{**document["rows"][0], "rank": "first"}]})


def test_a_context_from_the_store_will_do() -> None:
    """`zoo leaderboard` draws the same board from the context as JSON."""
    about = dataclasses.replace(CONTEXT, baselines=baselines({"majority": np.zeros(100, int)}, LABELS, 2))
    assert board(run("x"), context=json.loads(json.dumps(to_plain(about)))) == board(run("x"), context=about)


def test_a_row_that_is_no_better_than_guessing_is_not_recommended() -> None:
    """Nothing at or below chance and majority is recommended, however cheap; if all are, nothing is, and it is said."""
    about = dataclasses.replace(CONTEXT, baselines=baselines({"majority": np.zeros(100, int)}, LABELS, 2))
    drawn = board(run("better", wrong=45), run("cheap", wrong=52, offset=1, total_weights=1), context=about)
    assert drawn.recommended is not None
    assert drawn.recommended.backbone == "better"
    hopeless = board(run("x", wrong=50), run("y", wrong=55), context=about)
    assert hopeless.best is not None
    assert hopeless.recommended is None
    assert any(note.startswith("Nothing is recommended") for note in hopeless.notes)


def test_a_few_pictures_are_named_as_the_reason() -> None:
    """A clear lead that cannot be told from a baseline is put down to the number of pictures."""
    about = dataclasses.replace(CONTEXT, baselines=baselines({"majority": np.zeros(100, int)}, LABELS, 2))
    notes = board(run("x", wrong=44), context=about).notes
    assert any("With 100 validation pictures the best row (0.560) cannot be told from" in note for note in notes)


def test_a_board_prints_as_a_table() -> None:
    """`print(board)` gives one line for each row, failures with their reason."""
    lines = str(board(run("x", wrong=5), run("y", wrong=None, reason="no memory"))).splitlines()
    assert lines[0].startswith("Board (2 classes; 400 training")
    assert lines[1].split() == ["1*", "0.950", "x", "·", "gap", "·", "freeze-all", "·", "none"]
    assert lines[2].endswith("failed: no memory")
