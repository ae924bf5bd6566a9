"""Backbones of keras_cv: the rebuilt graph computes what keras_cv's own does, and is what the library can rely on."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo.builtin
from zoo.assembly import assemble
from zoo.builtin import _cv
from zoo.errors import RecipeError, UsageError
from zoo.testing import check_backbone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.contracts import Backbone
    from zoo.registry import Catalog

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="keras_cv needs TensorFlow")

SIZE = 64
SAMPLE = (
    "cv-resnet18",
    "cv-resnet18-v2",
    "cv-densenet121",
    "cv-vgg16",
    "cv-mobilenetv3-small",
    "cv-csp-darknet-tiny",
    "cv-efficientnetv1-b0",
    "cv-efficientnetlite-b0",
    "cv-efficientnetv2-b0",
    "cv-mit-b0",
)
"""One of each family, the smallest; the others run with `-m slow`."""


def _records() -> dict[str, Backbone]:
    files = [m.name for m in pkgutil.iter_modules(zoo.builtin.__path__) if m.name.startswith("backbone_cv_")]
    modules = [importlib.import_module(f"zoo.builtin.{name}") for name in files]
    return {record.name: record for module in modules for record in module.zoo_backbones()}


RECORDS = _records()
EVERY = [pytest.param(name, marks=[] if name in SAMPLE else pytest.mark.slow) for name in RECORDS]


@dataclass
class Examined:
    """A network as keras_cv builds it and as it is rebuilt, with what both make of the same pictures."""

    name: str
    pictures: np.ndarray
    unbuilt: list[str]
    theirs: dict[str, np.ndarray]
    flat: Any
    ours: dict[str, np.ndarray]

    @property
    def record(self) -> Backbone:
        """The backbone."""
        return RECORDS[self.name]


@pytest.fixture(scope="module")
def examined() -> Iterator[Callable[[str], Examined]]:
    """Builds each network once, with other statistics and biases than the initial ones, which would hide a mistake."""
    known: dict[str, Examined] = {}

    def examine(name: str) -> Examined:
        if name not in known:
            known[name] = _examine(name)
        return known[name]

    yield examine
    keras.backend.clear_session()


def _examine(name: str) -> Examined:
    network = RECORDS[name].build.args[0]
    keras.utils.set_random_seed(1)
    source = _cv._source(network, size=SIZE, channels=3)
    draw = np.random.default_rng(0)
    for weight in source.weights:
        value = weight.numpy()
        if "variance" in weight.name:
            weight.assign(value * draw.uniform(0.5, 1.5, value.shape))
        elif value.ndim == 1:
            weight.assign(value + draw.normal(0, 0.1, value.shape))
    pictures = draw.integers(0, 256, (4, SIZE, SIZE, 3)).astype("float32")
    unbuilt = [leaf.name for leaf in _leaves(source) if isinstance(leaf, keras.layers.BatchNormalization)]
    unbuilt = [n for n, leaf in zip(unbuilt, _norms(source), strict=True) if not leaf.weights]
    theirs = _outputs(source, pictures)
    flat = _cv._flat(network, source, grey=False)
    return Examined(name, pictures, unbuilt, theirs, flat, _outputs(flat, pictures))


def _numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def _leaves(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def _norms(model: Any) -> list[Any]:
    return [leaf for leaf in _leaves(model) if isinstance(leaf, keras.layers.BatchNormalization)]


def _outputs(model: Any, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """In inference, in training without drop layers, and in inference with the statistics that training left.

    Rates and weights are put back, so that a second model with the same layers begins where this one did.
    """
    drops = [leaf for leaf in _leaves(model) if "Drop" in type(leaf).__name__]
    rates, weights = [drop.rate for drop in drops], [weight.numpy() for weight in model.weights]
    results = {"inference": _numpy(model(pictures, training=False))}
    for drop in drops:
        drop.rate = 0.0
    results["training"] = _numpy(model(pictures, training=True))
    results["after"] = _numpy(model(pictures, training=False))
    for drop, rate in zip(drops, rates, strict=True):
        drop.rate = rate
    for weight, value in zip(model.weights, weights, strict=True):
        weight.assign(value)
    return results


@pytest.mark.parametrize("name", EVERY)
def test_it_computes_what_keras_cv_computes(examined: Callable[[str], Examined], name: str) -> None:
    """Equal features to 1e-5 of their size, in inference, in training, and with the statistics that training left."""
    network = examined(name)
    for mode, theirs in network.theirs.items():
        np.testing.assert_allclose(network.ours[mode], theirs, rtol=0, atol=1e-5 * np.abs(theirs).max(), err_msg=mode)
    if _norms(network.flat):
        assert np.abs(network.theirs["training"] - network.theirs["inference"]).max() > 0
        assert np.abs(network.theirs["after"] - network.theirs["inference"]).max() > 0


@pytest.mark.parametrize("name", EVERY)
def test_it_is_made_of_stock_layers_with_names_of_their_own(examined: Callable[[str], Examined], name: str) -> None:
    """Nothing of keras_cv, no lambda, no nested model, no name that Keras has counted up, each weight of its layer."""
    flat = examined(name).flat
    for operation in flat.operations:
        assert type(operation).__module__.startswith("keras.src."), operation.name
        assert type(operation).__name__ not in {"Lambda", "Sequential", "Functional", "GetItem"}, operation.name
        assert _cv_own(operation), operation.name
    assert all(path.startswith(layer.name + "/") for layer in flat.layers for path in _paths(layer))
    assert len({path for layer in flat.layers for path in _paths(layer)}) == len(flat.weights)


def _cv_own(operation: Any) -> bool:
    from zoo.builtin._cv_graph import _own_name

    return _own_name(operation) is not None


def _paths(layer: Any) -> list[str]:
    return [weight.path for weight in layer.weights]


@pytest.mark.parametrize("name", EVERY)
def test_the_number_of_weights_is_the_declared_one(examined: Callable[[str], Examined], name: str) -> None:
    """`parameters` counts the scalars of a real build, and all layers with weights in it are built."""
    network = examined(name)
    assert network.flat.count_params() == network.record.parameters
    assert all(norm.weights for norm in _norms(network.flat))


def test_norms_that_are_never_called_stay_behind(examined: Callable[[str], Examined]) -> None:
    """keras_cv's EfficientNetV2 holds BatchNorm layers without weights; the rebuilt network has none."""
    network = examined("cv-efficientnetv2-b0")
    assert network.unbuilt
    assert not [norm.name for norm in _norms(network.flat) if not norm.weights]


