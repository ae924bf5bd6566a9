"""Sections B and C of the pitfalls for the networks of keras.applications: blocks, names, graphs, what is delivered."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.artefact import load_model, save_model
from zoo.assembly import Assembly, assemble
from zoo.errors import UsageError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.contracts import Backbone

CATALOG = load_catalog(only=[])
NAMES = sorted(
    backbone.name
    for backbone in CATALOG.items("backbone")
    if any("keras-applications" in weights.origin for weights in backbone.weights)
)


def built(name: str) -> Any:
    """A network with random weights of seed 3, at its least size."""
    keras.utils.set_random_seed(3)
    backbone: Backbone = CATALOG.backbone(name)
    return backbone.build(size=backbone.min_size, weights=None)


def output(model: Any, pictures: Any) -> Any:
    """What a model gives in inference mode."""
    return np.asarray(keras.ops.convert_to_numpy(model(pictures, training=False)))


def noise(side: int) -> Any:
    """Two pictures as they are read from files."""
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)


def assembled(name: str, model: Any, head: str = "gap") -> Assembly:
    """The network with a head for two classes."""
    layers = CATALOG.head(head)
    options = {option.name: option.default for option in layers.options}
    top = layers.build(model.output.shape[1:], 2, **options)
    return assemble(model, top, CATALOG.backbone(name).blocks_for({}), name=name)


def opened_by(assembly: Assembly, spec: str) -> frozenset[str]:
    """Paths of the weights that a policy's last phase trains."""
    name, _, k = spec.partition(":k=")
    policy = CATALOG.policy(name)
    options = {option.name: option.default for option in policy.options} | ({"k": int(k)} if k else {})
    phase = policy.plan(len(assembly.blocks), 3, **options)[-1]
    with assembly.opened(phase) as tail:
        ids = {id(variable) for variable in tail.trainable_variables}
    return frozenset(weight.path for weight in assembly.weights if id(weight.variable) in ids)


@pytest.mark.parametrize("name", ["mobilenetv2", "inceptionv3", "nasnetmobile", "convnexttiny"])
def test_pitfall_20_k_counts_blocks_and_never_cuts_one(name: str) -> None:
    """Step by step every further block is open as a whole: none for 0, all for more than there are."""
    assembly = assembled(name, built(name))
    count = len(assembly.blocks)
    whole = [
        {weight.path for weight in assembly.weights if weight.block >= count - k and weight.trainable}
        for k in range(count + 1)
    ]
    steps = [opened_by(assembly, f"unfreeze-top-k:k={k}") for k in (0, 1, 2, 3, count)]
    assert steps == [whole[0], whole[1], whole[2], whole[3], whole[count]]
    assert all(lower < upper for lower, upper in itertools.pairwise(steps))
    assert steps[0] == opened_by(assembly, "freeze-all")
    assert steps[-1] == opened_by(assembly, "unfreeze-all") == opened_by(assembly, "unfreeze-top-k:k=99")


@pytest.mark.parametrize("name", ["inceptionv3", "xception", "mobilenetv3small", "convnexttiny"])
def test_pitfall_21_a_second_build_has_the_same_names_and_takes_the_first_ones_weights(
    name: str, tmp_path: Path
) -> None:
    """Where Keras numbers layers, names of layers, weights and blocks depend on nothing that was built before."""
    first = built(name)
    keras.layers.Conv2D(1, 1)
    keras.layers.BatchNormalization()
    second = built(name)
    assert [operation.name for operation in first.operations] == [operation.name for operation in second.operations]
    assert [weight.path for weight in first.weights] == [weight.path for weight in second.weights]
    one, other = (assembled(name, model) for model in (first, second))
    assert [block.operations for block in one.blocks] == [block.operations for block in other.blocks]
    first.save_weights(tmp_path / "first.weights.h5")
    keras.utils.set_random_seed(4)
    backbone = CATALOG.backbone(name)
    third = backbone.build(size=backbone.min_size, weights=tmp_path / "first.weights.h5")
    for mine, theirs in zip(third.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "pair",
    [("resnet50", "resnet50"), ("mobilenetv3small", "mobilenetv3small"), ("vgg16", "mobilenetv3small")],
    ids="+".join,
)
def test_pitfall_24_one_graph_can_hold_two_backbones(pair: tuple[str, str], tmp_path: Path) -> None:
    """The same one twice, or two of them: concatenated, saved, reloaded with plain Keras."""
    entry = keras.Input((32, 32, 3))
    both = [built(name) for name in pair]
    maps = [keras.layers.GlobalAveragePooling2D()(model(entry)) for model in both]
    ensemble = keras.Model(entry, keras.layers.Concatenate()(maps))
    expected = output(ensemble, noise(32))
    alone = [output(model, noise(32)).mean(axis=(1, 2)) for model in both]
    for found, own in zip(np.split(expected, [alone[0].shape[-1]], axis=-1), alone, strict=True):
        assert np.abs(own).max() > 0
        np.testing.assert_allclose(found, own, rtol=0, atol=1e-5 * np.abs(own).max())
    ensemble.save(tmp_path / "both.keras")
    np.testing.assert_array_equal(output(keras.models.load_model(tmp_path / "both.keras"), noise(32)), expected)


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "convnexttiny"])
def test_pitfall_32_the_delivered_model_takes_raw_bytes(name: str, tmp_path: Path) -> None:
    """Bytes and floats of 0–255 give the same probabilities, before and after saving; nothing is left to preprocess."""
    model = assembled(name, built(name)).deliverable()
    expected = output(model, noise(32))
    np.testing.assert_allclose(expected.sum(axis=-1), 1, rtol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    np.testing.assert_array_equal(output(again, noise(32)), expected)
    np.testing.assert_array_equal(output(again, noise(32).astype("float32")), expected)


@pytest.mark.parametrize("name", NAMES)
def test_pitfall_36_channels_first_is_refused(name: str) -> None:
    """Before anything is built, with the call that mends it."""
    backbone = CATALOG.backbone(name)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UsageError, match=f"{name} needs pictures with channels last") as caught:
            backbone.build(size=backbone.min_size, weights=None)
    finally:
        keras.config.set_image_data_format(before)
    assert "set_image_data_format" in caught.value.hint


@pytest.mark.parametrize("side", [32, 65])
@pytest.mark.parametrize("head", ["gap", "flatten", "concat-pool", "mlp", "cosine"])
def test_pitfall_37_every_head_takes_the_feature_map(head: str, side: int) -> None:
    """Of a size that Keras knows, so that flattening works too, and pooled once."""
    backbone = CATALOG.backbone("mobilenetv2")
    model = backbone.build(size=side, weights=None)
    assert model.output_shape == (None, -(-side // 32), -(-side // 32), 1280)
    assert output(assembled("mobilenetv2", model, head).model, noise(side)).shape == (2, 2)


def test_pitfall_37_every_network_ends_in_a_map_of_known_size() -> None:
    """Four dimensions, the sides known; a sample of those that end differently."""
    for name in ("vgg16", "resnet50v2", "convnexttiny", "mobilenetv3small"):
        shape = built(name).output_shape
        assert len(shape) == 4
        assert all(isinstance(side, int) for side in shape[1:])


def test_keras_does_not_build_nasnetmobile_on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the record says it, and building says where it works."""
    backbone = CATALOG.backbone("nasnetmobile")
    assert backbone.backends == ("tensorflow", "jax")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UsageError, match="does not build NASNetMobile on the backend 'torch'") as caught:
        backbone.build(size=32, weights=None)
    assert "tensorflow or jax" in caught.value.hint
