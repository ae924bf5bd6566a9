"""Padding that is left to the depthwise convolution behind it changes no bit."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from zoo.padded import PaddingDepthwiseConv2D, UnpaddedInput, padded_pairs

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the operation is TensorFlow's")


def network(side: int | None, kernel: int, zeros: tuple[int, int], *, read_twice: bool = False, **options: Any) -> Any:
    """Zeros before and after, and a depthwise convolution of stride 2 without zeros of its own."""
    entry = keras.Input((side, side, 6))
    padded = keras.layers.ZeroPadding2D((zeros, zeros), name="pad")(entry)
    options = {"strides": 2, "name": "convolution", **options}
    outputs = keras.layers.DepthwiseConv2D(kernel, **options)(padded)
    model = keras.Model(entry, [outputs, padded] if read_twice else outputs)
    draw = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(draw.normal(size=weight.shape))
    return model


def wear(model: Any) -> None:
    """What a phase does to each pair."""
    for pad, convolution in padded_pairs(model):
        pad.__class__, convolution.__class__ = UnpaddedInput, PaddingDepthwiseConv2D


def step(model: Any, side: int) -> list[np.ndarray]:
    """Outputs and gradients of inputs and weights after one call."""
    draw = np.random.default_rng(4)
    inputs = tf.Variable(draw.normal(size=(4, side, side, 6)).astype("float32"))
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = tf.reduce_sum(outputs * draw.normal(size=outputs.shape).astype("float32"))
    gradients = tape.gradient(loss, [inputs, *(weight.value for weight in model.trainable_weights)])
    return [found.numpy() for found in (outputs, *gradients)]


@pytest.mark.parametrize(("side", "kernel", "zeros"), [(8, 3, (0, 1)), (7, 3, (1, 1)), (8, 5, (1, 2)), (9, 5, (2, 2))])
def test_a_step_equals_stock_keras(side: int, kernel: int, zeros: tuple[int, int]) -> None:
    """Outputs and the gradients of inputs, kernel and bias agree to 1e-6, where the operation pads by itself."""
    stock, worn = network(side, kernel, zeros), network(side, kernel, zeros)
    wear(worn)
    assert type(worn.get_layer("pad")) is UnpaddedInput
    for one, other in zip(step(stock, side), step(worn, side), strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= 1e-6 * max(1.0, np.abs(one).max())


@pytest.mark.parametrize(
    ("side", "zeros", "options"),
    [
        (8, (1, 0), {}),  # zeros at the other side
        (8, (1, 1), {}),  # one more than the operation adds
        (None, (0, 1), {}),  # a side that is not known
        (8, (0, 1), {"read_twice": True}),
        (8, (0, 1), {"padding": "same"}),
        (8, (1, 1), {"strides": 1, "dilation_rate": 2}),
        (8, (0, 1), {"dtype": "mixed_bfloat16"}),  # the padding layer computes in float32
    ],
)
def test_other_padding_stays_with_keras(side: int | None, zeros: tuple[int, int], options: dict[str, Any]) -> None:
    """Where the result would be another, or another layer needs the padded map, there is no pair."""
    assert padded_pairs(network(side, 3, zeros, **options)) == []
