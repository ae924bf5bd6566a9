"""Average and maximum over the feature map side by side, and one linear layer.

What: each channel gives two numbers, how strong a feature is on average and how strong where it is strongest. The
linear layer has twice the weights of `gap`.

When: what tells the classes apart is small, such as a scratch on a door: an average over the picture thins it out.

Reference: Howard, Gugger, "fastai: A Layered API for Deep Learning", 2020, arXiv:2002.04688.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin import _feature_shape, _pooling
from zoo.contracts import Head, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


def build(feature_shape: tuple[int | None, ...], classes: int, *, dropout: float = 0.2) -> KerasModel:
    """Features to float32 logits, whatever the global precision.

    Args:
        feature_shape: (height, width, channels), sides may be None; or (channels,), which is not pooled.
        classes: Number of logits, at least 2.
        dropout: Share of the pooled features that training drops, in [0, 1); 0 builds no dropout.

    Raises:
        ContractError: If features or classes are none that a head can be built on.
    """
    import keras

    _feature_shape.check(feature_shape, classes, head="concat-pool")
    features = keras.Input(feature_shape, name="head_features")
    x = _pooling.mean_and_maximum(features)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(features, logits, name="head")


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `concat-pool`."""
    dropout = Option("dropout", 0.2, "Share of the pooled features that training drops.", 0, 0.9)
    title = "average and maximum pooling side by side, one linear layer"
    return [Head(name="concat-pool", title=title, build=build, options=(dropout,))]
