"""The backbone `efficientnetb0`: its record, its blocks and its graph."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet

from zoo.builtin import backbone_efficientnet
from zoo.contracts import Weights
from zoo.errors import RecipeError, WeightsError
from zoo.graph import assign_blocks, cuts

if TYPE_CHECKING:
    from pathlib import Path

BACKBONE = backbone_efficientnet.zoo_backbones()[0]


@pytest.fixture(scope="module")
def twice() -> tuple[Any, Any]:
    """The network at 32 pixels, built twice in one process from the same seed, with other layers made in between."""
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        models.append(BACKBONE.build(size=32, weights=None))
        keras.layers.Rescaling(2.0)
        keras.layers.Normalization()
    return models[0], models[1]


def test_the_declared_file_is_the_one_of_keras() -> None:
    """Address, name and hash are what this version of Keras downloads."""
    file = backbone_efficientnet.APPLICATIONS[0].file
    assert file.url == efficientnet.BASE_WEIGHTS_PATH + file.name
    assert file.name == "efficientnetb0_notop.h5"
    assert file.digest == efficientnet.WEIGHTS_HASHES["b0"][1]


def test_the_deviation_is_that_of_keras() -> None:
    """The second rescaling uses the numbers of Keras' own graph."""
    deviation = np.array(backbone_efficientnet.APPLICATIONS[0].pixels.deviation)
    np.testing.assert_allclose(deviation / 255, efficientnet.IMAGENET_STDDEV_RGB, rtol=1e-12)


def test_it_is_declared_with_what_a_user_must_know() -> None:
    """The default weights come with origin, licence and data, and are no bundled ones."""
    (imagenet,) = BACKBONE.weights
    assert (imagenet.id, imagenet.licence, imagenet.top1) == (
        "imagenet",
        "converted from tensorflow/tpu (Apache-2.0); Keras does not state the weights' own",
        0.771,
    )
    assert imagenet.trained_on.startswith("ImageNet")
    assert not imagenet.bundled


def test_it_has_eighteen_blocks() -> None:
    """Stem, sixteen units, top."""
    names = [block.name for block in BACKBONE.blocks_for({})]
    assert len(names) == 18
    assert (names[0], names[1], names[-2], names[-1]) == ("stem", "block1a", "block7a", "top")


def test_pitfall_21_every_layer_with_weights_is_in_one_block_however_often_it_is_built(twice: tuple[Any, Any]) -> None:
    """Automatic names, which a second build changes, are in no pattern."""
    for model in twice:
        for layer in model.layers:
            hits = [b.name for b in BACKBONE.blocks_for({}) if any(fnmatch.fnmatch(layer.name, p) for p in b.layers)]
            assert len(hits) == (0 if isinstance(layer, keras.layers.InputLayer) else 1), layer.name
    first, second = ([layer.name for layer in model.layers] for model in twice)
    assert first == second


def test_pitfall_21_weights_of_one_build_load_in_the_next(twice: tuple[Any, Any], tmp_path: Path) -> None:
    """A file written by one network gives another one its numbers, although it began with different ones."""
    first = twice[0]
    keras.utils.set_random_seed(4)
    first.save_weights(tmp_path / "b0.weights.h5")
    third = BACKBONE.build(size=32, weights=tmp_path / "b0.weights.h5")
    for one, other in zip(first.get_weights(), third.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_cut_between_two_blocks_carries_one_tensor(twice: tuple[Any, Any]) -> None:
    """So no residual unit and no squeeze-and-excitation is cut in half."""
    model = twice[0]
    blocks = assign_blocks(model, BACKBONE.blocks_for({}), name="efficientnetb0")
    assert [len(tensors) for tensors in cuts(model, blocks, name="efficientnetb0")] == [1] * 19
    assert sum(len(block.operations) for block in blocks) == 237  # and the input
    assert all(any(name.endswith("_se_excite") for name in block.operations) for block in blocks[1:-1])


def test_a_seed_gives_the_same_random_weights(twice: tuple[Any, Any]) -> None:
    """Whatever was built before; and no two kernels are drawn alike."""
    first, second = (model.get_weights() for model in twice)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    kernels = [weight.tobytes() for weight in first if weight.ndim == 4]
    assert len(set(kernels)) == len(kernels) == 65 + 16


def test_inner_features_can_be_reached(twice: tuple[Any, Any]) -> None:
    """`layer.output` belongs to the graph that was returned, not to the one of Keras it was made from."""
    model = twice[0]
    inner = keras.Model(model.input, model.get_layer("block4a_expand_activation").output)
    assert inner(np.ones((1, 32, 32, 3)), training=False).shape == (1, 4, 4, 240)


def test_it_is_the_graph_of_keras_with_random_weights_but_for_the_front(twice: tuple[Any, Any]) -> None:
    """From the stem on, layers, settings and connections are Keras' own."""
    stock = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    assert len(twice[0].layers) == len(stock.layers) + 1 == 238
    for mine, theirs in zip(twice[0].layers[4:], stock.layers[3:], strict=True):
        assert type(mine) is type(theirs)
        assert mine.get_config() == theirs.get_config()
        assert [tensor.shape for tensor in mine._inbound_nodes[0].input_tensors] == [
            tensor.shape for tensor in theirs._inbound_nodes[0].input_tensors
        ]


def test_other_sizes_give_a_map_of_a_thirty_second() -> None:
    """Rounded up."""
    assert BACKBONE.build(size=33, weights=None).output_shape == (None, 2, 2, 1280)


def test_too_small_a_size_is_refused() -> None:
    """With the least one in the hint."""
    with pytest.raises(RecipeError, match="efficientnetb0 cannot be built for 31 pixels") as caught:
        BACKBONE.build(size=31, weights=None)
    assert "32 or more" in caught.value.hint
    assert BACKBONE.min_size == 32


@pytest.mark.parametrize(
    "weights",
    ["imagenet", "/some/path.h5", Weights(id="other", origin="", licence="", trained_on="")],
    ids=["text", "path as text", "another record"],
)
def test_unknown_weights_are_never_replaced_by_others(weights: object) -> None:
    """What is neither declared nor a Path is an error, not a download."""
    with pytest.raises(WeightsError, match="efficientnetb0 has no weights"):
        BACKBONE.build(size=32, weights=weights)


def test_it_survives_a_round_trip_through_a_keras_file(twice: tuple[Any, Any], tmp_path: Path) -> None:
    """Saved and loaded with plain Keras, the front included, it gives the same features."""
    model = twice[0]
    model.save(tmp_path / "b0.keras")
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "b0.keras")
    one, other = (keras.ops.convert_to_numpy(network(pictures, training=False)) for network in (model, loaded))
    np.testing.assert_array_equal(one, other)
