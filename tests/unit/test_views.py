"""Augmented versions of pictures that are computed once, where blocks are closed."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.augmenting import Augmenter
from zoo.backend import clean_state
from zoo.errors import TrainingError
from zoo.prefix import FeatureCache
from zoo.recipe import complete_augmentation
from zoo.stepping import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Bench


def run(bench: Bench, *, views: int, augmentation: str = "light", cache: Any = None, **changes: Any) -> Any:
    """A training with an augmentation, in a state of its own."""
    extra = complete_augmentation(bench.catalog, augmentation)
    recipe = bench.recipe(**{"epochs": 4, "patience": None, **changes}, augmentation=extra, views=views)
    with clean_state(recipe.seed):
        built = bench.build(recipe)
        return bench.train(
            built, recipe, augment=built.augment, solve=built.solve, **({"cache": cache} if cache else {})
        )


def timeless(trained: Any) -> list[Any]:
    """The history without times."""
    return [dataclasses.replace(one, seconds=0.0) for one in trained.history]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many pictures were augmented since the last question."""
    seen: list[int] = []
    own = Augmenter.__call__

    def call(self: Any, pictures: Any, targets: Any) -> Any:
        seen.append(len(pictures))
        return own(self, pictures, targets)

    monkeypatch.setattr(Augmenter, "__call__", call)

    def taken() -> int:
        total = sum(seen)
        seen.clear()
        return total

    return taken


@pytest.mark.parametrize("augmentation", ["light", "mixup"])
def test_each_view_is_computed_once(bench: Bench, counted: Callable[[], int], augmentation: str) -> None:
    """Four epochs over two views augment every picture twice; without views, four times."""
    run(bench, views=2, augmentation=augmentation)
    assert counted() == 2 * len(bench.pixels)
    run(bench, views=0, augmentation=augmentation)
    assert counted() == 4 * len(bench.pixels)


def test_views_do_not_depend_on_what_is_known_already(bench: Bench, counted: Callable[[], int]) -> None:
    """A run that finds its views in the cache equals one that computes them, also in a later phase without views."""
    cache = FeatureCache()
    options = {"policy": "lp-ft:head_epochs=2", "views": 3, "augmentation": "cutmix"}
    first = run(bench, cache=cache, **options)
    computed = counted()
    again = run(bench, cache=cache, **options)
    assert counted() < computed
    assert timeless(first) == timeless(again) == timeless(run(bench, **options))


def test_global_draws_do_not_depend_on_what_is_known_already(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of somebody's that draws from Python's or NumPy's generator gets the same, view known or not."""
    draws: list[Any] = []
    own = Task.learner_in

    def learner_in(task: Task, epoch: int) -> Any:
        found = own(task, epoch)
        draws.append((random.random(), np.random.random()))  # noqa: NPY002, S311 - what a layer may do
        return found

    monkeypatch.setattr(Task, "learner_in", learner_in)
    cache = FeatureCache()
    run(bench, views=2, cache=cache)
    first = list(draws)
    draws.clear()
    run(bench, views=2, cache=cache)
    assert draws == first
    assert len(set(first)) == 4  # new ones in every epoch; the first view is asked for twice before it


def test_views_differ_from_each_other_and_with_the_seed(bench: Bench) -> None:
    """Another number and another seed give other pictures."""
    built = bench.build(bench.recipe(augmentation=complete_augmentation(bench.catalog, "light")))
    other = bench.build(bench.recipe(augmentation=complete_augmentation(bench.catalog, "light"), seed=1))
    targets = np.eye(2, dtype=np.float32)[bench.labels]
    seen = {
        augment.again(number)(bench.pixels, targets)[0].tobytes()
        for augment in (built.augment, other.augment)
        for number in range(3)
    }
    assert len(seen) == 6
    assert built.augment.again(1)(bench.pixels, targets)[0].tobytes() in seen


def test_views_with_every_block_open_are_new_ones(bench: Bench, counted: Callable[[], int]) -> None:
    """Where nothing is closed there is nothing to save, and the option changes nothing."""
    plain, several = (run(bench, views=views, policy="unfreeze-all") for views in (0, 2))
    assert counted() == 2 * 4 * len(bench.pixels)
    assert timeless(plain) == timeless(several)


def test_a_solved_head_sees_as_many_views(bench: Bench, counted: Callable[[], int]) -> None:
    """It is solved on each view once, at most as many as there are epochs."""
    run(bench, views=2, head="probe")
    assert counted() == 2 * len(bench.pixels)
    run(bench, views=9, head="probe")
    assert counted() == 4 * len(bench.pixels)


def test_views_that_are_too_large_are_refused(bench: Bench) -> None:
    """Without room for a view the row ends and says what to do: its numbers must not depend on the memory there is."""
    with pytest.raises(TrainingError, match="A view of 48 pictures takes") as caught:
        run(bench, views=2, cache=FeatureCache(limit=64))
    assert "--views at 0" in caught.value.hint
