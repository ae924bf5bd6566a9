"""What the networks of keras.applications have in common: one record each, and one way to build them.

A family's file says which networks it has, how they are cut into blocks and what their pixels must look like. Here a
backbone is made of that. The graph is Keras' own; `_applications_graph` puts the pixels' layers in front of it and
gives fixed names to the layers that Keras numbers.

**Channels.** Each network has the option `channels`, for pictures that are not red, green and blue:

* 1: the grey channel is repeated three times inside the graph; everything else is as with 3.
* 2, and 4 to 16: the first convolution gets as many input channels. The mean and the deviation of every channel are the
  means of those of red, green and blue. Pretrained weights come from the file for three channels: the kernel of channel
  j is that of red, green or blue (j mod 3 = 0, 1, 2) times 3 / channels, so that sums over the channels stay as large
  as they were (after Wightman's `adapt_input_conv`, github.com/huggingface/pytorch-image-models). Where the network was
  trained on BGR, channels are not turned round; their kernels are. Random weights are drawn afresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.builtin._applications_graph import Pixels, Place, after_previous, network, widen
from zoo.builtin._requests import COLOURS, channels_option, check_data_format, check_shape, check_weights
from zoo.contracts import Backbone, Block, Weights
from zoo.errors import UsageError
from zoo.weights import WeightsFile, fetch, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.contracts import KerasLayer, KerasModel, WeightsChoice

KERAS_LICENCE = "as keras.applications: Apache-2.0 (code); the weights' own licence is not stated"
"""For weights of which Keras says nothing else."""

IMAGENET = "ImageNet-1k (ILSVRC 2012)"
_OPTIONS = (channels_option("adapt the first convolution"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One network of keras.applications.

    Attributes:
        keras_name: Its name in `keras.applications`; in lower case the backbone's name.
        family: Name of its family.
        image_size: Side of the pictures that Keras made it for, in pixels.
        min_size: Least side that Keras builds it for.
        blocks: From input to output. A block's patterns match its own name followed by `_`, under which layers get
            their names here, and the names that Keras itself gives.
        pixels: What its first weights expect.
        file: The file of weights without the top that Keras downloads, with the hash that Keras expects, if any.
        licence: Of the weights.
        reference: Paper.
        parameters: Number of scalar weights without the top, statistics included, for three channels.
        top1: ImageNet top-1 accuracy in [0, 1] as keras.io publishes it.
        trained_on: The data that the weights were trained on.
        place: Tells the block of a layer that has no name of its own in Keras.
        backends: Keras backends that it can be built on; none named means all.
        front: Puts layers for raw pixels before the network, where scaling alone is not enough: called as
            `front(pixels, tensor, channels)`.
    """

    keras_name: str
    family: str
    image_size: int
    min_size: int = 32
    blocks: tuple[Block, ...]
    pixels: Pixels
    file: WeightsFile
    licence: str
    reference: str
    parameters: int
    top1: float | None
    trained_on: str = IMAGENET
    place: Place = after_previous
    backends: tuple[str, ...] = ()
    front: Callable[[Pixels, KerasLayer, int], KerasLayer] | None = None

    @property
    def name(self) -> str:
        """The backbone's name."""
        return self.keras_name.lower()

    @property
    def imagenet(self) -> Weights:
        """The one set of weights that it declares."""
        return Weights(
            id="imagenet",
            origin=self.file.url,
            licence=self.licence,
            trained_on=self.trained_on,
            sha256=self.file.digest if self.file.algorithm == "SHA-256" else None,
            megabytes=self.file.megabytes,
            top1=self.top1,
        )


def unit(name: str, *patterns: str) -> Block:
    """A block whose layers begin with its name, or match one of the further patterns."""
    return Block(name=name, layers=(f"{name}_*", *patterns))


def stem(*patterns: str) -> Block:
    """The first block: the layers for pixels, and what Keras has before the first unit."""
    return unit("stem", "input_*", *patterns)


def backbones(applications: tuple[Application, ...], module: str) -> tuple[Backbone, ...]:
    """The records of a family, to be made once: a record is equal to another one only with the same `build`.

    Args:
        applications: The family's networks.
        module: Name of the family's module, whose words stand for each of its networks in the documentation.
    """
    return tuple(_record(application, module) for application in applications)


def _record(application: Application, module: str) -> Backbone:
    accuracy = "" if application.top1 is None else f", {100 * application.top1:.1f} % on ImageNet"
    made = partial(build, application)
    made.__module__ = module
    return Backbone(
        name=application.name,
        title=f"{application.keras_name}: {application.parameters / 1e6:.1f} M weights{accuracy}",
        family=application.family,
        image_size=application.image_size,
        min_size=application.min_size,
        blocks=application.blocks,
        pixels=application.pixels.text,
        reference=application.reference,
        build=made,
        weights=(application.imagenet,),
        options=_OPTIONS,
        parameters=application.parameters,
        backends=application.backends,
    )


def build(application: Application, *, size: int, weights: WeightsChoice, channels: int = COLOURS) -> KerasModel:
    """A network without its top: (size, size, channels) of 0–255 to a feature map.

    Args:
        application: Which one.
        size: Side of the pictures, in pixels.
        weights: The declared `imagenet`; the path of that same file or of a `.weights.h5` of Keras' network without
            its top, for three channels; None for random ones.
        channels: Channels of the pictures, 1–16; 3 are red, green and blue.

    Raises:
        RecipeError: If the size is too small, or the number of channels out of range.
        UsageError: If Keras is set to channels first, or to a backend that cannot build the network.
        WeightsError: If the weights cannot be had or do not fit.
    """
    check_shape(application.name, size=size, channels=channels, least=application.min_size)
    path = _path_of(application, weights)  # before anything slow: without the file nothing is built
    if path is None:
        return _network(application, size, channels)
    adapts = channels not in {1, COLOURS}
    model = _network(application, size, COLOURS if adapts else channels)
    load(model, path, backbone=application.name)
    if not adapts:
        return model
    wide = _network(application, size, channels)
    widen(model, wide, turned=application.pixels.bgr)
    return wide


def _path_of(application: Application, weights: WeightsChoice) -> Path | None:
    check_weights(application.name, weights, [application.imagenet])
    return weights if weights is None or isinstance(weights, Path) else fetch(application.file)


def _network(application: Application, size: int, channels: int) -> KerasModel:
    import keras

    check_data_format(application.name)
    if application.backends and keras.backend.backend() not in application.backends:
        raise UsageError(
            f"Keras does not build {application.keras_name} on the backend {keras.backend.backend()!r}.",
            hint=f"Set KERAS_BACKEND to {' or '.join(application.backends)}, or take another backbone.",
        )
    return network(
        application.keras_name,
        (size, size, channels),
        blocks=application.blocks,
        pixels=application.pixels,
        place=application.place,
        front=application.front,
    )
