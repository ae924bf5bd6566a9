"""Statistics taken from all training pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import reestimation, training
from zoo.forward import forward, value_of
from zoo.prefix import FeatureCache
from zoo.reestimation import re_estimate

if TYPE_CHECKING:
    from conftest import Bench


def estimate(
    bench: Bench, assembly: Any, *, boundary: int = 0, batch_size: int = 16, most: int | None = None
) -> dict[str, np.ndarray]:
    """All weights by path after a re-estimation over the bench's pictures."""
    pictures = FeatureCache().features((assembly.prefix(boundary),) if boundary else (), bench.pixels, key="train")
    re_estimate(assembly, boundary=boundary, pictures=pictures, batch_size=batch_size, seed=0, most=most)
    return values(assembly)


def values(assembly: Any) -> dict[str, np.ndarray]:
    """All weights by path."""
    return {weight.path: value_of(weight.variable) for weight in assembly.weights}


def test_the_first_layer_gets_mean_and_variance_of_all_pictures(bench: Bench) -> None:
    """What the first convolution gives over all pictures, taken at once, is what stands in its statistics."""
    assembly = bench.build(bench.recipe("bn-stats")).assembly
    convolved = keras.Model(assembly.model.input, assembly.model.get_layer("stem_conv").output)
    outputs = forward(convolved, [bench.pixels])[0].astype(np.float64)
    after = estimate(bench, assembly)
    assert after["stem_bn/moving_mean"] == pytest.approx(outputs.mean(axis=(0, 1, 2)), rel=1e-4, abs=1e-5)
    assert after["stem_bn/moving_variance"] == pytest.approx(outputs.var(axis=(0, 1, 2)), rel=1e-3)


def test_only_statistics_above_the_boundary_change(bench: Bench) -> None:
    """No weight moves, and no statistic of a block below."""
    assembly = bench.build(bench.recipe("bn-stats")).assembly
    before, after = values(assembly), estimate(bench, assembly, boundary=2)
    changed = {path for path in before if before[path].tobytes() != after[path].tobytes()}
    assert changed == {f"{name}_bn/moving_{what}" for name in ("unit2", "top") for what in ("mean", "variance")}


def test_it_repeats_and_forgets_what_was_there(bench: Bench) -> None:
    """The result is the same to the bit, whatever the statistics were before."""
    assembly = bench.build(bench.recipe("bn-stats")).assembly
    first = estimate(bench, assembly)
    for weight in assembly.weights:
        if weight.role == "statistic":
            weight.variable.assign(np.full(weight.variable.shape, 7.0, np.float32))
    again = estimate(bench, assembly)
    assert all(first[path].tobytes() == again[path].tobytes() for path in first)


def test_differences_between_batches_count(bench: Bench) -> None:
    """Bright and dark pictures in small batches: the variance is that of all, not the mean of the batches' own."""
    pixels = bench.pixels.copy()
    pixels[::2] //= 4
    dark = replace(bench, pixels=pixels)
    assembly = bench.build(bench.recipe("bn-stats")).assembly
    convolved = keras.Model(assembly.model.input, assembly.model.get_layer("stem_conv").output)
    outputs = forward(convolved, [pixels])[0].astype(np.float64)
    after = estimate(dark, assembly, batch_size=2)
    assert after["stem_bn/moving_variance"] == pytest.approx(outputs.var(axis=(0, 1, 2)), rel=1e-3)


def test_inference_uses_them_and_classes_are_stock_again(bench: Bench) -> None:
    """After it, the layers are Keras' own, and the model predicts with the new statistics."""
    assembly = bench.build(bench.recipe("bn-stats")).assembly
    before = forward(assembly.model, [bench.pixels[:4]])[0]
    estimate(bench, assembly)
    assert np.abs(forward(assembly.model, [bench.pixels[:4]])[0] - before).max() > 0
    again = forward(assembly.model, [bench.pixels[:4]])[0]
    assert again.tobytes() == forward(assembly.model, [bench.pixels[:4]])[0].tobytes()
    kinds = {type(layer) for layer in assembly.model.layers if "bn" in layer.name}
    assert kinds == {keras.layers.BatchNormalization}


