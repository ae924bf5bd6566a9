"""What the first weights of every family of keras.applications see of raw pictures, and other numbers of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from zoo.errors import RecipeError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.contracts import Backbone

Array = np.ndarray[Any, Any]
BACKBONES: dict[str, Backbone] = {one.name: one for one in load_catalog(only=[]).items("backbone")}
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def caffe(x: Array) -> Array:
    """Blue, green, red, each less its mean over ImageNet (Keras' mode `caffe`)."""
    return np.stack([x[..., 2] - 103.939, x[..., 1] - 116.779, x[..., 0] - 123.68], axis=-1)


def minus_one_to_one(x: Array) -> Array:
    """Keras' mode `tf`."""
    return x / 127.5 - 1


def standardised(x: Array) -> Array:
    """Keras' mode `torch`."""
    return (x / 255 - MEAN) / DEVIATION


def eighth_bit(x: Array) -> Array:
    """As EfficientNetV2-S, -M and -L do inside their graphs."""
    return x / 128 - 1


FORMULAS: dict[str, Callable[[Array], Array]] = {
    "vgg16": caffe,
    "resnet50": caffe,
    "resnet50v2": minus_one_to_one,
    "inceptionv3": minus_one_to_one,
    "inceptionresnetv2": minus_one_to_one,
    "xception": minus_one_to_one,
    "mobilenet": minus_one_to_one,
    "mobilenetv2": minus_one_to_one,
    "mobilenetv3small": minus_one_to_one,
    "densenet121": standardised,
    "nasnetmobile": minus_one_to_one,
    "efficientnetb0": standardised,
    "efficientnetv2b0": standardised,
    "efficientnetv2s": eighth_bit,
    "convnexttiny": standardised,
}
"""One network of each kind of preprocessing in each family."""


def at_first_weights(model: Any) -> Any:
    """The part of a network before its first trained layer, without the zeros that pad it."""
    layer = next(layer for layer in model.layers if layer.trainable_weights)
    tensor = layer.input if not isinstance(layer, keras.Sequential) else layer._inbound_nodes[-1].input_tensors[0]
    maker = tensor._keras_history.operation
    if isinstance(maker, keras.layers.ZeroPadding2D):
        tensor = maker._inbound_nodes[-1].input_tensors[0]
    return keras.Model(model.input, tensor)


def output(model: Any, pictures: Array) -> Array:
    """What a model gives in inference mode."""
    return np.asarray(keras.ops.convert_to_numpy(model(pictures, training=False)))


def first_kernel(model: Any) -> Array:
    """The kernel of the first convolution."""
    kernel = next(weight for weight in model.trainable_weights if len(weight.shape) == 4)
    return np.asarray(keras.ops.convert_to_numpy(kernel))


def legacy_file(model: Any, path: Path) -> Path:
    """Weights in the layout that Keras publishes."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def test_every_family_has_a_formula() -> None:
    """A family cannot be added without saying what its pixels are."""
    with_weights = {
        one.family for one in BACKBONES.values() if any("keras-applications" in w.origin for w in one.weights)
    }
    assert with_weights == {BACKBONES[name].family for name in FORMULAS}


@pytest.mark.parametrize("name", FORMULAS)
def test_pitfall_29_the_first_weights_see_what_the_family_was_trained_on(name: str) -> None:
    """Pure red, green and blue and a gradient, as bytes; compared with the published formula."""
    backbone = BACKBONES[name]
    side = backbone.min_size
    pictures = np.zeros((4, side, side, 3), np.uint8)
    for channel in range(3):
        pictures[channel, ..., channel] = 255
    pictures[3] = np.linspace(0, 255, side * side * 3).reshape(side, side, 3)
    seen = output(at_first_weights(backbone.build(size=side, weights=None)), pictures)
    np.testing.assert_allclose(seen, FORMULAS[name](pictures.astype("float64")), atol=1e-4)


@pytest.mark.parametrize("name", ["vgg16", "mobilenetv3small", "efficientnetb0"])
def test_one_channel_is_grey_repeated(name: str, tmp_path: Path) -> None:
    """With the same weights, a grey picture of one channel gives what three equal channels give, bit for bit."""
    backbone = BACKBONES[name]
    colour = backbone.build(size=32, weights=None)
    grey = backbone.build(size=32, weights=legacy_file(colour, tmp_path / "x.h5"), channels=1)
    assert grey.input_shape == (None, 32, 32, 1)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    np.testing.assert_array_equal(output(grey, pictures), output(colour, np.repeat(pictures, 3, axis=-1)))


@pytest.mark.parametrize(
    ("name", "order"), [("mobilenetv2", (0, 1, 2)), ("vgg16", (2, 1, 0)), ("convnexttiny", (0, 1, 2))]
)
def test_other_channels_take_the_kernels_of_red_green_and_blue_in_turn(
    name: str, order: tuple[int, ...], tmp_path: Path
) -> None:
    """Times 3 / channels; red's first, also where the file has blue's first; all other weights are the file's."""
    backbone = BACKBONES[name]
    colour = backbone.build(size=32, weights=None)
    five = backbone.build(size=32, weights=legacy_file(colour, tmp_path / "x.h5"), channels=5)
    old, new = first_kernel(colour), first_kernel(five)
    for channel in range(5):
        np.testing.assert_allclose(new[:, :, channel], old[:, :, order[channel % 3]] * 3 / 5, rtol=1e-6)
    others = zip(colour.get_weights(), five.get_weights(), strict=True)
    assert sum(one.shape != other.shape or not np.array_equal(one, other) for one, other in others) == 1


def test_six_equal_channels_give_what_three_give(tmp_path: Path) -> None:
    """Where all three have one mean and one deviation, doubling the channels changes nothing."""
    backbone = BACKBONES["mobilenetv2"]
    colour = backbone.build(size=32, weights=None)
    six = backbone.build(size=32, weights=legacy_file(colour, tmp_path / "x.h5"), channels=6)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = output(colour, pictures)
    np.testing.assert_allclose(
        output(six, np.concatenate([pictures] * 2, -1)), expected, atol=1e-4 * np.abs(expected).max()
    )


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        ("vgg16", (103.939 + 116.779 + 123.68) / 3, 1.0),
        ("densenet121", 255 * MEAN.mean(), 255 * DEVIATION.mean()),
        ("efficientnetb0", 255 * MEAN.mean(), 255 * DEVIATION.mean()),
    ],
)
def test_other_channels_are_scaled_by_the_means_of_the_three(name: str, mean: float, deviation: float) -> None:
    """Channel by channel the same, and in their own order."""
    front = at_first_weights(BACKBONES[name].build(size=32, weights=None, channels=4))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 4), dtype=np.uint8)
    np.testing.assert_allclose(output(front, pictures), (pictures - mean) / deviation, atol=1e-4)


