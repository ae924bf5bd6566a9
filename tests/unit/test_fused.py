"""The fused classes do what stock Keras does: outputs, gradients and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.forward import value_of
from zoo.fused import AdaptingBatchNormalization, FixedBatchNormalization, can_fuse

if TYPE_CHECKING:
    from conftest import Bench

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")

TOLERANCE = 2e-5
"""Largest relative difference of outputs, gradients and statistics from stock Keras, float32."""


def layer(**options: Any) -> Any:
    """A BatchNorm layer whose weights are no round numbers."""
    found = keras.layers.BatchNormalization(**options)
    found.build((None, 6, 5, 7))
    draw = np.random.default_rng(3)
    for weight in found.weights:
        weight.assign(draw.uniform(0.5, 1.5, weight.shape))
    return found


def step(found: Any, *, training: bool) -> list[np.ndarray]:
    """Outputs, gradients of inputs and weights, and the statistics after one call."""
    draw = np.random.default_rng(4)
    inputs = tf.Variable(draw.normal(3, 20, (4, 6, 5, 7)).astype("float32"))
    target = draw.normal(size=(4, 6, 5, 7)).astype("float32")
    with tf.GradientTape() as tape:
        outputs = found(inputs, training=training)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * target)
    weights = [weight.value for weight in found.trainable_weights]
    gradients = tape.gradient(loss, [inputs, *weights])
    return [outputs.numpy(), *(g.numpy() for g in gradients), *(value_of(w) for w in found.non_trainable_weights)]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"momentum": 0.5, "epsilon": 1e-5}])
def test_one_step_equals_stock_keras(options: dict[str, Any]) -> None:
    """Outputs, gradients and moving statistics agree with stock Keras within the tolerance."""
    stock, worn = layer(**options), layer(**options)
    assert can_fuse(worn)
    worn.__class__ = AdaptingBatchNormalization
    expected = step(stock, training=True)
    for one, other in zip(expected, step(worn, training=True), strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * max(1.0, np.abs(one).max())


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_one_step_in_mixed_precision_equals_stock_keras(kind: str) -> None:
    """Outputs are of the layer's type; they, gradients and statistics agree with stock Keras within its roundings."""
    stock, worn = layer(dtype=f"mixed_{kind}"), layer(dtype=f"mixed_{kind}")
    assert can_fuse(worn)
    worn.__class__ = AdaptingBatchNormalization
    expected, found = step(stock, training=True), step(worn, training=True)
    assert found[0].dtype == expected[0].dtype == kind
    rounding = {"bfloat16": 2**-7, "float16": 2**-10}[kind]
    for one, other in zip(expected, found, strict=True):
        difference = np.abs(one.astype("float32") - other.astype("float32")).max()
        assert difference <= 2 * rounding * max(1.0, np.abs(one).max())


def test_inference_of_an_adapting_layer_uses_moving_statistics() -> None:
    """Outside training nothing moves, and the output is stock Keras' inference."""
    stock, worn = layer(), layer()
    worn.__class__ = AdaptingBatchNormalization
    for one, other in zip(step(stock, training=False), step(worn, training=False), strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * max(1.0, np.abs(one).max())


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"momentum": 0.5, "epsilon": 1e-5}])
def test_one_step_on_fixed_statistics_equals_stock_keras(options: dict[str, Any]) -> None:
    """Told to train, outputs and gradients are stock Keras' in inference, and the statistics stay to the bit."""
    stock, worn = layer(**options), layer(**options)
    worn.__class__ = FixedBatchNormalization
    expected, found = step(stock, training=False), step(worn, training=True)
    for one, other in zip(expected[:-2], found[:-2], strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * max(1.0, np.abs(one).max())
    for one, other in zip(expected[-2:], found[-2:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_one_step_on_fixed_statistics_in_mixed_precision_equals_stock_keras(kind: str) -> None:
    """Outputs are of the layer's type; they and the gradients agree with stock Keras within its roundings."""
    stock, worn = layer(dtype=f"mixed_{kind}"), layer(dtype=f"mixed_{kind}")
    worn.__class__ = FixedBatchNormalization
    expected, found = step(stock, training=False), step(worn, training=True)
    assert found[0].dtype == expected[0].dtype == kind
    rounding = {"bfloat16": 2**-7, "float16": 2**-10}[kind]
    for one, other in zip(expected, found, strict=True):
        difference = np.abs(one.astype("float32") - other.astype("float32")).max()
        assert difference <= 2 * rounding * max(1.0, np.abs(one).max())


def test_inference_of_a_fixed_layer_is_stock_keras_to_the_bit() -> None:
    """Outside training the layer calls Keras' own code."""
    stock, worn = layer(), layer()
    worn.__class__ = FixedBatchNormalization
    np.testing.assert_array_equal(step(stock, training=False)[0], step(worn, training=False)[0])


@pytest.mark.parametrize(
    "policy",
    ["bn-trainable:stats=moving", "bn-trainable", "unfreeze-all:bn=adapting", "unfreeze-top-k:k=2,bn=adapting"],
)
def test_a_training_equals_stock_keras(bench: Bench, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three epochs with the kernel and with stock Keras: losses within 1e-3, accuracies within one picture."""
    recipe = bench.recipe(policy, head="gap:dropout=0.0", epochs=3)
    fused = bench.train(bench.build(recipe), recipe).history
    monkeypatch.setattr("zoo.assembly.can_fuse", lambda _: False)
    stock = bench.train(bench.build(recipe), recipe).history
    for one, other in zip(fused, stock, strict=True):
        assert one.loss == pytest.approx(other.loss, abs=1e-3)
        assert one.val_loss == pytest.approx(other.val_loss, abs=1e-3)
        assert abs(one.val_accuracy - other.val_accuracy) <= 1 / 16 + 1e-9


def test_only_what_the_kernel_can_do_is_fused() -> None:
    """Other axes, ranks and subclasses stay with Keras."""
    flat = keras.layers.BatchNormalization()
    flat.build((None, 7))
    first = keras.layers.BatchNormalization(axis=1)
    first.build((None, 6, 5, 7))

    class Own(keras.layers.BatchNormalization):
        """Somebody's subclass."""

    own = Own()
    own.build((None, 6, 5, 7))
    assert [can_fuse(found) for found in (layer(), flat, first, own)] == [True, False, False, False]
