"""Global average pooling, dropout and one linear layer: the usual head.

Reference: Lin, Chen, Yan, "Network In Network", 2013, arXiv:1312.4400 (pooling instead of large dense layers).
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

    _feature_shape.check(feature_shape, classes, head="gap")
    features = keras.Input(feature_shape, name="head_features")
    x = _pooling.mean(features)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="head_logits")(x)
    return keras.Model(features, logits, name="head")


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `gap`."""
    dropout = Option("dropout", 0.2, "Share of the pooled features that training drops.", 0, 0.9)
    return [Head(name="gap", title="global average pooling, one linear layer", build=build, options=(dropout,))]