@pytest.mark.parametrize("name", EVERY)
def test_the_first_weights_see_the_declared_pixels(examined: Callable[[str], Examined], name: str) -> None:
    """What the first layer with weights reads is x/255, for CSPDarkNet the four phases of it side by side."""
    network = examined(name)
    assert network.record.pixels == "x/255"
    first = next(layer for layer in network.flat.layers if layer.weights)
    seen = _numpy(keras.Model(network.flat.input, first.input)(network.pictures))
    scaled = network.pictures / 255
    if "csp-darknet" in name:
        phases = [scaled[:, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
        scaled = np.concatenate(phases, axis=-1)
    border = seen.shape[1] - scaled.shape[1]  # EfficientNets pad before their first convolution
    inner = seen[:, : seen.shape[1] - border, : seen.shape[2] - border]
    np.testing.assert_allclose(inner, scaled, atol=1e-6)


@pytest.mark.parametrize("name", SAMPLE)
def test_names_do_not_depend_on_what_was_built_before(examined: Callable[[str], Examined], name: str) -> None:
    """A second network of the same name has the same layers in the same order."""
    again = RECORDS[name].build(size=SIZE, weights=None)
    first = examined(name).flat
    assert [operation.name for operation in again.operations] == [operation.name for operation in first.operations]
    assert [weight.path for weight in again.weights] == [weight.path for weight in first.weights]


@pytest.mark.parametrize("name", SAMPLE)
def test_cuts_are_exact(examined: Callable[[str], Examined], name: str) -> None:
    """A prefix and the tail above it give what the whole gives, at the first, a middle and the last boundary."""
    network = examined(name)
    assembly = assemble(network.flat, _pooling(network.flat), network.record.blocks_for({}), name=name)
    whole = _numpy(assembly.model(network.pictures))
    count = len(assembly.blocks)
    for boundary in {1, 2, count // 2, count - 1, count}:
        tensors = assembly.prefix(boundary)(network.pictures)
        tensors = tensors[0] if isinstance(tensors, list) and len(tensors) == 1 else tensors
        found = _numpy(assembly.tail(boundary)(tensors))
        np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5 * np.abs(whole).max())


def _pooling(model: Any) -> Any:
    head = [keras.Input(model.output.shape[1:]), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    return keras.Sequential(head)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(RECORDS))
def test_every_cut_is_exact(name: str) -> None:
    """The public check of a backbone passes, at every boundary."""
    check_backbone(RECORDS[name], size=SIZE)


@pytest.mark.parametrize("name", ["cv-resnet18-v2", "cv-mobilenetv3-small", "cv-csp-darknet-tiny", "cv-mit-b0"])
@pytest.mark.parametrize("policy", ["freeze-all", "bn-affine"])
def test_policies_open_the_right_weights(
    examined: Callable[[str], Examined], catalog: Catalog, name: str, policy: str
) -> None:
    """`freeze-all` opens the head alone, `bn-affine` gamma and beta of every BatchNorm layer besides."""
    network = examined(name)
    head = _pooling(network.flat)
    assembly = assemble(network.flat, head, network.record.blocks_for({}), name=name)
    (phase,) = catalog.policy(policy).plan(len(assembly.blocks), 1)
    with assembly.opened(phase) as tail:
        opened = {id(variable) for variable in tail.trainable_variables}
    wanted = {id(variable) for variable in head.trainable_variables}
    if policy == "bn-affine":
        wanted |= {id(variable) for norm in _norms(network.flat) for variable in (norm.gamma, norm.beta)}
    assert opened == wanted


def test_drop_path_is_a_stock_dropout(examined: Callable[[str], Examined]) -> None:
    """MixTransformer's branches are dropped for whole pictures at keras_cv's rates; what stays is scaled up."""
    flat = examined("cv-mit-b0").flat
    drops = [layer for layer in flat.layers if isinstance(layer, keras.layers.Dropout)]
    rates = [0.0, *np.linspace(0, 0.1, 8)[1:]]
    assert [drop.rate for drop in drops] == pytest.approx(np.repeat(rates[1:], 2))  # the first unit has none
    drop = drops[-1]
    keras.utils.set_random_seed(0)
    dropped = _numpy(drop(np.ones((400, 4, 256), "float32"), training=True)).reshape(400, -1)
    assert (dropped == dropped[:, :1]).all()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1) / np.float32(0.9)}
    assert 0.05 < (dropped[:, 0] == 0).mean() < 0.16


