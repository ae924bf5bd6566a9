"""BatchNorm that is folded into convolutions computes what stock Keras does, and leaves no trace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import keras
import numpy as np
import pytest

from zoo import folded as folding
from zoo.forward import BATCH, forward, forward_batch
from zoo.fused import AdaptingBatchNormalization, FixedBatchNormalization
from zoo.low_rank import adapted
from zoo.moments import Watch
from zoo.padded import PaddingDepthwiseConv2D, UnpaddedInput
from zoo.pointwise import PointwiseConv2D

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow's graphs are folded")

TOLERANCE = 2e-5
"""Largest difference from stock Keras, relative to the largest output, float32."""


def drawn(model: Any) -> Any:
    """The model with weights that are no round numbers, and variances above zero."""
    draw = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(draw.uniform(0.2, 1.4, weight.shape) * np.where(draw.random(weight.shape) < 0.5, 1, -1))
        if weight.name == "moving_variance":
            weight.assign(np.abs(weight))
    return model


def network(layer: Any, **options: Any) -> Any:
    """A convolution, BatchNorm and an activation."""
    entry = keras.Input((12, 10, 4))
    normed = keras.layers.BatchNormalization(name="norm", **options)(layer(entry))
    return drawn(keras.Model(entry, keras.layers.ReLU(6.0)(normed)))


def separable() -> Any:
    """Padding and a depthwise convolution of stride 2, and one of one pixel behind it."""
    entry = keras.Input((12, 12, 4))
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(entry)
    x = keras.layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="deep")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="first")(x))
    x = keras.layers.Conv2D(8, 1, use_bias=False, name="point")(x)
    return drawn(keras.Model(entry, keras.layers.BatchNormalization(name="second")(x)))


def pictures(model: Any, count: int = BATCH) -> np.ndarray:
    """Noise of the size that a model takes."""
    return np.random.default_rng(6).normal(2, 3, (count, *model.inputs[0].shape[1:])).astype(np.float32)


def difference(model: Any, inputs: np.ndarray) -> float:
    """How far the folded pass is from a call of stock Keras, relative to the largest output."""
    expected = np.asarray(model(inputs, training=False))
    return float(np.abs(forward(model, [inputs])[0] - expected).max() / np.abs(expected).max())


@pytest.fixture(autouse=True)
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU; what is computed is the same on others."""
    monkeypatch.setattr(folding, "computes_on_cpu", lambda: True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the convolutions that were folded, each time a function is traced."""
    made, convolved = [], folding._convolved

    def counted(layer: Any, norm: Any, inputs: Any) -> Any:
        made.append(layer.name)
        return convolved(layer, norm, inputs)

    monkeypatch.setattr(folding, "_convolved", counted)
    return made


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(6, 3, padding="same", strides=2),
        keras.layers.Conv2D(6, (3, 1), use_bias=False, dilation_rate=2),
        keras.layers.Conv2D(8, 3, groups=2),
        keras.layers.DepthwiseConv2D(3, use_bias=False, padding="same"),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=3, strides=2),
    ],
    ids=["strided", "dilated", "grouped", "depthwise", "multiplied"],
)
@pytest.mark.parametrize("options", [{}, {"scale": False, "epsilon": 0.1}, {"center": False}])
def test_every_kind_of_convolution_is_folded_with_equal_results(
    layer: Any, options: dict[str, Any], calls: list[str]
) -> None:
    """With and without bias, gamma and beta; kernels, strides, groups and multipliers as they come."""
    model = network(layer.__class__.from_config(layer.get_config()), **options)
    assert difference(model, pictures(model)) <= TOLERANCE
    assert len(calls) == 1


def test_a_function_is_traced_folded_for_each_type_of_input(calls: list[str]) -> None:
    """Bytes after floats are folded too; the second batch of a type traces nothing."""
    model = network(keras.layers.Conv2D(6, 3, name="conv"))
    forward_batch(model, [pictures(model)])
    forward_batch(model, [pictures(model, 3)])
    assert calls == ["conv"]
    forward_batch(model, [pictures(model).astype(np.uint8)])
    assert calls == ["conv", "conv"]


def test_weights_and_statistics_that_change_are_followed(calls: list[str]) -> None:
    """Nothing is computed from their old values, and nothing is traced again."""
    model = network(keras.layers.Conv2D(6, 3))
    inputs = pictures(model)
    forward_batch(model, [inputs])
    for weight in model.weights:
        weight.assign(np.abs(np.asarray(weight)) * 1.7)
    assert difference(model, inputs) <= TOLERANCE
    assert len(calls) == 1


def test_padding_and_both_convolutions_of_a_separable_one_are_folded(calls: list[str]) -> None:
    """As the mobile networks have them; afterwards all layers have the classes and attributes that they had."""
    model = separable()
    before = [(type(layer), set(vars(layer))) for layer in model.layers]
    assert difference(model, pictures(model)) <= TOLERANCE
    assert calls == ["deep", "point"]
    assert [(type(layer), set(vars(layer))) for layer in model.layers] == before


def test_what_a_phase_has_dressed_is_folded_as_well(calls: list[str]) -> None:
    """Validation runs while layers wear what training needs; they wear it again afterwards."""
    model = separable()
    inputs = pictures(model)
    expected = np.asarray(model(inputs, training=False))
    worn = {
        "pad": UnpaddedInput,
        "deep": PaddingDepthwiseConv2D,
        "first": AdaptingBatchNormalization,
        "point": PointwiseConv2D,
        "second": FixedBatchNormalization,
    }
    for name, kind in worn.items():
        model.get_layer(name).__class__ = kind
    assert np.abs(forward_batch(model, [inputs])[0] - expected).max() <= TOLERANCE * np.abs(expected).max()
    assert calls == ["deep", "point"]
    assert {name: type(model.get_layer(name)) for name in worn} == worn


def test_low_rank_adapters_are_in_the_folded_kernel(calls: list[str]) -> None:
    """A phase with adapters validates with their product added."""
    model = network(keras.layers.Conv2D(6, 3, name="conv"))
    with adapted([model.get_layer("conv")], 2):
        for factor in (model.get_layer("conv").lora_kernel_a, model.get_layer("conv").lora_kernel_b):
            factor.assign(np.random.default_rng(7).normal(size=factor.shape))
        assert difference(model, pictures(model)) <= TOLERANCE
    assert calls == ["conv"]


def test_what_cannot_be_folded_exactly_stays(calls: list[str]) -> None:
    """An activation in between, another reader of the convolution, half precision, another axis, a layer used twice."""

    def spoilt(name: str) -> Any:
        entry = keras.Input((8, 8, 4))
        kind = "mixed_bfloat16" if name == "half" else None
        convolution = keras.layers.Conv2D(4, 1, dtype=kind, activation="relu" if name == "activation" else None)
        made = convolution(entry)
        normed = keras.layers.BatchNormalization(axis=1 if name == "axis" else -1, dtype=kind)(made)
        if name == "twice":
            normed = keras.layers.Add()([normed, convolution(keras.layers.ReLU()(entry))])
        return drawn(keras.Model(entry, [normed, made] if name == "read" else normed))

    for name in ("activation", "read", "half", "axis", "twice"):
        model = spoilt(name)
        assert folding.foldable(model) == []
        inputs = pictures(model)
        expected = keras.tree.flatten(model(inputs, training=False))
        for one, other in zip(forward(model, [inputs]), expected, strict=True):
            assert np.abs(one - np.asarray(other, np.float32)).max() <= 0.02 * np.abs(one).max()
    assert calls == []


class Twice(keras.layers.Layer):  # type: ignore[misc] # Keras is untyped
    """Holds a layer that others use as well."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def call(self, inputs: Any) -> Any:
        """What the layer inside makes."""
        return self.inner(inputs)


@pytest.mark.parametrize("held", ["a nested model", "a composite layer", "a nested norm", "a pad used twice"])
def test_layers_that_are_met_at_two_places_stay(held: str, calls: list[str]) -> None:
    """In the graph and in a part of it, or twice in the graph: each place computes what it should."""
    entry = keras.Input((12, 12, 4))
    convolution = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    norm, pad = keras.layers.BatchNormalization(), keras.layers.ZeroPadding2D(((0, 1), (0, 1)))
    x = norm(convolution(entry))
    if held == "a nested model":
        inside = keras.Input((12, 12, 4))
        x = keras.Model(inside, convolution(inside))(x)
    elif held == "a composite layer":
        x = Twice(convolution)(x)
    elif held == "a nested norm":
        inside = keras.Input((12, 12, 4))
        x = keras.Model(inside, norm(keras.layers.ReLU()(inside)))(x)
    else:
        deep = keras.layers.DepthwiseConv2D(3, strides=2)(pad(keras.layers.ReLU()(x)))
        other = keras.layers.Conv2D(4, 3, strides=2)(pad(x))
        x = keras.layers.Add()([deep, other])
    model = drawn(keras.Model(entry, x))
    assert difference(model, pictures(model)) <= TOLERANCE
    assert len(calls) == (held == "a pad used twice")
    assert Watch(model).measure(pictures(model)).features.shape == (BATCH, 4)


def test_every_size_of_pictures_is_traced_folded(calls: list[str]) -> None:
    """A network of unknown size computes each alike."""
    entry = keras.Input((None, None, 4))
    normed = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, name="conv")(entry))
    model = drawn(keras.Model(entry, normed))
    for side in (8, 12, 16):
        inputs = np.random.default_rng(side).normal(size=(BATCH, side, side, 4)).astype(np.float32)
        expected = np.asarray(model(inputs, training=False))
        assert np.abs(forward_batch(model, [inputs])[0] - expected).max() <= TOLERANCE * np.abs(expected).max()
    assert set(calls) == {"conv"}
    assert len(calls) >= 2  # what TensorFlow has traced for all sizes serves the third


