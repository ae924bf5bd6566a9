"""EfficientNetB0 of keras.applications, with one graph whatever the weights are.

Keras builds two different networks under this name. For `weights="imagenet"` it divides the normalised pixels once
more, by the square root of the standard deviation; the published file needs that, because the "variance" in it is a
standard deviation. For a path or for random weights it leaves this layer out, so the same tensors give other features.
Here the layer is always there, and random weights start from the mean and "variance" of the published file: in every
case the first convolution sees (pixel/255 − mean) / deviation, of mean 0 and deviation 1 on natural pictures.

The graph is Keras' own, with three layers before the first convolution replaced. Those have automatic names in Keras,
which depend on what was built before; here their names are fixed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.contracts import Backbone, Block, Weights
from zoo.errors import RecipeError, UsageError, WeightsError
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile, fetch, load

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer, KerasModel, WeightsChoice

NAME = "efficientnetb0"
MIN_SIZE = 32

FILE = WeightsFile(
    name="efficientnetb0_notop.h5",
    url="https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
    digest="50bc09e76180e00e4465e1a485ddc09d",
    megabytes=16.7,
)
"""The file that keras.applications downloads, with the hash that it expects."""

_IMAGENET = Weights(
    id="imagenet",
    origin=FILE.url,
    licence="Apache-2.0",
    trained_on="ImageNet-1k (ILSVRC 2012)",
    megabytes=FILE.megabytes,
    top1=0.771,
)
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, of pixels in 0–1."""

_UNITS = ("1a", "2a", "2b", "3a", "3b", "4a", "4b", "4c", "5a", "5b", "5c", "6a", "6b", "6c", "6d", "7a")
"""The 16 inverted-bottleneck units with squeeze and excitation."""

_BLOCKS = (
    Block(name="stem", layers=("input_*", "stem_*")),
    *(Block(name=f"block{unit}", layers=(f"block{unit}_*",)) for unit in _UNITS),
    Block(name="top", layers=("top_*",)),
)


def build(*, size: int, weights: WeightsChoice) -> KerasModel:
    """The network without its top: (size, size, 3) RGB 0–255 to (⌈size/32⌉, ⌈size/32⌉, 1280).

    Args:
        size: Side of the pictures, 32 or more.
        weights: The declared `imagenet`; the path of that same file or of a `.weights.h5` of this network (Keras'
            `EfficientNetB0(include_top=False, …)` has the same tensors); None for random ones.

    Raises:
        RecipeError: If the size is too small.
        UsageError: If Keras is set to channels first.
        WeightsError: If the weights cannot be had or do not fit.
    """
    if size < MIN_SIZE:
        raise RecipeError(f"{NAME} cannot be built for {size} pixels.", hint=f"Give a size of {MIN_SIZE} or more.")
    path = _path_of(weights)  # before anything slow: without the file nothing is built
    model = _graph(size)
    if path is not None:
        load(model, path, backbone=NAME)
    return model


def _path_of(weights: WeightsChoice) -> Path | None:
    if weights is None or isinstance(weights, Path):
        return weights
    if weights == _IMAGENET:
        return fetch(FILE)
    raise WeightsError(
        f"{NAME} has no weights {weights!r}.", hint=f"Declared: {_IMAGENET.id}. A file is given as a pathlib.Path."
    )


def _graph(size: int) -> KerasModel:
    """Keras' graph with random weights, its first layers renamed and the second rescaling in place."""
    import keras

    if keras.config.image_data_format() != "channels_last":
        raise UsageError(
            f"{NAME} needs pictures with channels last, but Keras is set to {keras.config.image_data_format()!r}.",
            hint='Call keras.config.set_image_data_format("channels_last"), or mend keras.json.',
        )
    stock = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(size, size, 3))
    for layer in stock.layers:  # the layers move to a new graph: forget the old one, or `layer.output` would mean that
        layer._inbound_nodes.clear()  # noqa: SLF001 - cloning layers instead would double the time of building
        layer._outbound_nodes.clear()  # noqa: SLF001 - as above

    def renamed(layer: KerasLayer) -> KerasLayer:
        names = {keras.layers.Rescaling: "input_rescaling", keras.layers.Normalization: "input_normalization"}
        if type(layer) not in names:
            return layer
        return type(layer).from_config({**layer.get_config(), "name": names[type(layer)]})

    def called(layer: KerasLayer, *arguments: object, **options: object) -> object:
        result = layer(*arguments, **options)
        if not isinstance(layer, keras.layers.Normalization):
            return result
        scale = [1 / math.sqrt(deviation) for deviation in _DEVIATION]
        return keras.layers.Rescaling(scale, name="input_deviation")(result)

    pictures = keras.Input((size, size, 3), name="pictures")
    model = keras.models.clone_model(stock, input_tensors=pictures, clone_function=renamed, call_function=called)
    _normalise(model.get_layer("input_normalization"))
    return keras.Model(pictures, model.output)  # without the fixed name, so that one graph can hold the network twice


def _normalise(layer: KerasLayer) -> None:
    """Gives the Normalization layer what the published file has in it. A file of weights overwrites it."""
    import numpy as np

    _, _, *count = layer.get_weights()
    layer.set_weights([np.array(_MEAN), np.array(_DEVIATION), *count])
    layer.finalize_state()


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbone `efficientnetb0`."""
    return [
        Backbone(
            name=NAME,
            title="EfficientNetB0: 4.0 M weights, 77.1 % on ImageNet",
            family="efficientnet",
            image_size=224,
            min_size=MIN_SIZE,
            blocks=_BLOCKS,
            pixels="(x/255 − mean) / deviation of ImageNet, channel by channel",
            reference="https://arxiv.org/abs/1905.11946",
            build=build,
            weights=(_IMAGENET,),
        )
    ]
