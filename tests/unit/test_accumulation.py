"""Gradients of several batches in one step: what is counted, what is left over, what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import stepping
from zoo.batching import step_plan
from zoo.contracts import Phase
from zoo.forward import value_of
from zoo.proof import early_notes
from zoo.scaling import drop_partial_step, inner_of, with_scaled_loss
from zoo.schedules import rate_at

if TYPE_CHECKING:
    from conftest import Bench


@pytest.mark.parametrize(
    ("count", "asked", "expected"),
    [(48, (8, 4), (8, 4)), (48, (16, 9), (16, 3)), (48, (64, 4), (48, 1)), (17, (8, 2), (8, 2)), (5, (2, 1), (2, 1))],
)
def test_a_step_has_as_many_batches_as_there_are_pictures_for(
    count: int, asked: tuple[int, int], expected: tuple[int, int]
) -> None:
    """Neither a batch nor a step is larger than the training part."""
    assert step_plan(count, batch_size=asked[0], accumulate=asked[1]) == expected


def test_weights_move_with_the_last_batch_of_a_step_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three batches leave the head as it is; nothing is half applied when an epoch or phase ends."""
    recipe = bench.recipe("lp-ft", epochs=3, batch_size=8, accumulate=3, learning_rate=0.05, patience=None)
    built = bench.build(recipe)
    head = next(weight for weight in built.assembly.weights if weight.path == "head_logits/kernel")
    moved: list[bool] = []
    batch = stepping.Task.batch

    def watched(task: Any, *given: Any) -> Any:
        moved.append(value_of(head.variable).tobytes() != last[-1])
        last.append(value_of(head.variable).tobytes())
        return batch(task, *given)

    last = [value_of(head.variable).tobytes()]
    monkeypatch.setattr(stepping.Task, "batch", watched)
    trained = bench.train(built, recipe)
    assert trained.steps == 6
    assert len(moved) == 18
    assert {index % 3 for index, has in enumerate(moved) if has} == {0}
    assert sum(moved) == 5  # before each step but the first; the last move comes after the last batch


def test_pictures_left_over_open_the_next_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """48 pictures in steps of 2 × 16: 1, 2, 1, 2 steps, and in two epochs every picture comes exactly twice."""
    seen: list[int] = []
    batch = stepping.Task.batch

    def watched(task: Any, learner: Any, rows: Any, targets: Any) -> Any:
        seen.extend(rows)
        return batch(task, learner, rows, targets)

    monkeypatch.setattr(stepping.Task, "batch", watched)
    recipe = bench.recipe(epochs=4, batch_size=16, accumulate=2, patience=None)
    assert bench.train(bench.build(recipe), recipe).steps == 6
    assert np.bincount(seen).tolist() == [4] * 48


def test_schedules_count_steps_of_the_optimiser(bench: Bench) -> None:
    """The rate of the last of 2 × 3 steps is that of step 6, not of batch 12."""
    recipe = bench.recipe(epochs=2, batch_size=8, accumulate=2, schedule="cosine", learning_rate=0.1)
    history = bench.train(bench.build(recipe), recipe).history
    phase = Phase(name="p", epochs=2, learning_rate=0.1, schedule="cosine")
    assert [epoch.learning_rate for epoch in history] == pytest.approx([rate_at(phase, 2 / 6), rate_at(phase, 5 / 6)])


def test_warnings_of_lag_count_batches(bench: Bench) -> None:
    """Statistics move with every batch: accumulation makes fewer steps and not fewer updates of them."""
    plain = bench.recipe("bn-trainable:stats=moving", batch_size=8)
    several = bench.recipe("bn-trainable:stats=moving", batch_size=8, accumulate=3)
    notes = [next(n for n in early_notes(r, bench.build(r), 48) if "moving statistics" in n) for r in (plain, several)]
    assert notes[0] == notes[1]
    assert "12 steps are planned" in notes[0]
    assert bench.train(bench.build(several), several).adapting_steps == 12


def test_warnings_of_lag_count_what_an_epoch_leaves_to_the_next(bench: Bench) -> None:
    """48 pictures in batches of 20 make 2, 2 and 3 steps in three epochs, as they are taken."""
    recipe = bench.recipe("bn-trainable:stats=moving", batch_size=20, epochs=3)
    note = next(one for one in early_notes(recipe, bench.build(recipe), 48) if "moving statistics" in one)
    assert "7 steps are planned" in note
    assert bench.train(bench.build(recipe), recipe).adapting_steps == 7


def test_more_batches_than_there_are_is_said(bench: Bench) -> None:
    """A note names what is taken instead."""
    recipe = bench.recipe(batch_size=16, accumulate=9)
    assert "There are training pictures for 3 of 9 batches in a step: a step takes 3." in early_notes(
        recipe, bench.build(recipe), 48
    )


def test_a_batch_that_overflows_takes_its_step_with_it() -> None:
    """Of three gradients one is not finite: with it the other two are forgotten, and the next step is whole."""
    variable = keras.Variable(np.zeros(2, np.float32))
    optimiser = with_scaled_loss(keras.optimizers.SGD(1.0, gradient_accumulation_steps=3))
    optimiser.build([variable])
    scale = float(value_of(optimiser.dynamic_scale))

    def apply(*slopes: float) -> None:
        for slope in slopes:
            factor = float(value_of(optimiser.dynamic_scale))
            optimiser.apply([keras.ops.convert_to_tensor(np.full(2, slope * factor, np.float32))], [variable])
        drop_partial_step(optimiser)

    apply(5.0, float("inf"), 7.0)
    assert value_of(variable).tolist() == [0, 0]
    assert float(value_of(optimiser.dynamic_scale)) == scale / 2
    apply(1.0, 2.0, 3.0)
    assert value_of(variable) == pytest.approx([-2.0, -2.0])
    assert int(value_of(inner_of(optimiser).iterations)) == 1