def test_the_fused_kernel_gives_what_single_operations_give(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways agree within 1e-4 of the statistics."""
    quick = estimate(bench, bench.build(bench.recipe("bn-stats")).assembly)
    monkeypatch.setattr(reestimation, "can_fuse", lambda _: False)
    slow = estimate(bench, bench.build(bench.recipe("bn-stats")).assembly)
    for path, value in slow.items():
        assert quick[path] == pytest.approx(value, rel=1e-4, abs=1e-5), path


def test_bn_stats_trains_its_head_on_features_computed_once(bench: Bench) -> None:
    """The statistics are those of the pictures, the receipt's blocks have no open weights, and the head has moved."""
    recipe = bench.recipe("bn-stats")
    built = bench.build(recipe)
    before = values(built.assembly)
    trained = bench.train(built, recipe)
    after = values(built.assembly)
    fresh = bench.build(recipe).assembly
    expected = estimate(bench, fresh)
    statistics = [path for path in expected if "/moving_" in path]
    assert statistics
    assert all(after[path].tobytes() == expected[path].tobytes() for path in statistics)
    assert trained.adapting_steps == 0
    others = [path for path in before if path not in statistics and not path.startswith("head_logits")]
    assert all(before[path].tobytes() == after[path].tobytes() for path in others)
    assert before["head_logits/kernel"].tobytes() != after["head_logits/kernel"].tobytes()


def test_precise_statistics_do_not_lag(bench: Bench) -> None:
    """The same training in every step; but inference is right, where running averages leave it at chance."""
    found = {}
    for statistics in ("moving", "precise"):
        recipe = bench.recipe(f"bn-trainable:stats={statistics}", epochs=8, learning_rate=0.02, patience=None)
        found[statistics] = bench.train(bench.build(recipe), recipe).history
    assert [one.loss for one in found["precise"]] == [one.loss for one in found["moving"]]
    assert max(one.val_accuracy for one in found["moving"]) <= 0.5
    assert found["precise"][-1].val_accuracy >= 0.95


def test_the_default_of_bn_trainable_is_precise(bench: Bench) -> None:
    """Its history is that of `stats=precise`, to the last bit."""
    recipes = [bench.recipe(policy) for policy in ("bn-trainable", "bn-trainable:stats=precise")]
    histories = [bench.train(bench.build(recipe), recipe).history for recipe in recipes]
    said, asked = ([(one.loss, one.val_loss) for one in history] for history in histories)
    assert said == asked


def test_of_many_pictures_only_some_are_looked_at(bench: Bench) -> None:
    """The statistics are those of the pictures that the seed draws, the same each time; a higher limit means all."""
    order = np.random.default_rng([0, 0xAB]).permutation(len(bench.pixels))
    some, every = (estimate(bench, bench.build(bench.recipe("bn-stats")).assembly, most=n) for n in (32, None))
    model = bench.build(bench.recipe("bn-stats")).assembly.model
    convolved = keras.Model(model.input, model.get_layer("stem_conv").output)
    outputs = forward(convolved, [bench.pixels[order[:32]]])[0].astype(np.float64)
    assert some["stem_bn/moving_mean"] == pytest.approx(outputs.mean(axis=(0, 1, 2)), rel=1e-4, abs=1e-5)
    assert np.abs(some["stem_bn/moving_mean"] - every["stem_bn/moving_mean"]).max() > 1e-3
    again = estimate(bench, bench.build(bench.recipe("bn-stats")).assembly, most=32)
    assert all(some[path].tobytes() == again[path].tobytes() for path in some)
    beyond = estimate(bench, bench.build(bench.recipe("bn-stats")).assembly, most=10_000)
    assert all(every[path].tobytes() == beyond[path].tobytes() for path in every)


@pytest.mark.parametrize(("policy", "limited"), [("bn-trainable", [True, True]), ("bn-stats", [False])])
def test_what_is_taken_in_each_epoch_is_limited(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, policy: str, limited: list[bool]
) -> None:
    """Precise statistics look at 10,000 pictures at most; the one pass of bn-stats looks at all."""
    asked: list[int | None] = []
    monkeypatch.setattr(training, "re_estimate", lambda *_, most, **__: asked.append(most))
    recipe = bench.recipe(policy, epochs=2)
    bench.train(bench.build(recipe), recipe)
    assert asked == [10_000 if one else None for one in limited]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_statistics_of_a_network_in_mixed_precision(bench: Bench, precision: str) -> None:
    """They are float32 and those of the float32 network up to the type's roundings, and far from where they began."""
    found = {}
    for kind in ("float32", precision):
        assembly = bench.build(bench.recipe("bn-stats", precision=kind)).assembly
        began = values(assembly)
        found[kind] = {path: value for path, value in estimate(bench, assembly).items() if "/moving_" in path}
    assert found[precision]
    for path, value in found[precision].items():
        assert value.dtype == np.float32
        expected = found["float32"][path]
        assert np.abs(value - expected).max() <= 0.05 * max(np.abs(expected).max(), 0.1), path
        assert np.abs(value - began[path]).max() > 0.05
