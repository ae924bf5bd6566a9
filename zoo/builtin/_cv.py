"""Backbones of keras_cv: the record of one, and how it is built.

keras_cv (0.9, Apache-2.0) is no longer developed and imports TensorFlow under every backend. So it is imported inside
`build` only, on the TensorFlow backend only; whatever goes wrong in it is one `PluginError`, and nothing else of the
library needs it. It is imported in this process: it is quiet if TensorFlow's greeting is kept off, its classes stay
registered and do no harm, and another process would cost a second TensorFlow. What leaves `build` is made of stock
Keras layers (see `_cv_graph`), loads with plain Keras, and holds nothing of keras_cv.

Its alias classes (`ResNet50Backbone`) read a description from Kaggle; here the general ones get the same numbers.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.builtin._requests import COLOURS, channels_option, check_data_format, check_shape, check_weights
from zoo.contracts import Backbone, Block, Weights
from zoo.errors import PluginError, UsageError, WeightsError, ZooError
from zoo.greeting import without_greeting
from zoo.weights import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo.contracts import KerasModel, WeightsChoice

CHANNELS = channels_option("change the first convolution (untrained)")


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network of keras_cv.

    Attributes:
        name: Of the backbone.
        label: Its name as people write it.
        family: Of the architecture.
        class_name: In `keras_cv.models`.
        arguments: Of that class, without the pictures' shape.
        blocks: From input to output, over the names that the flat graph has.
        reference: Paper.
        image_size: Side of the pictures that it is meant for.
        parameters: Number of scalar weights, statistics included.
        min_size: Least side in pixels.
        multiple: The side must be a multiple of this.
        preset: Handle of its ImageNet weights at Kaggle, if there are any.
        top1: Their ImageNet accuracy as keras_cv's authors measured it.
        rename: Gives a layer that keras_cv names another name.
    """

    name: str
    label: str
    family: str
    class_name: str
    arguments: Mapping[str, Any] = field(hash=False)
    blocks: tuple[Block, ...]
    reference: str
    image_size: int = 224
    parameters: int
    min_size: int = 32
    multiple: int = 1
    preset: str | None = None
    top1: float | None = None
    rename: Callable[[str], str] | None = None

    @property
    def title(self) -> str:
        """One line for lists."""
        known = f", {self.top1:.1%} on ImageNet".replace("%", " %") if self.top1 else ""
        return f"{self.label} as keras_cv builds it: {self.parameters / 1e6:.1f} M weights{known}"

    @property
    def weights(self) -> tuple[Weights, ...]:
        """The declared weights: none, or those at Kaggle."""
        if self.preset is None:
            return ()
        return (
            Weights(
                id="imagenet",
                origin=f"kaggle://{self.preset}",
                licence="as keras_cv: Apache-2.0 (code); the weights' own licence is not stated",
                trained_on="ImageNet-1k (ILSVRC 2012)",
                top1=self.top1,
            ),
        )


@functools.cache
def record(network: Network) -> Backbone:
    """The record of a network of keras_cv; for an equal one the same object, so that records can be compared."""
    return Backbone(
        name=network.name,
        title=network.title,
        family=network.family,
        image_size=network.image_size,
        min_size=network.min_size,
        blocks=functools.partial(_blocks, network),
        pixels="x/255",
        reference=network.reference,
        build=functools.partial(build, network),
        weights=network.weights,
        options=(CHANNELS,),
        parameters=network.parameters,
        backends=("tensorflow",),
    )


def _blocks(network: Network, *, channels: int) -> tuple[Block, ...]:  # noqa: ARG001 - all options come
    return network.blocks


def build(network: Network, *, size: int, weights: WeightsChoice, channels: int = COLOURS) -> KerasModel:
    """The network without its top, of stock layers: (size, size, channels), 0–255, to a 4-D feature map.

    Args:
        network: Which one.
        size: Side of the pictures.
        weights: Declared ones; the path of a `.weights.h5` of this network, as this function builds it or as keras_cv
            does (the file of its presets); None for random ones.
        channels: Of the pictures. 1 is repeated three times inside the graph; with any other number but 3 the first
            convolution has that many input channels, which no published weights have.

    Raises:
        PluginError: If keras_cv cannot be imported or fails.
        RecipeError: If the size is none for this network, or the number of channels out of range.
        UsageError: If the backend is not TensorFlow, or Keras is set to channels first.
        WeightsError: If the weights cannot be had or do not fit.
    """
    _check(network, size=size, weights=weights, channels=channels)
    path = weights if isinstance(weights, Path) else None
    if weights is not None and path is None:
        from zoo.builtin._cv_presets import fetch

        path = fetch(str(network.preset), backbone=network.name)
    source = _source(network, size=size, channels=COLOURS if channels == 1 else channels)
    if path is not None:
        from zoo.builtin._cv_presets import is_nested

        if is_nested(path, source):
            load(source, path, backbone=network.name)
            path = None
    model = _flat(network, source, grey=channels == 1)
    if path is not None:
        load(model, path, backbone=network.name)
    return model


def _check(network: Network, *, size: int, weights: WeightsChoice, channels: int) -> None:
    """Everything that can be refused before keras_cv is imported."""
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"{network.name} is built by keras_cv, which needs the TensorFlow backend; Keras runs on {backend}.",
            hint="Set KERAS_BACKEND=tensorflow, or choose a backbone of keras.applications (`zoo list`).",
        )
    check_data_format(network.name)
    check_shape(network.name, size=size, channels=channels, least=network.min_size, multiple=network.multiple)
    check_weights(network.name, weights, network.weights)
    if weights in network.weights and channels not in {1, COLOURS}:
        raise WeightsError(
            f"The published weights of {network.name} are for pictures of 3 channels (or 1), not of {channels}.",
            hint="Use weights=none.",
        )


def _source(network: Network, *, size: int, channels: int) -> KerasModel:
    """keras_cv's own model. Whatever it raises becomes one error with a hint."""
    try:
        with without_greeting(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # keras_cv's own, which nobody mends any more
            import keras_cv

            kind = getattr(keras_cv.models, network.class_name)
            return kind(**network.arguments, include_rescaling=True, input_shape=(size, size, channels))
    except ZooError:
        raise
    except Exception as error:
        raise _failure(network, error) from error


def _flat(network: Network, source: KerasModel, *, grey: bool) -> KerasModel:
    from zoo.builtin._cv_graph import flat_model

    try:
        return flat_model(source, blocks=network.blocks, grey=grey, rename=network.rename)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # another keras_cv than this was made for
        raise _failure(network, error) from error


def _failure(network: Network, error: Exception) -> PluginError:
    return PluginError(
        f"keras_cv, which builds {network.name}, fails: {type(error).__name__}: {error}",
        hint="keras_cv is no longer developed and may not fit this TensorFlow or Keras. Install keras-cv 0.9 "
        "(pip install 'keras-cv>=0.9,<1'), or choose a backbone that does not need it (`zoo list`).",
    )
