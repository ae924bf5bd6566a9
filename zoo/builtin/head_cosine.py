"""Cosine similarity of the pooled features to one direction for each class.

What: features and the weights of each class are scaled to length 1, so that a logit is the cosine of the angle between
them times a scale. How long the features of a picture are has no say, and no class can win by longer weights. The scale
is learned with the rest (Gidaris & Komodakis) or stays as it is (`learned=false`). There is no bias.

When: classes have few pictures or very different numbers of them, or pictures differ in contrast and brightness.

The weights have length 1 from the start and are scaled back to it by a constraint of Keras after every step, so that
the saved model consists of stock layers. Features after a ReLU are never negative, so their cosines lie close together;
a larger scale helps there.

Reference: Gidaris, Komodakis, "Dynamic Few-Shot Visual Learning without Forgetting", 2018, arXiv:1804.09458; Chen et
al., "A Closer Look at Few-shot Classification", 2019, arXiv:1904.04232 (Baseline++).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin import _feature_shape, _pooling
from zoo.contracts import Head, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


def build(
    feature_shape: tuple[int | None, ...], classes: int, *, scale: float = 10.0, learned: bool = True
) -> KerasModel:
    """Features to float32 logits, whatever the global precision.

    Args:
        feature_shape: (height, width, channels), sides may be None; or (channels,), which is not pooled.
        classes: Number of logits, at least 2.
        scale: What cosines are multiplied by, greater than 0; where it is learned, at the start.
        learned: Whether the scale is trained too. It cannot become negative.

    Raises:
        ContractError: If features or classes are none that a head can be built on.
    """
    import keras

    _feature_shape.check(feature_shape, classes, head="cosine")
    features = keras.Input(feature_shape, name="head_features")
    x = _pooling.mean(features)
    x = keras.layers.UnitNormalization(dtype="float32", name="head_unit")(x)
    unit = keras.constraints.UnitNorm(axis=0)
    directions = keras.layers.Dense(
        classes, use_bias=False, kernel_constraint=unit, dtype="float32", name="head_directions"
    )
    cosines = directions(x)
    directions.kernel.assign(unit(directions.kernel))  # Keras applies a constraint after steps only
    if not learned:
        logits = keras.layers.Rescaling(scale, dtype="float32", name="logits")(cosines)
        return keras.Model(features, logits, name="head")
    # A learned factor of stock layers: every cosine is a vector of one number, times a 1 by 1 kernel.
    apart = keras.layers.Reshape((classes, 1), dtype="float32", name="head_apart")(cosines)
    scaled = keras.layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(scale),
        kernel_constraint=keras.constraints.NonNeg(),
        dtype="float32",
        name="head_scale",
    )(apart)
    logits = keras.layers.Reshape((classes,), dtype="float32", name="logits")(scaled)
    return keras.Model(features, logits, name="head")


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `cosine`."""
    options = (
        Option("scale", 10.0, "What cosines are multiplied by; where it is learned, at the start.", 0.1, 1000),
        Option("learned", True, "Whether the scale is trained too."),
    )
    title = "cosine of the pooled features to one direction for each class"
    return [Head(name="cosine", title=title, build=build, options=options)]
