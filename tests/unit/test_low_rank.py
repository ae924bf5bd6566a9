"""Low-rank adapters in place of open kernels."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import statistics
from zoo.forward import forward, value_of
from zoo.low_rank import adapters_of, takes_adapter
from zoo.prefix import FeatureCache
from zoo.reestimation import re_estimate
from zoo.training import train

if TYPE_CHECKING:
    from conftest import Bench

    from zoo.assembly import Assembly


def kernels(assembly: Assembly) -> dict[str, Any]:
    """The backbone's weights that can have an adapter, by path."""
    return {w.path: w for w in assembly.weights if w.role == "kernel" and w.block < len(assembly.blocks)}


def test_changes_have_the_rank_that_was_asked_for(bench: Bench) -> None:
    """Every kernel with two sides moved, by a matrix of rank 2; a depthwise kernel did not."""
    recipe = bench.recipe("lora:rank=2", epochs=2, learning_rate=0.05, patience=None)
    built = bench.build(recipe)
    start = {w.path: value_of(w.variable) for w in built.assembly.weights}
    bench.train(built, recipe)
    found = kernels(built.assembly)
    assert set(found) == {"stem_conv/kernel", "unit2_conv/kernel", "top_conv/kernel"}
    for path, weight in found.items():
        change = (value_of(weight.variable) - start[path]).reshape(-1, weight.variable.shape[-1])
        sizes = np.linalg.svd(change, compute_uv=False)
        assert sizes[0] > 1e-3
        assert (sizes[2:] < 1e-5 * sizes[0]).all()
    still = [w for w in built.assembly.weights if w.path == "unit1_conv/kernel"]
    assert [value_of(w.variable).tobytes() for w in still] == [start["unit1_conv/kernel"].tobytes()]


def test_the_optimiser_gets_the_adapters_and_the_head_alone(bench: Bench) -> None:
    """The count of trainable weights is that of the small matrices, far below that of the kernels for rank 1."""
    recipe = bench.recipe("lora:rank=1", epochs=1)
    built = bench.build(recipe)
    trained = bench.train(built, recipe)
    sides = {path: w.variable.shape for path, w in kernels(built.assembly).items()}
    small = sum(int(np.prod(shape[:-1])) + shape[-1] for shape in sides.values())
    assert trained.trainable_weights == small + 12 * 2 + 2


def test_the_phase_starts_from_the_kernels_and_leaves_no_trace(bench: Bench) -> None:
    """Opening and closing without a step changes no bit; the layers are as they were, adapters and flags gone."""
    recipe = bench.recipe("lora")
    built = bench.build(recipe)
    assembly = built.assembly
    before = {w.path: value_of(w.variable).tobytes() for w in assembly.weights}
    count = len(assembly.model.weights)
    logits = forward(assembly.model, [bench.pixels])[0]
    with assembly.opened(built.phases[0]) as tail:
        assert all(len(adapters_of(w.layer, w.variable)) == 2 for w in kernels(assembly).values())
        np.testing.assert_array_equal(forward(tail, [bench.pixels])[0], logits)
    assert {w.path: value_of(w.variable).tobytes() for w in assembly.weights} == before
    assert len(assembly.model.weights) == count
    for weight in kernels(assembly).values():
        assert adapters_of(weight.layer, weight.variable) == ()
        assert "lora_rank" not in weight.layer.get_config()
        assert weight.variable.trainable


def test_the_product_is_in_the_kernel_afterwards(bench: Bench) -> None:
    """What the network says with adapters, it says without them."""
    recipe = bench.recipe("lora")
    built = bench.build(recipe)
    with built.assembly.opened(built.phases[0]) as tail:
        for weight in kernels(built.assembly).values():
            for factor in weight.trained:
                factor.assign(np.random.default_rng(0).normal(0, 0.3, factor.shape))
        inside = forward(tail, [bench.pixels])[0]
        merged = {path: weight.value for path, weight in kernels(built.assembly).items()}
    np.testing.assert_allclose(forward(built.assembly.model, [bench.pixels])[0], inside, rtol=1e-4, atol=1e-4)
    for path, weight in kernels(built.assembly).items():
        assert value_of(weight.variable).tobytes() == merged[path].tobytes()


