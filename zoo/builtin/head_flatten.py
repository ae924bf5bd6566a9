"""The whole feature map, place by place, into a linear layer: for pictures whose objects keep their place.

It has height × width times the weights of `gap` (EfficientNetB0 at 224 pixels: 49 times), so it needs more pictures,
and a model built with it takes pictures of one size only. `width` puts a hidden layer in between.

Reference: Simonyan, Zisserman, "Very Deep Convolutional Networks", 2014, arXiv:1409.1556 (dense layers on the map).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin import _feature_shape
from zoo.contracts import Head, Option
from zoo.errors import ContractError
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


def build(feature_shape: tuple[int | None, ...], classes: int, *, dropout: float = 0.2, width: int = 0) -> KerasModel:
    """Features to float32 logits, whatever the global precision.

    Args:
        feature_shape: (height, width, channels) or (channels,), all known.
        classes: Number of logits, at least 2.
        dropout: Share of what enters the last layer that training drops, in [0, 1); 0 builds no dropout.
        width: Units of a hidden layer with ReLU; 0 for none.

    Raises:
        ContractError: If features or classes are none that a head can be built on, or a side is unknown.
    """
    import keras

    _feature_shape.check(feature_shape, classes, head="flatten")
    if None in feature_shape:
        raise ContractError(
            f"Head 'flatten' needs a known height and width, but the features have shape {tuple(feature_shape)}.",
            hint="Use head `gap`, or a backbone that is built for one picture size.",
        )
    features = keras.Input(feature_shape, name="head_features")
    x = keras.layers.Flatten(data_format="channels_last", name="head_flatten")(features)
    if width > 0:
        x = keras.layers.Dense(width, activation="relu", kernel_initializer="he_uniform", name="head_hidden")(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="head_logits")(x)
    return keras.Model(features, logits, name="head")


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `flatten`."""
    options = (
        Option("dropout", 0.2, "Share of what enters the last layer that training drops.", 0, 0.9),
        Option("width", 0, "Units of a hidden layer with ReLU; 0 for none.", 0, 4096),
    )
    title = "the whole feature map, one linear layer (or two)"
    return [Head(name="flatten", title=title, build=build, options=options)]