def test_where_nothing_is_traced_all_passes_are_kerass_own(calls: list[str]) -> None:
    """Eagerly, for debugging: the first pass and the second are equal to the bit."""
    model = network(keras.layers.Conv2D(6, 3))
    model.compile(run_eagerly=True)
    first, second = (forward_batch(model, [pictures(model)])[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert calls == []


def test_threads_that_pass_at_a_time_do_not_meet(calls: list[str]) -> None:
    """Models of the same layers in several threads: each gives what Keras does, and no layer stays dressed."""
    for _ in range(5):
        model = separable()
        inputs = pictures(model)
        expected = np.asarray(model(inputs, training=False))
        classes = [type(layer) for layer in model.layers]
        again = [keras.Model(model.inputs, model.outputs) for _ in range(3)]
        with ThreadPoolExecutor(6) as threads:
            found = list(threads.map(forward_batch, [*again, *again], repeat([inputs])))
        for outputs in (*found, *(forward_batch(one, [inputs]) for one in again)):
            assert np.abs(outputs[0] - expected).max() <= TOLERANCE * np.abs(expected).max()
        assert [type(layer) for layer in model.layers] == classes
    assert set(calls) == {"deep", "point"}


def test_an_error_in_the_pass_leaves_stock_layers() -> None:
    """Inputs of a wrong shape: the layers are what they were, and the next pass is folded."""
    model = separable()
    before = [type(layer) for layer in model.layers]
    with pytest.raises(ValueError, match="shape"):
        forward_batch(model, [np.zeros((BATCH, 12, 12, 5), np.float32)])
    assert [type(layer) for layer in model.layers] == before
    assert difference(model, pictures(model)) <= TOLERANCE


def test_training_after_a_folded_pass_is_that_of_stock_keras() -> None:
    """A step with the same seed moves the same weights to the same values, bit for bit."""

    def trained(*, before: bool) -> list[np.ndarray]:
        model = separable()
        if before:
            forward_batch(model, [pictures(model)])
        model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
        model.train_on_batch(pictures(model), np.ones((BATCH, 6, 6, 8), np.float32))
        return [np.asarray(weight) for weight in model.weights]

    for one, other in zip(trained(before=True), trained(before=False), strict=True):
        assert np.array_equal(one, other)


def test_on_a_gpu_nothing_is_folded(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It was measured on CPUs only."""
    monkeypatch.setattr(folding, "computes_on_cpu", lambda: False)
    model = network(keras.layers.Conv2D(6, 3))
    assert difference(model, pictures(model)) <= TOLERANCE
    assert calls == []
