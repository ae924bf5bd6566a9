"""The moving average of the weights: against NumPy, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.averaging import averaged, decay_at
from zoo.compiling import compile_tail
from zoo.contracts import Phase
from zoo.forward import value_of
from zoo.optimiser import WeightRule, blockwise
from zoo.prefix import FeatureCache
from zoo.proof import prove
from zoo.reestimation import re_estimate

if TYPE_CHECKING:
    from conftest import Bench

EMA = 0.9


def test_the_decay_grows_to_its_limit() -> None:
    """2/11 after the first step, (1 + t) / (10 + t) on, never more than what was asked for."""
    found = [float(decay_at(EMA, keras.ops.convert_to_tensor(float(step)))) for step in (1, 2, 80, 81, 1000)]
    assert found == pytest.approx([2 / 11, 3 / 12, 81 / 90, EMA, EMA])


def test_a_weight_that_does_not_move_keeps_its_bits() -> None:
    """A factor of 0 holds a weight, and its average is the weight itself after many steps."""
    odd = np.array([0.1, 1 / 3, -7e-9], np.float32)
    variable = keras.Variable(odd)
    optimiser = blockwise(keras.optimizers.SGD)(0.1, rules={id(variable): WeightRule(factor=0.0)}, ema=EMA)
    optimiser.build([variable])
    for _ in range(20):
        optimiser.apply([keras.ops.convert_to_tensor(np.ones(3, np.float32))], [variable])
    assert value_of(optimiser.averages()[0]).tobytes() == odd.tobytes()


def _watched(bench: Bench, recipe: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[list[np.ndarray]], Any]:
    """A training, the weights after each of its steps, and what it told; `built` holds the delivered weights."""
    from zoo import stepping

    built = bench.build(recipe)
    path: list[list[np.ndarray]] = []
    take = stepping.take_step

    def watched(task: Any, *given: Any) -> Any:
        figures = take(task, *given)
        path.append([value_of(variable) for variable in task.tail.trainable_variables])
        return figures

    monkeypatch.setattr(stepping, "take_step", watched)
    monkeypatch.setattr(stepping, "can_loop", lambda *_: False)  # step by step, so that each can be looked at
    return built, path, bench.train(built, recipe)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_delivered_weights_are_the_average_after_the_best_epoch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    """NumPy's average of the weights after each step, once a step however many batches it has, is what is kept."""
    recipe = bench.recipe("freeze-all", ema=EMA, learning_rate=0.05, epochs=3, batch_size=8, accumulate=accumulate)
    start = bench.build(recipe).assembly.weights
    expected = [value_of(weight.variable).astype(np.float64) for weight in start if weight.block == 4]
    built, path, trained = _watched(bench, recipe, monkeypatch)
    steps = 6 // accumulate
    assert len(path) == 3 * steps == trained.steps
    for step, values in enumerate(path[: trained.best_epoch * steps], start=1):
        decay = min(EMA, (1 + step) / (10 + step))
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, values, strict=True)]
    head = [value_of(weight.variable) for weight in built.assembly.weights if weight.block == 4]
    assert all(np.abs(one - other).max() < 1e-6 for one, other in zip(head, expected, strict=True))
    raw = path[trained.best_epoch * steps - 1]
    assert max(np.abs(one - other).max() for one, other in zip(head, raw, strict=True)) > 1e-3


def test_training_goes_on_with_the_raw_weights(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights after every step as without averages: validation in between changes no bit."""
    seen = []
    for ema in (0.0, EMA):
        with monkeypatch.context() as patch:
            recipe = bench.recipe("bn-affine", epochs=3, learning_rate=0.01, ema=ema)
            _, path, trained = _watched(bench, recipe, patch)
            seen.append((path, trained.history))
    (expected, without), (found, history) = seen
    assert len(expected) == 9
    for one, other in zip(expected, found, strict=True):
        assert all(np.abs(a - b).max() < 1e-6 for a, b in zip(one, other, strict=True))
    assert [epoch.loss for epoch in history] == pytest.approx([epoch.loss for epoch in without])
    assert [epoch.val_loss for epoch in history] != [epoch.val_loss for epoch in without]


def test_averages_are_swapped_in_and_out_bit_for_bit(bench: Bench) -> None:
    """Within, open weights hold averages; afterwards their own bits, also after an error; the rest is never touched."""
    recipe = bench.recipe("unfreeze-top-k:k=1", ema=EMA)
    assembly = bench.build(recipe).assembly
    phase = Phase(name="p", epochs=1, learning_rate=0.01, open_blocks=1)
    with assembly.opened(phase) as tail:
        compile_tail(tail, assembly, phase, recipe)
        for variable in tail.trainable_variables:
            variable.assign(value_of(variable) + 0.1)
        before = [value_of(weight.variable).tobytes() for weight in assembly.weights]
        open_ids = {id(variable) for variable in tail.trainable_variables}

        def judge() -> None:
            for weight, old in zip(assembly.weights, before, strict=True):
                differs = value_of(weight.variable).tobytes() != old
                assert differs is (id(weight.variable) in open_ids)
            raise RuntimeError

        with pytest.raises(RuntimeError), averaged(tail):
            judge()
        assert [value_of(weight.variable).tobytes() for weight in assembly.weights] == before


def test_the_average_of_a_constrained_weight_keeps_the_constraint(bench: Bench) -> None:
    """Directions of the cosine head have length 1 in the delivered model, too."""
    recipe = bench.recipe(head="cosine", ema=EMA, learning_rate=0.2, epochs=3)
    built = bench.build(recipe)
    bench.train(built, recipe)
    kernel = next(w.variable for w in built.assembly.weights if "directions" in w.path)
    assert np.linalg.norm(value_of(kernel), axis=0) == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize("policy", ["bn-trainable", "bn-trainable:stats=moving", "gradual:stages=2", "lora"])
def test_the_receipt_still_proves_what_was_fixed(bench: Bench, policy: str) -> None:
    """No fixed weight moves by a bit, over several phases and with re-estimated statistics."""
    recipe = bench.recipe(policy, ema=EMA, epochs=4, learning_rate=0.01)
    built = bench.build(recipe)
    before = [value_of(weight.variable) for weight in built.assembly.weights]
    trained = bench.train(built, recipe)
    receipt = prove(built, trained, before)
    assert receipt.verdict == "PASS"
    assert any(row.moved for row in receipt.rows)


def test_precise_statistics_are_those_of_the_averaged_weights(bench: Bench) -> None:
    """Estimated once more on the delivered network, the statistics are what it has, bit for bit."""
    recipe = bench.recipe("bn-trainable", ema=EMA, epochs=2, learning_rate=0.05)
    built = bench.build(recipe)
    bench.train(built, recipe)
    statistics = [weight for weight in built.assembly.weights if weight.role == "statistic"]
    delivered = [value_of(weight.variable).tobytes() for weight in statistics]
    pictures = FeatureCache().features((), bench.pixels, key="train")
    re_estimate(built.assembly, boundary=0, pictures=pictures, batch_size=16, seed=recipe.seed)
    assert [value_of(weight.variable).tobytes() for weight in statistics] == delivered
