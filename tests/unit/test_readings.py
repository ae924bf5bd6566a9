"""Wrong inputs as a network sees them: networks whose statistics were estimated on pictures of made-up landscapes."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest

from zoo import readings
from zoo.forward import value_of
from zoo.moments import Moments, Watch
from zoo.readings import Reader, changed, check, counted
from zoo.second_looks import SecondLooks
from zoo.testing import tiny_backbone

SIZE = 32


def landscapes(count: int, seed: int) -> np.ndarray:
    """Bright blue above and dark brown below, with texture; uint8 (count, 32, 32, 3)."""
    draw = np.random.default_rng(seed)
    made = np.empty((count, SIZE, SIZE, 3))
    for row in range(count):
        line = draw.integers(12, 20)
        made[row, :line] = (90, 150, 240)
        made[row, line:] = (110, 70, 30)
        made[row] += draw.normal(0, 12, 3) + draw.normal(0, 12, made[row].shape)
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def estimated(model: Any, pixels: np.ndarray) -> Any:
    """The model with statistics of these pictures, layer by layer from the input up."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            seen = keras.Model(model.input, layer.input).predict(pixels.astype(np.float32), verbose=0)
            layer.moving_mean.assign(seen.mean((0, 1, 2)))
            layer.moving_variance.assign(seen.var((0, 1, 2)))
    return model


def rescaled(model: Any, **change: float) -> Any:
    """A copy of a model whose rescaling layer has another configuration."""

    def made(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config({**config, **change} if layer.name == "scale" else config)

    copy = keras.models.clone_model(model, clone_function=made)
    copy.set_weights(model.get_weights())
    return copy


@pytest.fixture(scope="module")
def network() -> Any:
    """A network of landscapes, the same one on every backend."""
    model, draw = tiny_backbone().build(size=SIZE, weights=None), np.random.default_rng(3)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(draw.normal(0, 0.4, layer.kernel.shape))
    return estimated(model, landscapes(200, seed=1))


RIGHT = landscapes(64, seed=2)


def cause_of(model: Any, pixels: np.ndarray) -> str | None:
    """What is said."""
    found = check(model, pixels)
    return None if found is None else found.cause


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda x: x, None),
        (lambda x: x.astype(np.float32) / 255, "rescaled-twice"),
        (lambda x: x[..., ::-1], "swapped"),
        (lambda x: 255 - x, "inverted"),
        (lambda x: np.full_like(x, 90), "constant"),
        (lambda x: np.where(x > 230, np.nan, x.astype(np.float32)), "not-a-number"),
        (lambda x: np.repeat(x[..., 1:2], 3, axis=3), "grey"),
        (lambda x: x // 4 + 96, None),
        (lambda x: x[:5], None),
    ],
)
def test_wrong_inputs_are_named(network: Any, change: Any, cause: str | None) -> None:
    """Right inputs, low contrast and a handful of pictures are left alone, wrong ones are named."""
    assert cause_of(network, change(RIGHT)) == cause


@pytest.mark.parametrize(
    ("change", "cause"),
    [({"scale": 1 / 127.5 / 255}, "rescaled-twice"), ({"scale": 1.0, "offset": 0.0}, "not-rescaled")],
)
def test_graphs_with_a_rescaling_too_many_or_too_few_are_named(network: Any, change: Any, cause: str) -> None:
    """The pictures are sound, and what is wrong stands in the graph of the backbone."""
    found = check(rescaled(network, **change), RIGHT)
    assert found is not None
    assert found.cause == cause
    assert "misfit" in found.fact


def test_a_network_that_overflows_is_named(network: Any) -> None:
    """Broken weights are told from broken pictures."""
    broken = rescaled(network)
    broken.get_layer("stem_conv").kernel.assign(broken.get_layer("stem_conv").kernel * np.inf)
    found = check(broken, RIGHT)
    assert found is not None
    assert found.cause == "not-a-number"
    assert found.fact.startswith("The network makes")


def test_random_weights_say_nothing(network: Any) -> None:
    """Of an untrained network, and of one without BatchNorm, only the pixels count."""
    plain = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(4, 3)])
    plain = keras.Model(plain.inputs, plain.outputs)
    assert check(network, RIGHT[..., ::-1], trained=False) is None
    assert check(network, np.repeat(RIGHT[..., :1], 3, axis=3), trained=False) is None
    assert not Reader(plain).sees
    assert cause_of(plain, RIGHT[..., ::-1]) is None
    assert cause_of(plain, np.zeros_like(RIGHT)) == "constant"


def test_readings_change_pictures_and_not_alpha() -> None:
    """What each reading makes of one pixel with alpha."""
    pixel = np.array([[[[10, 20, 30, 200]]]], np.uint8)
    assert changed(pixel, "given").ravel().tolist() == [10, 20, 30, 200]
    assert changed(pixel, "swapped").ravel().tolist() == [30, 20, 10, 200]
    assert changed(pixel, "inverted").ravel().tolist() == [245, 235, 225, 200]
    assert changed(pixel, "times-255").ravel().tolist() == [2550, 5100, 7650, 51000]
    assert changed(pixel[..., :3], "over-255").ravel() == pytest.approx([10 / 255, 20 / 255, 30 / 255])
    assert changed(pixel[..., :3], "over-127.5-minus-1").ravel() == pytest.approx(
        [10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1]
    )
    assert changed(pixel[..., :1], "inverted").ravel().tolist() == [245]


