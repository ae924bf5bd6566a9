"""Grouping of runs into rows: what is repeated and what was made elsewhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.board import Context, build_board
from zoo.entries import Entry, entries
from zoo.explanations import Cause, Explanation
from zoo.statistics import score
from zoo.values import Recipe, RunRecord, Spec

if TYPE_CHECKING:
    from zoo.explanations import CauseName
    from zoo.values import Scores

TENSORFLOW: dict[str, Any] = {
    "backend": "tensorflow",
    "packages": {"Pillow": "11.0", "keras": "3.15.1", "numpy": "2.1", "tensorflow": "2.20.0"},
    "variables": {},
    "plugins": {"backbone": "built-in"},
    "runtime": {"intra_op_threads": 0, "epsilon": 1e-7},
    "gpus": [],
    "cores": 8,
}
JAX: dict[str, Any] = {
    **TENSORFLOW,
    "backend": "jax",
    "packages": {"Pillow": "11.0", "keras": "3.15.1", "numpy": "2.1", "jax": "0.6"},
    "runtime": {"x64": False, "epsilon": 1e-7},
}


def scores(right: int) -> Scores:
    """Scores with so many of four pictures right."""
    labels = np.array([0, 1, 0, 1])
    predicted = np.where(np.arange(4) < right, labels, 1 - labels)
    return score(np.eye(2, dtype=np.float32)[predicted], labels)


def run(environment: dict[str, Any], *, seed: int = 0, right: int | None = 4, epochs: int = 10) -> RunRecord:
    """A run of one recipe in an environment; None right for one without scores."""
    recipe = Recipe(
        backbone=Spec("x"),
        head=Spec("gap"),
        policy=Spec("freeze-all"),
        augmentation=Spec("none"),
        data="d",
        split="s",
        classes=("a", "b"),
        epochs=epochs,
        seed=seed,
    )
    return RunRecord(
        id=f"{environment}-{seed}-{right}-{epochs}",
        recipe=recipe,
        digest="x",
        status="failed" if right is None else "finished",
        validation=None if right is None else scores(right),
        environment=environment,
    )


def grouped(*records: RunRecord) -> list[Entry]:
    """Entries of runs whose predictions are not there."""
    return entries(records, {}, metric="accuracy", tests={})


def test_seeds_of_two_environments_are_not_averaged() -> None:
    """Each environment has a row of its own seeds, and a run does not replace that of the same seed elsewhere."""
    first, second = grouped(*[run(where, seed=s, right=r) for where, r in ((TENSORFLOW, 4), (JAX, 2)) for s in (0, 1)])
    assert (first.row.score, first.row.seeds, first.row.settings) == (1.0, 2, "backend tensorflow")
    assert (second.row.score, second.row.seeds, second.row.settings) == (0.5, 2, "backend jax")
    assert first.recipe == second.recipe
    assert not set(first.row.run_ids) & set(second.row.run_ids)


def test_one_environment_is_not_told() -> None:
    """Runs of one environment are one row, in whatever order its keys were written, and nothing is said of it."""
    turned = dict(reversed(TENSORFLOW.items()))
    (entry,) = grouped(run(TENSORFLOW), run(turned, seed=1, right=2))
    assert (entry.row.seeds, entry.row.score, entry.row.settings) == (2, 0.75, "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"packages": {**TENSORFLOW["packages"], "keras": "3.16.0", "numpy": "2.3"}}, "keras 3.16.0"),
        ({"packages": {**TENSORFLOW["packages"], "Pillow": "12.0", "numpy": "2.3"}}, "numpy 2.3"),
        ({"plugins": {"backbone": "extra 1.1"}}, "plugins backbone extra 1.1"),
        ({"variables": {"OMP_NUM_THREADS": "1"}, "cores": 1}, "OMP_NUM_THREADS 1"),
        ({"runtime": {"intra_op_threads": 3, "epsilon": 1e-7}, "cores": 3}, "intra_op_threads 3"),
        ({"gpus": ["A"]}, 'gpus ["A"]'),
        ({"python": "3.13.0"}, "python 3.13.0"),
    ],
)
def test_what_differs_is_told_in_short(changes: dict[str, Any], told: str) -> None:
    """Of all that differs, what a person chose is told, and what follows from it is not."""
    rows = [entry.row for entry in grouped(run(TENSORFLOW), run({**TENSORFLOW, **changes}))]
    assert rows[1].settings == told
    assert rows[0].settings != told


def test_several_environments_are_all_told_apart() -> None:
    """No two rows have the same title; a field that does not concern a row is not told of it."""
    newer = {**TENSORFLOW, "packages": {**TENSORFLOW["packages"], "tensorflow": "2.21.0"}}
    found = grouped(run(TENSORFLOW), run(newer), run(JAX), run(JAX, epochs=20))
    assert [entry.row.settings for entry in found] == [
        "epochs 10, backend tensorflow, tensorflow 2.20.0",
        "epochs 10, backend tensorflow, tensorflow 2.21.0",
        "epochs 10, backend jax",
        "epochs 20",
    ]


def test_a_failure_that_was_mended_elsewhere_is_gone() -> None:
    """A run that failed and succeeded once something was installed is no row; one that fails elsewhere later is."""
    (entry,) = grouped(run(TENSORFLOW, right=None), run(JAX))
    assert (entry.row.status, entry.row.settings, entry.row.failed) == ("finished", "", 0)
    good, bad = grouped(run(JAX), run(TENSORFLOW, right=None))
    assert [(each.row.status, each.row.settings) for each in (good, bad)] == [
        ("finished", "backend jax"),
        ("failed", "backend tensorflow"),
    ]


def test_a_board_ranks_environments_apart() -> None:
    """Two environments are two ranked rows with titles of their own, whatever order they were run in."""
    about = Context(data="d", split="s", classes=("a", "b"), n_train=4, n_validation=4, n_test=4)
    runs = [run(TENSORFLOW, right=3), run(JAX, right=4)]
    for order in (runs, runs[::-1]):
        rows = build_board(order, {}, about, metric="accuracy").rows
        assert [(row.rank, row.title) for row in rows] == [
            (1, "x · gap · freeze-all · none · backend jax"),
            (2, "x · gap · freeze-all · none · backend tensorflow"),
        ]


def test_the_explanation_of_most_seeds_is_told() -> None:
    """Of three seeds, two of which have one cause: theirs, with their number; of all seeds without a number."""

    def because(name: CauseName, *, seed: int) -> RunRecord:
        cause = Cause(name=name, measurement=f"0.5 in seed {seed}", remedy="Look.", weight=0.9)
        told = Explanation(matter="not learning", score="0.5", causes=(cause,))
        return dataclasses.replace(run(TENSORFLOW, seed=seed), explanation=told)

    mixed = [because("overfitting", seed=0), because("labels", seed=1), because("labels", seed=2)]
    (entry,) = entries(mixed, {}, metric="accuracy", tests={})
    assert entry.row.explanation == "in 2 of 3 seeds most likely labels: 0.5 in seed 1."
    (entry,) = entries(mixed[1:], {}, metric="accuracy", tests={})
    assert entry.row.explanation == "most likely labels: 0.5 in seed 1."
    (entry,) = entries([run(TENSORFLOW)], {}, metric="accuracy", tests={})
    assert entry.row.explanation == ""
