"""Steps that run in a loop of the backend, beside the same steps one by one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import looped
from zoo.errors import DivergedError
from zoo.events import StepTaken
from zoo.forward import value_of
from zoo.recipe import complete_augmentation

if TYPE_CHECKING:
    from conftest import Bench

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")

ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"head": "mlp"},
    {"head": "concat-pool", "schedule": "one-cycle", "batch_size": 10},
    {"optimiser": "sgd", "weight_decay": 0.01, "label_smoothing": 0.1},
    {"ema": 0.9, "optimiser": "lion"},
    {"learning_rate": "auto"},
    {"head": "mlp", "precision": "bfloat16"},
    {"augmentation": "mixup", "views": 2},
)


def trained(bench: Bench, recipe: Any) -> tuple[Any, list[bytes], list[bytes]]:
    """A training, the weights that it left, and its probabilities."""
    built = bench.build(recipe)
    told: list[Any] = []
    done = bench.train(built, recipe, observe=told.append)
    assert [event.done for event in told if isinstance(event, StepTaken)][:3] == [1, 2, 3]
    return done, [value_of(one.variable).tobytes() for one in built.assembly.weights], [done.probabilities.tobytes()]


@needs_tensorflow
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_a_loop_is_equal_to_its_steps(bench: Bench, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]) -> None:
    """All figures and weights are the same to the last bit, whatever head, rate, optimiser and targets."""
    loops: list[int] = []
    own = looped.train_in_loop
    monkeypatch.setattr("zoo.stepping.train_in_loop", lambda *given: loops.append(1) or own(*given))
    mixed = {"augmentation": complete_augmentation(bench.catalog, asked.get("augmentation", "none"))}
    recipe = bench.recipe("freeze-all", **{"epochs": 3, "patience": None, "batch_size": 12, **asked, **mixed})
    at_once = trained(bench, recipe)
    assert len(loops) == 3
    monkeypatch.setattr(looped, "MOST", -1)
    one_by_one = trained(bench, recipe)
    assert len(loops) == 3
    plain = [
        [dataclasses.replace(record, seconds=0.0) for record in done.history] for done, *_ in (at_once, one_by_one)
    ]
    assert plain[0] == plain[1]
    assert at_once[1:] == one_by_one[1:]


@needs_tensorflow
def test_a_loss_that_is_not_finite_names_its_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that diverges in the middle of an epoch says the same words in a loop as step by step."""
    recipe = bench.recipe("freeze-all", optimiser="sgd", learning_rate=1e38, epochs=2, batch_size=8)
    said = []
    for most in (looped.MOST, -1):
        monkeypatch.setattr(looped, "MOST", most)
        with pytest.raises(DivergedError) as raised:
            bench.train(bench.build(recipe), recipe)
        said.append((str(raised.value), raised.value.learning_rate))
    assert said[0] == said[1]
    assert "step" in said[0][0]


def test_who_can_loop(bench: Bench) -> None:
    """TensorFlow on a CPU, a plain optimiser, few features, functions that are traced."""
    recipe = bench.recipe("freeze-all")
    built = bench.build(recipe)
    few, many = [np.zeros((4, 3), np.float32)], [np.zeros((looped.MOST // 4 + 1,), np.float32)]
    with built.assembly.opened(built.phases[0]) as tail:
        tail.compile("adam", "categorical_crossentropy")
        here = keras.backend.backend() == "tensorflow"
        assert looped.can_loop(tail, few) == here
        assert not looped.can_loop(tail, many)
        tail.run_eagerly = True
        assert not looped.can_loop(tail, few)
        tail.run_eagerly = False
        tail.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "categorical_crossentropy")
        assert not looped.can_loop(tail, few)
