"""What most heads begin with: a feature map turned into one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer

Tensor = Any
"""A symbolic Keras tensor."""


def mean(features: Tensor) -> Tensor:
    """The mean of each channel: (batch, height, width, channels) to (batch, channels); a vector stays as it is."""
    import keras

    if len(features.shape) == 2:  # noqa: PLR2004 - batch and channels
        return features
    pool: KerasLayer = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="head_mean")
    return pool(features)


def mean_and_maximum(features: Tensor) -> Tensor:
    """Mean and maximum of each channel, side by side: twice as many numbers; a vector stays as it is."""
    import keras

    if len(features.shape) == 2:  # noqa: PLR2004 - batch and channels
        return features
    most = keras.layers.GlobalMaxPooling2D(data_format="channels_last", name="head_max")(features)
    return keras.layers.Concatenate(name="head_pool")([mean(features), most])
