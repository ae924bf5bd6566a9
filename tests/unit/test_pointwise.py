"""A convolution of one pixel as a matrix product does what stock Keras does."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from zoo.pointwise import PointwiseConv2D, can_multiply

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the product is TensorFlow's")

TOLERANCE = 1e-5
"""Largest relative difference of outputs and gradients from stock Keras, float32."""


def network(**options: Any) -> Any:
    """One convolution of one pixel over maps of any side, with weights that are drawn."""
    entry = keras.Input((None, None, 7))
    model = keras.Model(entry, keras.layers.Conv2D(5, 1, **options)(entry))
    draw = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(draw.normal(size=weight.shape))
    return model


def step(model: Any, *, training: bool) -> list[np.ndarray]:
    """Outputs and gradients of inputs and weights after one call inside a traced function."""
    draw = np.random.default_rng(4)
    inputs = tf.constant(draw.normal(size=(4, 6, 8, 7)).astype("float32"))
    target = draw.normal(size=(4, 6, 8, 5)).astype("float32")

    @tf.function
    def work(given: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            outputs = model(given, training=training)
            loss = tf.reduce_sum(outputs * target)
        return [outputs, *tape.gradient(loss, [given, *(weight.value for weight in model.trainable_weights)])]

    return [found.numpy() for found in work(inputs)]


@pytest.mark.parametrize("options", [{}, {"use_bias": False, "activation": "relu"}, {"padding": "same"}])
def test_a_step_equals_stock_keras(options: dict[str, Any]) -> None:
    """Outputs and the gradients of inputs, kernel and bias agree within the tolerance."""
    stock, worn = network(**options), network(**options)
    assert can_multiply(worn.layers[-1])
    worn.layers[-1].__class__ = PointwiseConv2D
    for one, other in zip(step(stock, training=True), step(worn, training=True), strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= TOLERANCE * max(1.0, np.abs(one).max())


def test_only_training_multiplies() -> None:
    """In training the graph holds a matrix product and no convolution, in inference the other way round."""
    model = network()
    model.layers[-1].__class__ = PointwiseConv2D
    for training, wanted, absent in ((True, "MatMul", "Conv2D"), (False, "Conv2D", "MatMul")):
        traced = tf.function(lambda given, training=training: model(given, training=training))
        graph = traced.get_concrete_function(tf.TensorSpec((4, 6, 8, 7))).graph
        kinds = {operation.type for operation in graph.get_operations()}
        assert wanted in kinds
        assert absent not in kinds


def test_other_convolutions_stay_with_keras() -> None:
    """Larger kernels, strides, groups, other layouts, mixed precision and other people's subclasses do not qualify."""

    class Own(keras.layers.Conv2D):
        """Somebody's subclass."""

    layers = [
        keras.layers.Conv2D(4, 1),
        keras.layers.Conv2D(4, 3),
        keras.layers.Conv2D(4, (1, 3)),
        keras.layers.Conv2D(4, 1, strides=2),
        keras.layers.Conv2D(4, 1, groups=2),
        keras.layers.Conv2D(4, 1, data_format="channels_first"),
        keras.layers.Conv2D(4, 1, dtype="mixed_bfloat16"),
        Own(4, 1),
    ]
    assert [can_multiply(layer) for layer in layers] == [True] + [False] * 7
