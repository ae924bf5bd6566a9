"""fastai's head: average and maximum pooling, then a hidden layer between BatchNorm and dropout.

What: the pooled features pass BatchNorm, dropout at half the rate, a hidden layer of 512 units with ReLU, once more
BatchNorm and dropout, and the linear layer. BatchNorm puts the features of every backbone on one scale, and the hidden
layer lets them be combined. Its moving statistics start at 0 and 1 and follow with momentum 0.9, as PyTorch's do, so
that a few dozen training steps are enough for them.

When: there are some hundred pictures for each class and the linear heads have stopped getting better; from the start
with policies that train the backbone too.

It differs from fastai's: the last layer has a bias and is initialised by Glorot's rule, not He's; the moving
variance is that of the batch without Bessel's correction; the average stands before the maximum.

Reference: Howard, Gugger, "fastai: A Layered API for Deep Learning", 2020, arXiv:2002.04688 (its `create_head`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin import _feature_shape, _pooling
from zoo.contracts import Head, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasModel

MOMENTUM, EPSILON = 0.9, 1e-5
"""Of BatchNorm, as PyTorch has them; its momentum of 0.1 is Keras' of 0.9."""


def build(
    feature_shape: tuple[int | None, ...], classes: int, *, width: int = 512, hidden: int = 1, dropout: float = 0.5
) -> KerasModel:
    """Features to float32 logits, whatever the global precision.

    Args:
        feature_shape: (height, width, channels), sides may be None; or (channels,), which is not pooled.
        classes: Number of logits, at least 2.
        width: Units of a hidden layer, at least 1.
        hidden: Number of hidden layers, at least 1, each with its BatchNorm and dropout.
        dropout: Share of what enters the last layer that training drops, in [0, 1); half of it before each hidden
            layer. 0 builds no dropout.

    Raises:
        ContractError: If features or classes are none that a head can be built on.
    """
    import keras

    _feature_shape.check(feature_shape, classes, head="mlp")
    features = keras.Input(feature_shape, name="head_features")
    x = _pooling.mean_and_maximum(features)
    rates = [dropout / 2] * hidden + [dropout]
    for number, rate in enumerate(rates, start=1):
        if number > 1:
            x = keras.layers.Dense(
                width, use_bias=False, kernel_initializer="he_normal", name=f"head_hidden_{number - 1}"
            )(x)
            x = keras.layers.ReLU(name=f"head_relu_{number - 1}")(x)
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"head_norm_{number}")(x)
        if rate > 0:
            x = keras.layers.Dropout(rate, name=f"head_dropout_{number}")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(features, logits, name="head")


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `mlp`."""
    options = (
        Option("width", 512, "Units of a hidden layer.", 1, 4096),
        Option("hidden", 1, "Number of hidden layers.", 1, 4),
        Option("dropout", 0.5, "Share of what enters the last layer that training drops; before others, half.", 0, 0.9),
    )
    title = "fastai's: average and maximum pooling, hidden layers with BatchNorm and dropout"
    return [Head(name="mlp", title=title, build=build, options=options)]
