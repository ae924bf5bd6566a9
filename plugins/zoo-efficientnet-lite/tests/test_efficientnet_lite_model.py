"""The models: what goes in, what comes out, how they are cut, and what they make of real photos."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import UsageError, WeightsError
from zoo_efficientnet_lite import imagenet_classifier
from zoo_efficientnet_lite.plugin import zoo_backbones
from zoo_efficientnet_lite.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

ESPRESSO = 967
CATS = {281, 282, 285}
"""Tabby, tiger cat, Egyptian cat."""


def array(tensor: Any) -> npt.NDArray[Any]:
    """A tensor or variable of any backend as a NumPy array."""
    import keras

    return np.array(keras.ops.convert_to_numpy(tensor))


def largest_square(pixels: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float32]:
    """The central square of a picture, resized bilinearly; stretching costs lite0 five points on the coffee."""
    from PIL import Image

    image = Image.fromarray(pixels)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square, np.float32)


def class_probabilities(model: Any, variant: Variant) -> npt.NDArray[np.float32]:
    """Probabilities (2, 1000) of scikit-image's coffee and cat with the classifier of the released file."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photos")
    photos = np.stack([largest_square(photo(), variant.image_size) for photo in (data.coffee, data.chelsea)])
    weight, bias = imagenet_classifier(variant.name)
    logits = model.predict(photos, verbose=0).mean((1, 2)) @ weight + bias
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def test_without_room_for_a_plain_file_weights_come_out_of_the_archive(
    build: Callable[..., Any], pretrained: Any, lite0: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder for temporary files that cannot be written costs time and nothing else."""
    asked: list[int] = []

    def none(*_: Any, **__: Any) -> None:
        asked.append(1)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("zoo_efficientnet_lite.graph.tempfile.TemporaryDirectory", none)
    again = build(lite0.name, size=32, weights=lite0.weights)
    assert asked
    assert [array(one).tobytes() for one in again.weights] == [array(one).tobytes() for one in pretrained.weights]


def test_photos_are_recognised(pretrained: Any, lite0: Variant) -> None:
    """With the released classifier the coffee is an espresso, and the cat a cat, as certain as they should be."""
    coffee, cat = class_probabilities(pretrained, lite0)
    assert coffee.argmax() == ESPRESSO
    assert coffee[ESPRESSO] > 0.93
    assert set(cat.argsort()[::-1][:3].tolist()) == CATS


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_the_present_precision_is_that_of_every_layer(
    build: Callable[..., Any], lite0: Variant, kind: str, pretrained: Any
) -> None:
    """The file says float32 for each layer; under a mixed policy they compute in its type, roughly alike."""
    import keras

    keras.config.set_dtype_policy(f"mixed_{kind}")
    try:
        model = build(lite0.name, size=64, weights=lite0.weights)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in model.layers[1:]} == {f"mixed_{kind}"}
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert {layer.dtype_policy.name for layer in pretrained.layers} == {"float32"}
    plain = build(lite0.name, size=64, weights=lite0.weights)
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    expected = plain.predict_on_batch(picture)
    found = np.asarray(model.predict_on_batch(picture), np.float32)
    difference = np.abs(found - expected).mean() / np.abs(expected).mean()
    assert 0 < difference < {"bfloat16": 0.1, "float16": 0.01}[kind]


@pytest.mark.slow
@pytest.mark.parametrize(("index", "espresso", "side", "parameters"), [(1, 0.6, 8, 4_189_344), (2, 0.88, 9, 4_869_168)])
def test_photos_are_recognised_by_the_larger_ones(
    build: Callable[..., Any], index: int, espresso: float, side: int, parameters: int
) -> None:
    """lite1 and lite2 see an espresso and a cat too, each at its own size."""
    variant = VARIANTS[index]
    model = build(variant.name, size=variant.image_size, weights=variant.weights)
    assert model.output_shape == (None, side, side, 1280)
    assert model.count_params() == parameters
    coffee, cat = class_probabilities(model, variant)
    assert coffee.argmax() == ESPRESSO
    assert coffee[ESPRESSO] > espresso
    assert set(cat.argsort()[::-1][:3].tolist()) == CATS


def test_the_model_is_made_of_stock_layers(pretrained: Any) -> None:
    """Float32 pictures in, a 4-D feature map out; every layer is Keras' own."""
    assert type(pretrained).__name__ == "Functional"
    assert pretrained.name == "efficientnet-lite0"
    assert pretrained.input_shape == (None, 224, 224, 3)
    assert pretrained.output_shape == (None, 7, 7, 1280)
    assert pretrained.inputs[0].dtype == pretrained.outputs[0].dtype == "float32"
    assert {type(layer).__module__.split(".")[0] for layer in pretrained.layers} == {"keras"}
    assert pretrained.count_params() == 3_413_024


def test_keras_cv_is_not_imported() -> None:
    """Neither to build the network nor to load its weights: in a fresh process it stays out."""
    code = (
        "import sys\n"
        "from zoo.plugins import load_catalog\n"
        "record = load_catalog(only=['efficientnet-lite']).backbone('efficientnet-lite0')\n"
        "record.build(size=64, weights=record.weights[0])\n"
        "print('keras' in sys.modules, 'keras_cv' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["True", "False"]


def test_pixels_are_scaled_as_the_weights_expect(small: Any) -> None:
    """The first layer makes (x − 127) / 128 of a pixel, without rounding."""
    pixels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1).repeat(3, axis=3)
    scaled = array(small.get_layer("rescaling")(pixels))
    np.testing.assert_array_equal(scaled, (pixels - 127) / 128)


def test_every_layer_is_in_exactly_one_block(pretrained: Any, lite0: Variant) -> None:
    """The patterns take all layers but the input, none twice, and in the order of the graph."""
    names = [layer.name for layer in pretrained.layers[1:]]
    owners = [
        [i for i, block in enumerate(lite0.blocks) if any(fnmatch.fnmatchcase(name, p) for p in block.layers)]
        for name in names
    ]
    assert all(len(owner) == 1 for owner in owners), [n for n, o in zip(names, owners, strict=True) if len(o) != 1]
    order = [owner[0] for owner in owners]
    assert order == sorted(order)
    assert set(order) == set(range(18))


def test_each_boundary_is_one_tensor(small: Any, lite0: Variant, noise: Any) -> None:
    """Cut after any block, the part below and the part above give what the whole gives."""
    import keras

    whole = array(small(noise))
    for block in lite0.blocks[:-1]:
        last = [x for x in small.layers if any(fnmatch.fnmatchcase(x.name, p) for p in block.layers)][-1]
        below = keras.Model(small.input, last.output)
        above = keras.Model(last.output, small.output)
        np.testing.assert_allclose(array(above(below(noise))), whole, atol=1e-5, err_msg=block.name)


def test_drop_layers_stay_and_work(small: Any, noise: Any) -> None:
    """Each unit with a shortcut has a drop layer; the rates rise from 0 towards 0.2, and training drops."""
    drops = [layer for layer in small.layers if layer.name.endswith("_drop")]
    rates = [drop.rate for drop in drops]
    assert [drop.name for drop in drops] == [f"{unit}_drop" for unit in VARIANTS[0].units if unit[-1] != "a"]
    assert rates == pytest.approx([0.2 * i / 16 for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)])
    saved = small.get_weights()
    runs = [array(small(noise, training=True)) for _ in range(6)]
    small.set_weights(saved)
    assert any(not np.array_equal(runs[0], run) for run in runs[1:])