def test_moments_are_those_of_the_layers_inputs(network: Any) -> None:
    """Means and mean squares of each picture, also of a batch that is not full."""
    reader, first = Reader(network), network.get_layer("stem_bn")
    seen = reader.layers(RIGHT[:21])
    whole = keras.Model(network.input, first.input).predict(RIGHT[:21].astype(np.float32), verbose=0)
    np.testing.assert_allclose(seen[0].mean, whole.mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(seen[0].square, (whole**2).mean((1, 2)), atol=1e-5)
    assert seen[0].name == "stem_bn"


def test_a_check_leaves_the_network_as_it_was(network: Any) -> None:
    """No weight, no flag, no class and no random state is another one afterwards."""
    network.get_layer("unit1_conv").trainable = False
    before = [value_of(weight) for weight in network.weights]
    told = [
        (type(layer), layer.trainable, len(layer._inbound_nodes), len(layer._outbound_nodes))
        for layer in network.layers
    ]
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - what Keras draws from
    check(network, RIGHT[..., ::-1])
    assert all(np.array_equal(a, value_of(b)) for a, b in zip(before, network.weights, strict=True))
    after = [
        (type(layer), layer.trainable, len(layer._inbound_nodes), len(layer._outbound_nodes))
        for layer in network.layers
    ]
    network.get_layer("unit1_conv").trainable = True
    assert told == after
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002 - as above


def test_readings_that_lower_the_response_are_dropped(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right inputs are settled after the first step where nothing speaks for another reading, doubtful ones go on."""
    passes: list[int] = []
    plain = Reader.layers
    monkeypatch.setattr(Reader, "layers", lambda self, pixels: passes.append(len(pixels)) or plain(self, pixels))
    monkeypatch.setattr(readings.inputs, "gain", lambda *_: (-1.0, -9.0))
    check(network, RIGHT)
    assert passes == [16, 16, 16]
    passes.clear()
    monkeypatch.setattr(readings.inputs, "gain", lambda *_: (0.0, 0.0))
    check(network, RIGHT)
    assert passes == [16, 16, 16, 16, 16, 16, 32, 32, 32]


@pytest.mark.parametrize("pixels", [RIGHT, RIGHT[..., ::-1]])
def test_moments_that_are_known_spare_passes(network: Any, pixels: np.ndarray) -> None:
    """The finding is the same with the moments of a whole pass, and pictures as given do not pass again."""
    found, passes = counted(network, pixels)
    watch = Watch(network)
    looks = SecondLooks(network, watch, watch.measure(pixels))
    assert looks.sees
    again, fewer = counted(network, pixels, reader=looks)
    assert again == found or (again is not None and found is not None and again.cause == found.cause)
    assert 0 < fewer < passes


@pytest.mark.parametrize("pixels", [RIGHT, RIGHT[:, :, :, ::-1], RIGHT.astype(np.float32)])
def test_second_looks_see_what_a_reader_sees(network: Any, pixels: np.ndarray) -> None:
    """Maps no larger than the grid are seen alike, whatever was read before, and each picture passes at most once."""
    watch = Watch(network, places=None)
    looks, reader = SecondLooks(network, watch, watch.measure(pixels)), Reader(network)
    for rows in (np.arange(16), np.arange(16, 40), np.arange(3)):
        for name in ("given", "inverted", "swapped", "times-255"):
            for one, other in zip(looks.read(pixels, rows, name), reader.read(pixels, rows, name), strict=True):
                assert one.name == other.name
                np.testing.assert_allclose(one.mean, other.mean, rtol=1e-3, atol=1e-4)
                np.testing.assert_allclose(one.square, other.square, rtol=1e-3, atol=1e-4)
    assert looks.passes == 3 * (16 + 24 + 3)
    assert looks._ahead == {}


def test_second_looks_need_all_layers_that_count(network: Any) -> None:
    """Where a layer was not watched, a name is not clear, or there is none, they say so."""
    watch = Watch(network)
    seen = watch.measure(RIGHT[:8])
    assert SecondLooks(network, watch, seen).sees
    assert not SecondLooks(network, watch, dataclasses.replace(seen, layers=seen.layers[1:])).sees
    twice = dataclasses.replace(seen, layers=(*seen.layers, seen.layers[0]))  # a nested model has the name too
    assert not SecondLooks(network, watch, twice).sees
    entry = keras.Input((32, 32, 3))
    plain = keras.Model(entry, keras.layers.Conv2D(2, 3)(entry))
    assert not SecondLooks(plain, Watch(plain), Moments((), seen.features)).sees
