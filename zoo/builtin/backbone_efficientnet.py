"""EfficientNet of keras.applications, B0 to B7, with one graph whatever the weights are.

Keras builds two different networks under each of these names. For `weights="imagenet"` it divides the normalised pixels
once more, by the square root of the standard deviation; the published file needs that, because the "variance" in it is
a standard deviation. For a path or for random weights it leaves this layer out, so that the same tensors give other
features. Here the layer is always there, and random weights start from the mean and "variance" of the published file:
in every case the first convolution sees (pixel/255 − mean) / deviation, of mean 0 and deviation 1 on natural pictures.

A block is one inverted-bottleneck unit with squeeze and excitation. Tan, Le, "EfficientNet: Rethinking Model Scaling
for Convolutional Neural Networks", 2019, arXiv:1905.11946.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, stem, unit
from zoo.builtin._applications_graph import STANDARDISED, Pixels
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Block, KerasLayer

_FOLDER = "https://storage.googleapis.com/keras-applications/"


def _blocks(*depths: int) -> tuple[Block, ...]:
    names = [f"block{stage}{chr(ord('a') + i)}" for stage, depth in enumerate(depths, 1) for i in range(depth)]
    return (stem(), *(unit(name) for name in names), unit("top"))


def normalised(pixels: Pixels, tensor: KerasLayer, channels: int) -> KerasLayer:
    """Pixels as the first convolution expects them, by way of the layer whose numbers are in the file of weights."""
    import keras
    import numpy as np

    mean, deviation = (np.array(values) / 255 for values in pixels.constants(channels))
    tensor = keras.layers.Rescaling(1 / 255, name="input_rescaling")(tensor)
    layer = keras.layers.Normalization(axis=3, name="input_normalization")
    tensor = layer(tensor)
    _, _, *count = layer.get_weights()
    layer.set_weights([mean, deviation, *count])  # as in the published file; another file of weights overwrites it
    layer.finalize_state()
    return keras.layers.Rescaling([1 / math.sqrt(one) for one in deviation], name="input_deviation")(tensor)


def _efficientnet(
    size: str,
    depths: tuple[int, ...],
    *,
    image_size: int,
    parameters: int,
    top1: float,
    digest: str,
    megabytes: float,
) -> Application:
    file = f"efficientnet{size.lower()}_notop.h5"
    return Application(
        keras_name=f"EfficientNet{size}",
        family="efficientnet",
        image_size=image_size,
        blocks=_blocks(*depths),
        pixels=STANDARDISED,
        file=WeightsFile(name=file, url=_FOLDER + file, digest=digest, megabytes=megabytes),
        licence="converted from tensorflow/tpu (Apache-2.0); Keras does not state the weights' own",
        reference="https://arxiv.org/abs/1905.11946",
        parameters=parameters,
        top1=top1,
        front=normalised,
    )


APPLICATIONS = (
    _efficientnet(
        "B0",
        (1, 2, 2, 3, 3, 4, 1),
        image_size=224,
        parameters=4_049_571,
        top1=0.771,
        digest="50bc09e76180e00e4465e1a485ddc09d",
        megabytes=16.7,
    ),
    _efficientnet(
        "B1",
        (2, 3, 3, 4, 4, 5, 2),
        image_size=240,
        parameters=6_575_239,
        top1=0.791,
        digest="74c4e6b3e1f6a1eea24c589628592432",
        megabytes=27.0,
    ),
    _efficientnet(
        "B2",
        (2, 3, 3, 4, 4, 5, 2),
        image_size=260,
        parameters=7_768_569,
        top1=0.801,
        digest="111f8e2ac8aa800a7a99e3239f7bfb39",
        megabytes=31.8,
    ),
    _efficientnet(
        "B3",
        (2, 3, 3, 5, 5, 6, 2),
        image_size=300,
        parameters=10_783_535,
        top1=0.816,
        digest="af6d107764bb5b1abb91932881670226",
        megabytes=43.9,
    ),
    _efficientnet(
        "B4",
        (2, 4, 4, 6, 6, 8, 2),
        image_size=380,
        parameters=17_673_823,
        top1=0.829,
        digest="ebc24e6d6c33eaebbd558eafbeedf1ba",
        megabytes=71.7,
    ),
    _efficientnet(
        "B5",
        (3, 5, 5, 7, 7, 9, 3),
        image_size=456,
        parameters=28_513_527,
        top1=0.836,
        digest="38879255a25d3c92d5e44e04ae6cec6f",
        megabytes=115.3,
    ),
    _efficientnet(
        "B6",
        (3, 6, 6, 8, 8, 11, 3),
        image_size=528,
        parameters=40_960_143,
        top1=0.84,
        digest="9ecce42647a20130c1f39a5d4cb75743",
        megabytes=165.2,
    ),
    _efficientnet(
        "B7",
        (4, 7, 7, 10, 10, 13, 4),
        image_size=600,
        parameters=64_097_687,
        top1=0.843,
        digest="cbcfe4450ddf6f3ad90b1b398090fe4a",
        megabytes=258.1,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `efficientnetb0` to `efficientnetb7`."""
    return list(BACKBONES)