@pytest.mark.parametrize("size", [32, 97, 150])
def test_any_size_pads_as_the_weights_were_trained(
    build: Callable[..., Any], lite0: Variant, pretrained: Any, size: int
) -> None:
    """At every size the graph equals one whose strided convolutions pad by themselves, with the same numbers."""
    import keras

    model = build(lite0.name, size=size, weights=lite0.weights)
    side = -(-size // 32)
    assert model.input_shape == (None, size, size, 3)
    assert model.output_shape == (None, side, side, 1280)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), pretrained.get_weights(), strict=True))

    def self_padding(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.ZeroPadding2D):
            config["padding"] = 0
        elif "strides" in config:
            config["padding"] = "same"
        return type(layer).from_config(config)

    reference = keras.models.clone_model(model, clone_function=self_padding)
    reference.set_weights(model.get_weights())
    photo = np.random.default_rng(1).integers(0, 256, (1, size, size, 3)).astype("float32")
    np.testing.assert_allclose(array(model(photo)), array(reference(photo)), atol=1e-5)


def test_random_weights_follow_the_seed(build: Callable[..., Any], lite0: Variant, small: Any) -> None:
    """Without weights the same graph starts from numbers that Keras' seed decides, and never from the released ones."""
    import keras

    def kernels(seed: int) -> list[Any]:
        keras.utils.set_random_seed(seed)
        model = build(lite0.name, size=64, weights=None)
        assert model.get_config() == small.get_config()
        return [array(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")]

    first, again, other = kernels(1), kernels(1), kernels(2)
    released = [array(layer.kernel) for layer in small.layers if hasattr(layer, "kernel")]
    assert len(first) == len(released) == 49
    for kernel, same, different, trained in zip(first, again, other, released, strict=True):
        np.testing.assert_array_equal(kernel, same)
        assert not np.array_equal(kernel, different)
        assert not np.array_equal(kernel, trained)
        assert kernel.std() > 0


def test_drop_layers_follow_the_seed(build: Callable[..., Any], lite0: Variant) -> None:
    """The states of the random generators are Keras' own, not those of the cached model."""
    import keras

    def states(seed: int) -> list[Any]:
        keras.utils.set_random_seed(seed)
        model = build(lite0.name, size=32, weights=lite0.weights)
        return [array(layer.seed_generator.state) for layer in model.layers if layer.name.endswith("_drop")]

    first, again, other = states(1), states(1), states(2)
    assert len(first) == 9
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_size_that_is_too_small_is_refused(build: Callable[..., Any], lite0: Variant) -> None:
    """Below 32 pixels nothing would be left at the top."""
    with pytest.raises(UsageError, match="efficientnet-lite0 cannot be built for pictures of 31 pixels") as caught:
        build(lite0.name, size=31, weights=None)
    assert caught.value.hint == "The least is 32."


def test_weights_of_another_member_are_refused(build: Callable[..., Any], lite0: Variant) -> None:
    """Declared weights belong to one backbone."""
    with pytest.raises(WeightsError, match="are not those of efficientnet-lite0"):
        build(lite0.name, size=32, weights=VARIANTS[1].weights)


def test_the_record_builds(converted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function in the record is the one that is tested here, bound to its name."""
    monkeypatch.setenv("ZOO_CACHE", str(converted))
    backbone = zoo_backbones()[0]
    assert backbone.build(size=40, weights=backbone.weights[0]).output_shape == (None, 2, 2, 1280)