def test_the_best_epoch_is_kept_with_its_adapters(bench: Bench) -> None:
    """An epoch in the middle of the phase comes back as it was judged, not as the last one."""
    recipe = bench.recipe("lora", epochs=4, learning_rate=0.05, patience=None)
    built = bench.build(recipe)
    ranks = itertools.chain([0.1, 0.9, 0.2, 0.3])
    judged: list[np.ndarray] = []

    def judge(probabilities: np.ndarray, labels: np.ndarray) -> Any:
        judged.append(probabilities)
        return dataclasses.replace(statistics.score(probabilities, labels), accuracy=next(ranks))

    trained = train(built.assembly, built.phases, recipe, sides=bench.sides(), cache=FeatureCache(), judge=judge)
    assert trained.best_epoch == 2
    logits = forward(built.assembly.model, [bench.sides()[1].pixels])[0]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), judged[1], atol=1e-5)
    assert np.abs(judged[1] - judged[3]).max() > 1e-3


@pytest.mark.parametrize(("rank", "kind"), [(0, "low-rank"), (3, "all")])
def test_a_rank_belongs_to_low_rank_alone(rank: int, kind: Any, bench: Bench) -> None:
    """A phase that breaks its contract is refused by name."""
    from zoo.building import _phase_fault

    phase = dataclasses.replace(bench.build(bench.recipe("lora")).phases[0], rank=rank, open_weights=kind)
    assert _phase_fault(phase) == f"rank={rank}"


@pytest.mark.parametrize("change", [{"pull": 0.1}, {"block_rates": "auto-rgn"}])
def test_rules_of_kernels_do_not_go_with_low_rank(change: Any, bench: Bench) -> None:
    """A pull to two factors' start, or rates after their gradients, would not be what the phase says."""
    from zoo.building import _phase_fault

    phase = dataclasses.replace(bench.build(bench.recipe("lora")).phases[0], **change)
    ((name, value),) = change.items()
    assert _phase_fault(phase) == f"{name}={value!r}"
    assert _phase_fault(dataclasses.replace(phase, open_weights="all", rank=0)) == ""


def test_kernels_with_a_constraint_stay_fixed(bench: Bench) -> None:
    """Keras refuses them adapters, so they are left out instead of failing the run."""
    layer = keras.layers.Dense(3, kernel_constraint="non_neg")
    layer.build((None, 2))
    assert not takes_adapter(layer, layer._kernel)
    free = keras.layers.Dense(3)
    free.build((None, 2))
    assert takes_adapter(free, free._kernel)


def test_statistics_are_estimated_with_the_adapters_of_their_phase(bench: Bench) -> None:
    """A function traced without adapters, or with those of an earlier phase, is not used again."""
    recipe = bench.recipe("lora:rank=2", learning_rate=0.05, epochs=3, patience=None)
    built = bench.build(recipe)
    assembly = built.assembly
    low = dataclasses.replace(built.phases[0], epochs=1, batch_norm="adapting", statistics="precise")
    full = dataclasses.replace(low, open_weights="all", rank=0)
    statistics_of = [w for w in assembly.weights if w.role == "statistic"]
    pictures = FeatureCache().features((), bench.pixels, key="train")
    seen: list[str] = []

    def judge(probabilities: np.ndarray, labels: np.ndarray) -> Any:
        seen.append("epoch")
        found = [value_of(w.variable) for w in statistics_of]
        used = assembly._parts.pop(("estimator", 0))
        re_estimate(assembly, boundary=0, pictures=pictures, batch_size=16, seed=recipe.seed)
        assembly._parts["estimator", 0] = used
        for weight, value in zip(statistics_of, found, strict=True):
            np.testing.assert_allclose(value_of(weight.variable), value, rtol=1e-4, atol=1e-4)
        return dataclasses.replace(statistics.score(probabilities, labels), accuracy=len(seen) / 10)

    phases = (dataclasses.replace(low, re_estimated_blocks=len(assembly.blocks)), low, full)
    train(assembly, phases, recipe, sides=bench.sides(), cache=FeatureCache(), judge=judge)
    assert len(seen) == 3
