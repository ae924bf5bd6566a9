"""Adam with factors, pulls and measures: against Keras' own Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.contracts import Phase
from zoo.forward import value_of
from zoo.optimiser import WeightRule, _keras_kind, block_factors, blockwise, optimiser_of

if TYPE_CHECKING:
    from conftest import Bench

BlockwiseAdam = blockwise(_keras_kind("adam")[0])
"""As a phase gets it on this backend."""


def variables() -> list[Any]:
    """Two weights."""
    return [keras.Variable(np.array([1.0, -2.0, 3.0], np.float32)), keras.Variable(np.array([[0.5]], np.float32))]


def gradients(step: int) -> list[np.ndarray]:
    """Their gradients, others in each step."""
    return [np.array([0.3, -0.1, 5.0], np.float32) * (step + 1), np.array([[-0.2 + step]], np.float32)]


def moved(optimiser: Any, found: list[Any], steps: int = 3) -> list[np.ndarray]:
    """How far each weight is from its start after some steps."""
    start = [value_of(variable) for variable in found]
    optimiser.build(found)
    for step in range(steps):
        optimiser.apply([keras.ops.convert_to_tensor(g) for g in gradients(step)], found)
    return [value_of(variable) - old for variable, old in zip(found, start, strict=True)]


def test_without_rules_it_is_adam() -> None:
    """No factor, no pull: the same steps, as far as `zoo.applied` takes them."""
    expected = moved(keras.optimizers.Adam(0.01), variables())
    for one, other in zip(expected, moved(BlockwiseAdam(0.01, rules={}), variables()), strict=True):
        assert other == pytest.approx(one, rel=2e-5)


def test_a_factor_scales_the_update_and_not_the_gradient() -> None:
    """A tenth of the factor makes a tenth of the way; a tenth of the gradient would go the same way under Adam."""
    expected = moved(keras.optimizers.Adam(0.01), variables())
    found = variables()
    ours = moved(BlockwiseAdam(0.01, rules={id(found[0]): WeightRule(factor=0.1)}), found)
    assert ours[0] == pytest.approx(0.1 * expected[0], rel=1e-3)
    assert ours[1] == pytest.approx(expected[1], rel=2e-5)


def test_a_pull_is_the_gradient_of_the_squared_distance() -> None:
    """The same as Adam on gradients to which pull · (weight - start) was added by hand."""
    found, by_hand = variables(), variables()
    start = [value_of(variable) for variable in by_hand]
    moved(BlockwiseAdam(0.05, rules={id(found[0]): WeightRule(pull=2.0)}), found, steps=4)
    adam = keras.optimizers.Adam(0.05)
    adam.build(by_hand)
    for step in range(4):
        slopes = gradients(step)
        slopes[0] = slopes[0] + 2.0 * (value_of(by_hand[0]) - start[0])
        adam.apply([keras.ops.convert_to_tensor(slope) for slope in slopes], by_hand)
    for one, other in zip(found, by_hand, strict=True):
        assert value_of(one) == pytest.approx(value_of(other), rel=2e-5)


def test_measures_are_sums_of_squares_and_start_again() -> None:
    """Of the gradient and of the weight, added up over steps; read once."""
    found = variables()
    optimiser = BlockwiseAdam(0.0, rules={}, measures=True)
    moved(optimiser, found, steps=2)
    slope, size = optimiser.take_measures(found)[id(found[0])]
    assert slope == pytest.approx(sum(np.square(gradients(step)[0]).sum() for step in range(2)), rel=1e-5)
    assert size == pytest.approx(2 * np.square([1.0, -2.0, 3.0]).sum(), rel=1e-5)
    assert set(optimiser.take_measures(found).values()) == {(0.0, 0.0)}


def test_factors_can_change_between_steps() -> None:
    """A factor of 0 holds a weight, others go on."""
    found = variables()
    optimiser = BlockwiseAdam(0.01, rules={})
    optimiser.build(found)
    optimiser.set_factors(found, {id(found[0]): 0.0})
    first, second = moved(optimiser, found)
    assert not first.any()
    assert second.any()


def test_a_plain_phase_gets_plain_adam(bench: Bench) -> None:
    """What needs no rule pays nothing for it."""
    built = bench.build(bench.recipe("unfreeze-all"))
    assert type(optimiser_of(built.assembly, built.phases[0])) is _keras_kind("adam")[0]
    assert not isinstance(optimiser_of(built.assembly, built.phases[0]), BlockwiseAdam)


def test_layer_decay_counts_blocks_from_the_top(bench: Bench) -> None:
    """Of four blocks the top has the full rate, the stem decay³ of it, and the head the rate itself."""
    built = bench.build(bench.recipe("layer-decay:decay=0.5"))
    optimiser = optimiser_of(built.assembly, built.phases[0])
    open_weights = [weight for weight in built.assembly.weights if weight.trainable]
    optimiser.build([weight.variable for weight in open_weights])
    for weight, factor in zip(open_weights, optimiser._factors, strict=True):
        assert float(value_of(factor)) == {0: 0.125, 1: 0.25, 2: 0.5, 3: 1.0, 4: 1.0}[weight.block]


def test_rates_of_blocks_follow_their_relative_gradients(bench: Bench) -> None:
    """The block with the largest norm has the full rate, others their share of it, weights of closed blocks none."""
    assembly = bench.build(bench.recipe("auto-rgn")).assembly
    wanted = {1: 2.0, 2: 8.0, 3: 4.0}
    measured = {id(w.variable): (wanted[w.block] ** 2, 1.0) for w in assembly.weights if w.block in wanted}
    factors = block_factors(assembly, Phase(name="p", epochs=1, learning_rate=1.0), measured)
    assert {w.block: factors[id(w.variable)] for w in assembly.weights if w.block in wanted} == pytest.approx(
        {1: 0.25, 2: 1.0, 3: 0.5}
    )
    assert len(factors) == len(measured)


def test_weights_near_0_do_not_decide_for_their_block(bench: Bench) -> None:
    """A block's norm is that of all its weights together: a beta of 0 with a gradient does not make it endless."""
    assembly = bench.build(bench.recipe("auto-rgn")).assembly
    body = [w for w in assembly.weights if w.trainable and w.block < 4]
    measured = {id(w.variable): (1.0, 0.0 if w.role == "beta" else 100.0) for w in body}
    factors = block_factors(assembly, Phase(name="p", epochs=1, learning_rate=1.0), measured)
    expected = {}
    for block in range(4):
        inside = [w for w in body if w.block == block]
        expected[block] = (len(inside) / sum(w.role != "beta" for w in inside)) ** 0.5
    largest = max(expected.values())
    assert [factors[id(w.variable)] for w in body] == pytest.approx([expected[w.block] / largest for w in body])


def test_no_gradients_leave_the_rates_as_they_are(bench: Bench) -> None:
    """Where nothing was measured, or everything is 0, there is nothing to divide by."""
    assembly = bench.build(bench.recipe("auto-rgn")).assembly
    phase = Phase(name="p", epochs=1, learning_rate=1.0)
    assert block_factors(assembly, phase, {}) == {}
    assert block_factors(assembly, phase, {id(w.variable): (0.0, 1.0) for w in assembly.weights}) == {}


def test_a_strong_pull_keeps_the_backbone_nearer_to_its_start(bench: Bench) -> None:
    """After equal trainings, l2-sp with a large alpha is much nearer to the pretrained weights than unfreeze-all."""

    def distance(policy: str) -> float:
        recipe = bench.recipe(policy, epochs=4, learning_rate=0.01, patience=None)
        built = bench.build(recipe)
        start = [value_of(weight.variable) for weight in built.assembly.weights]
        bench.train(built, recipe)
        return sum(
            float(np.square(value_of(weight.variable) - old).sum())
            for weight, old in zip(built.assembly.weights, start, strict=True)
            if weight.block < len(built.assembly.blocks)
        )

    assert distance("l2-sp:alpha=100.0") < 0.5 * distance("unfreeze-all")
