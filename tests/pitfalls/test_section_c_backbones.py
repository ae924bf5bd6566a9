"""Section C of the pitfalls, as far as backbones are concerned: preprocessing, graphs and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from zoo.builtin import backbone_efficientnet, backbone_scratch_cnn
from zoo.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

EFFICIENTNET = backbone_efficientnet.zoo_backbones()[0]
(SCRATCH,) = backbone_scratch_cnn.zoo_backbones()

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the published one, of random numbers, in the same layout, with mean and deviation at its front."""
    keras.utils.set_random_seed(0)
    stock = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    count = stock.layers[2].get_weights()[2]
    stock.layers[2].set_weights([MEAN, DEVIATION, count])
    draw = np.random.default_rng(0)
    for layer in stock.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, variance = (draw.uniform(*limits, layer.gamma.shape) for limits in ((1.2, 1.8), (0.8, 1.2)))
            beta, mean = draw.normal(0, 0.05, (2, *layer.gamma.shape))
            layer.set_weights([gamma, beta, mean, variance])
    path = tmp_path_factory.mktemp("published") / "efficientnetb0_notop.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, stock)
    return path


@pytest.fixture(scope="module")
def asked(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Replaces Keras' download by the published file, for the whole module; lists the names that were asked for."""
    names: list[str] = []

    def get_file(fname: str, origin: str, **options: Any) -> str:
        names.append(fname)
        return str(published)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras.src.utils.file_utils.get_file", get_file)
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        patch.delenv("ZOO_OFFLINE", raising=False)
        yield names


@pytest.fixture(scope="module")
def imagenet(asked: list[str]) -> Any:
    """Our network with the declared weights."""
    return EFFICIENTNET.build(size=32, weights=EFFICIENTNET.weights[0])


@pytest.fixture(scope="module")
def random() -> Any:
    """Our network with random weights."""
    return EFFICIENTNET.build(size=32, weights=None)


@pytest.fixture(scope="module")
def trap(published: Path) -> Any:
    """What Keras builds if it is given the path of the published file."""
    return keras.applications.EfficientNetB0(include_top=False, weights=str(published), input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def scratch() -> Any:
    """The small network."""
    return SCRATCH.build(size=32, weights=None)


@pytest.fixture(scope="module")
def scratch_again() -> Any:
    """The small network, built once more."""
    return SCRATCH.build(size=32, weights=None)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Noise, and a picture of pure red, as they are read from files."""
    noise = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    noise[2] = (255, 0, 0)
    return noise


def output(model: Any, pictures: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Features in inference mode."""
    return np.asarray(keras.ops.convert_to_numpy(model(pictures, training=False)))


def difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Largest difference, as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(one).max())


def test_pitfall_27_declared_weights_and_a_local_copy_are_what_keras_builds(
    imagenet: Any, published: Path, pictures: np.ndarray[Any, Any], asked: list[str]
) -> None:
    """Keras' own `imagenet`, ours, and the same file given by its path: equal layers, equal numbers."""
    keras_own = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
    local = EFFICIENTNET.build(size=32, weights=published)
    assert len(keras_own.layers) == len(imagenet.layers) == len(local.layers) == 238
    expected = output(keras_own, pictures)
    assert difference(expected, expected[::-1]) > 0.1  # the features depend on the picture at all
    np.testing.assert_array_equal(output(imagenet, pictures), expected)
    np.testing.assert_array_equal(output(local, pictures), expected)


def test_pitfall_27_keras_itself_gives_other_features_for_a_path(
    imagenet: Any, trap: Any, pictures: np.ndarray[Any, Any]
) -> None:
    """What is avoided is still there: given the path, Keras leaves a layer out. Fails when Keras mends it."""
    assert len(trap.layers) == 237
    assert difference(output(imagenet, pictures), output(trap, pictures)) > 0.05


def test_pitfall_27_a_weights_h5_of_either_graph_gives_the_same(
    imagenet: Any, trap: Any, pictures: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    """The newer layout, saved from Keras' smaller graph, fills ours with the same tensors."""
    trap.save_weights(tmp_path / "b0.weights.h5")
    model = EFFICIENTNET.build(size=32, weights=tmp_path / "b0.weights.h5")
    np.testing.assert_array_equal(output(model, pictures), output(imagenet, pictures))


def test_pitfall_27_random_weights_have_the_same_graph(imagenet: Any, random: Any) -> None:
    """Layer by layer, settings included; only the numbers differ."""
    assert [layer.get_config() for layer in random.layers] == [layer.get_config() for layer in imagenet.layers]


def test_pitfall_28_the_file_is_asked_for_by_its_own_name(imagenet: Any, asked: list[str]) -> None:
    """A network that goes by another name asks for the same file when it is built again."""
    again = EFFICIENTNET.build(size=32, weights=EFFICIENTNET.weights[0])
    again.name = "my-alias"
    assert set(asked) == {"efficientnetb0_notop.h5"}
    assert len(asked) >= 2


@pytest.mark.parametrize("weights", ["imagenet", "random"])
def test_pitfall_29_the_first_convolution_sees_normalised_rgb(
    weights: str, request: pytest.FixtureRequest, pictures: np.ndarray[Any, Any]
) -> None:
    """(x/255 − mean) / deviation, channels in the order red, green, blue, also with random weights."""
    model = request.getfixturevalue(weights)
    front = keras.Model(model.input, model.get_layer("stem_conv_pad").input)
    seen = output(front, pictures)
    np.testing.assert_allclose(seen, (pictures / 255 - MEAN) / DEVIATION, atol=1e-5)
    red = (np.array([1.0, 0.0, 0.0]) - MEAN) / DEVIATION
    np.testing.assert_allclose(seen[2], np.broadcast_to(red, (32, 32, 3)), atol=1e-5)


def test_pitfall_29_scratch_cnn_sees_zero_to_one(scratch: Any, pictures: np.ndarray[Any, Any]) -> None:
    """As its record says."""
    seen = output(keras.Model(scratch.input, scratch.get_layer("block1_conv").input), pictures)
    np.testing.assert_allclose(seen, pictures / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["imagenet", "scratch"])
def test_pitfall_26_raw_pixels_are_all_it_needs(
    name: str, request: pytest.FixtureRequest, pictures: np.ndarray[Any, Any]
) -> None:
    """Bytes and floats of 0–255 give equal features; floats of 0–1 would give quite other ones."""
    model = request.getfixturevalue(name)
    expected = output(model, pictures)
    np.testing.assert_array_equal(output(model, pictures.astype("float32")), expected)
    assert difference(expected, output(model, pictures.astype("float32") / 255)) > 0.05


@pytest.mark.parametrize("name", ["imagenet", "scratch"])
def test_pitfall_31_the_pictures_are_not_changed(
    name: str, request: pytest.FixtureRequest, pictures: np.ndarray[Any, Any]
) -> None:
    """Scaling in the graph works on a copy, so the next backbone gets the same pixels."""
    model = request.getfixturevalue(name)
    floats = pictures.astype("float32")
    output(model, floats)
    np.testing.assert_array_equal(floats, pictures)


def test_pitfall_36_channels_first_is_refused_or_of_no_account() -> None:
    """Keras' EfficientNet follows the global setting, so it is refused; scratch-cnn says itself where channels are."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UsageError, match="needs pictures with channels last, but Keras is set to") as caught:
            EFFICIENTNET.build(size=32, weights=None)
        model = SCRATCH.build(size=32, weights=None)
        shape = output(model, np.ones((1, 32, 32, 3), "float32")).shape
    finally:
        keras.config.set_image_data_format(before)
    assert "set_image_data_format" in caught.value.hint
    assert shape == (1, 2, 2, 128)


@pytest.mark.parametrize("pair", [("imagenet", "random"), ("scratch", "scratch_again")], ids=" and ".join)
def test_pitfall_24_one_graph_can_hold_a_backbone_twice(
    pair: tuple[str, str], request: pytest.FixtureRequest, pictures: np.ndarray[Any, Any]
) -> None:
    """No name is used twice."""
    entry = keras.Input((32, 32, 3))
    both = [request.getfixturevalue(name) for name in pair]
    ensemble = keras.Model(entry, keras.layers.Concatenate()([model(entry) for model in both]))
    halves = np.split(output(ensemble, pictures), 2, axis=-1)
    for half, model in zip(halves, both, strict=True):
        np.testing.assert_allclose(half, output(model, pictures), rtol=1e-5)
