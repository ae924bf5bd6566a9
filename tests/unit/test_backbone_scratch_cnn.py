"""The backbone `scratch-cnn`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.builtin import backbone_scratch_cnn
from zoo.contracts import Weights
from zoo.errors import RecipeError, WeightsError
from zoo.graph import assign_blocks, cuts

if TYPE_CHECKING:
    from pathlib import Path

(BACKBONE,) = backbone_scratch_cnn.zoo_backbones()


def kinds(model: Any) -> list[str]:
    """Kinds of the layers after the input and the scaling."""
    return [type(layer).__name__ for layer in model.layers[2:]]


@pytest.mark.parametrize("depth", [1, 4, 6])
def test_depth_is_the_number_of_blocks(depth: int) -> None:
    """Each block is found in the graph, in order, and a cut carries one tensor."""
    model = BACKBONE.build(size=64, weights=None, depth=depth)
    blocks = assign_blocks(model, BACKBONE.blocks_for({"depth": depth}), name=BACKBONE.name)
    assert [block.name for block in blocks] == [f"block{i}" for i in range(1, depth + 1)]
    assert [len(tensors) for tensors in cuts(model, blocks, name=BACKBONE.name)] == [1] * (depth + 1)
    assert model.output_shape[1:3] == (64 // 2**depth, 64 // 2**depth)


def test_width_doubles_up_to_a_limit() -> None:
    """From block to block, and never beyond 512 filters."""
    model = BACKBONE.build(size=64, weights=None, depth=6, width=64)
    filters = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert filters == [64, 128, 256, 512, 512, 512]


def test_defaults_are_the_declared_ones() -> None:
    """Built without options it is what the options declare."""
    declared = {option.name: option.default for option in BACKBONE.options}
    one, other = BACKBONE.build(size=32, weights=None), BACKBONE.build(size=32, weights=None, **declared)
    assert [layer.get_config() for layer in one.layers[1:]] == [layer.get_config() for layer in other.layers[1:]]
    assert one.count_params() == 98_160


def test_blocks_of_other_options_are_not_its_own() -> None:
    """`weights` and `size`, which every backbone has, are ignored."""
    assert len(BACKBONE.blocks_for({"depth": 2, "size": 64, "weights": "none"})) == 2


@pytest.mark.parametrize(
    ("options", "block"),
    [
        ({}, ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]),
        ({"batch_norm": False}, ["Conv2D", "ReLU", "MaxPooling2D"]),
        ({"dropout": 0.3}, ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "SpatialDropout2D"]),
    ],
    ids=["default", "without batch norm", "with dropout"],
)
def test_a_block_is_what_the_options_say(options: dict[str, Any], block: list[str]) -> None:
    """Two blocks of it, and a bias exactly where no batch norm follows."""
    model = BACKBONE.build(size=32, weights=None, depth=2, **options)
    assert kinds(model) == block * 2
    assert model.get_layer("block1_conv").use_bias is ("batch_norm" in options)
    if "dropout" in options:
        assert model.get_layer("block2_drop").rate == 0.3


def test_it_learns_to_tell_two_textures_apart() -> None:
    """A linear layer on top, a few steps: the loss falls far below that of guessing."""
    keras.utils.set_random_seed(0)
    rows = np.arange(32) % 4 < 2
    stripes = np.where(rows[:, np.newaxis], 200.0, 50.0) * np.ones((32, 32))
    pictures = np.stack([stripes, stripes.T] * 8)[..., np.newaxis].repeat(3, axis=-1).astype("float32")
    pictures += np.random.default_rng(0).normal(0, 20, pictures.shape).astype("float32")
    labels = np.arange(16) % 2
    backbone = BACKBONE.build(size=32, weights=None, depth=2, width=4)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(2)(pooled))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss=loss)
    losses = model.fit(pictures, labels, epochs=40, verbose=0).history["loss"]
    assert losses[0] > 0.3
    assert losses[-1] < 0.1


@pytest.mark.parametrize(("size", "depth", "least"), [(31, 4, 32), (32, 6, 64), (63, 6, 64)])
def test_too_small_a_size_is_refused(size: int, depth: int, least: int) -> None:
    """With the least one in the hint."""
    with pytest.raises(RecipeError, match=f"with depth {depth} cannot be built for {size} pixels") as caught:
        BACKBONE.build(size=size, weights=None, depth=depth)
    assert f"{least} or more" in caught.value.hint


def test_weights_of_the_same_network_are_loaded(tmp_path: Path) -> None:
    """A file that was saved from the same options gives the same numbers."""
    source = BACKBONE.build(size=32, weights=None)
    source.save_weights(tmp_path / "cnn.weights.h5")
    loaded = BACKBONE.build(size=64, weights=tmp_path / "cnn.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), loaded.get_weights(), strict=True))


def test_weights_of_other_options_are_refused(tmp_path: Path) -> None:
    """Another width has other shapes."""
    BACKBONE.build(size=32, weights=None, width=8).save_weights(tmp_path / "cnn.weights.h5")
    with pytest.raises(WeightsError, match="does not fit backbone 'scratch-cnn'"):
        BACKBONE.build(size=32, weights=tmp_path / "cnn.weights.h5")


def test_there_are_no_pretrained_weights() -> None:
    """None are declared, and asking for some is an error."""
    assert BACKBONE.weights == ()
    with pytest.raises(WeightsError, match="scratch-cnn has no pretrained weights"):
        BACKBONE.build(size=32, weights=Weights(id="imagenet", origin="", licence="", trained_on=""))


def test_it_saves_and_loads(tmp_path: Path) -> None:
    """With plain Keras and equal outputs, also with all options on."""
    model = BACKBONE.build(size=32, weights=None, dropout=0.2, depth=2)
    model.save(tmp_path / "cnn.keras")
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "cnn.keras")
    one, other = (keras.ops.convert_to_numpy(network(pictures, training=False)) for network in (model, loaded))
    np.testing.assert_array_equal(one, other)