def test_efficientnet_averages_the_constants_of_its_file(tmp_path: Path) -> None:
    """Its mean and deviation are weights, so those of the file count."""
    backbone = BACKBONES["efficientnetb0"]
    colour = backbone.build(size=32, weights=None)
    layer = colour.get_layer("input_normalization")
    layer.set_weights([np.array([0.1, 0.2, 0.6]), np.array([0.25, 0.25, 0.25]), layer.get_weights()[2]])
    four = backbone.build(size=32, weights=legacy_file(colour, tmp_path / "x.h5"), channels=4)
    seen = output(at_first_weights(four), np.full((1, 32, 32, 4), 255, np.uint8))
    np.testing.assert_allclose(seen, (1 - 0.3) / 0.5 / np.sqrt(DEVIATION.mean()), rtol=1e-5)


@pytest.mark.parametrize("channels", [0, 17])
def test_channels_out_of_range_are_refused(channels: int) -> None:
    """With the range in the hint."""
    with pytest.raises(RecipeError, match=f"vgg16 cannot be built for {channels} channels") as caught:
        BACKBONES["vgg16"].build(size=32, weights=None, channels=channels)
    assert "1 to 16" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "least"), [("xception", 71), ("inceptionv3", 75), ("inceptionresnetv2", 75), ("vgg16", 32)]
)
def test_too_small_a_size_is_refused(name: str, least: int) -> None:
    """Before Keras says it in its own way."""
    assert BACKBONES[name].min_size == least
    with pytest.raises(RecipeError, match=f"{name} cannot be built for {least - 1} pixels") as caught:
        BACKBONES[name].build(size=least - 1, weights=None)
    assert f"{least} or more" in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, one in BACKBONES.items() if one.options and one.weights))
def test_every_network_takes_every_number_of_channels(name: str) -> None:
    """Grey, two and sixteen channels are built, and give as many features as colour."""
    backbone = BACKBONES[name]
    for channels in (1, 2, 16):
        model = backbone.build(size=backbone.min_size, weights=None, channels=channels)
        assert model.input_shape[-1] == channels
        assert np.isfinite(output(model, np.zeros((1, *model.input_shape[1:]), np.uint8))).all()
        keras.utils.clear_session()