@pytest.mark.parametrize(("name", "size"), [("cv-resnet18", 31), ("cv-csp-darknet-s", 63), ("cv-mit-b1", 48)])
def test_a_size_that_does_not_suit_is_refused(name: str, size: int) -> None:
    """Too small, odd or no multiple of 32: the message names the size, the hint what to give."""
    with pytest.raises(RecipeError, match=rf"{name} cannot be built for {size} pixels") as caught:
        RECORDS[name].build(size=size, weights=None)
    assert "or more" in caught.value.hint


@pytest.mark.parametrize("channels", [0, 17])
def test_channels_out_of_range_are_refused(channels: int) -> None:
    """With the range in the hint, before keras_cv is asked."""
    with pytest.raises(RecipeError, match=f"cv-vgg16 cannot be built for {channels} channels") as caught:
        RECORDS["cv-vgg16"].build(size=32, weights=None, channels=channels)
    assert "1 to 16" in caught.value.hint


def test_pitfall_36_channels_first_is_refused() -> None:
    """Before anything is built, with the call that mends it."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UsageError, match="cv-vgg16 needs pictures with channels last") as caught:
            RECORDS["cv-vgg16"].build(size=32, weights=None)
    finally:
        keras.config.set_image_data_format(before)
    assert "set_image_data_format" in caught.value.hint


@pytest.mark.parametrize("name", ["cv-mobilenetv3-small", "cv-efficientnetlite-b0"])
def test_sides_need_not_be_multiples(name: str) -> None:
    """Networks that pad by the size of the picture can be built for any size, and count up to whole cells."""
    model = RECORDS[name].build(size=49, weights=None)
    assert model.output.shape[1:3] == (2, 2)
    assert np.isfinite(_numpy(model(np.full((1, 49, 49, 3), 128, "float32")))).all()


def test_all_are_offered_on_tensorflow_only() -> None:
    """Each record names the backend, its paper, and weights only where keras_cv publishes some."""
    assert len(RECORDS) == 47
    for record in RECORDS.values():
        assert record.backends == ("tensorflow",)
        assert record.reference.startswith("https://")
        assert all(w.id == "imagenet" and w.origin.startswith("kaggle://keras/") for w in record.weights)
    assert sum(bool(record.weights) for record in RECORDS.values()) == 14
