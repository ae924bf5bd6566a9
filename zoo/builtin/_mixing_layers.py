"""Keras layers for augmentations that mix labels. Imported inside `build` only, because they need Keras.

All take and give `{"images": (batch, height, width, channels), "labels": (batch, classes)}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from zoo.builtin._light_layers import light_layers
from zoo.builtin._random_patch import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasLayer

Tensor = Any
"""A tensor of whichever backend is active."""


def base_layers(base: str, seed: int) -> tuple[KerasLayer, ...]:
    """What comes before the mixing: the layers of `light`, or none for `none`."""
    return (OnPictures(light_layers(seed)),) if base == "light" else ()


class OnPictures(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Applies layers that know nothing of labels to the pictures alone."""

    def __init__(self, layers: Sequence[KerasLayer]) -> None:
        super().__init__(dtype="float32")
        self.layers = list(layers)

    def call(self, data: dict[str, Tensor], *, training: bool = True) -> dict[str, Tensor]:
        """Changed pictures, and the labels as they are."""
        images = data["images"]
        for layer in self.layers:
            images = layer(images, training=training)
        return {**data, "images": images}


class CutMix(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Puts a rectangle of another picture of the batch into each picture, and mixes labels by the area it takes.

    The rectangle has the picture's shape and, before it is cut at the border, the area 1 − λ with λ from
    Beta(alpha, alpha), drawn for each picture; its middle is drawn uniformly. Its edges are whole pixels, and the
    weights of the labels are counted pixels.

    Args:
        alpha: Greater than 0.
        seed: Of all draws.
    """

    def __init__(self, *, alpha: float, seed: int) -> None:
        super().__init__(dtype="float32")
        self.alpha = alpha
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, data: dict[str, Tensor], *, training: bool = True) -> dict[str, Tensor]:
        """Mixed pictures and labels."""
        if not training:
            return data
        images, labels = data["images"], data["labels"]
        batch, height, width, _ = ops.shape(images)
        other = keras.random.shuffle(ops.arange(batch, dtype="int32"), seed=self.generator)
        ratio = ops.sqrt(1 - keras.random.beta((batch,), self.alpha, self.alpha, seed=self.generator))
        top, bottom = self._edges(batch, height, ratio)
        left, right = self._edges(batch, width, ratio)
        patch = inside(top, bottom, left, right, height=height, width=width)
        share = ops.reshape((bottom - top) * (right - left) / (height * width), (-1, 1))
        return {
            "images": ops.where(patch, ops.take(images, other, axis=0), images),
            "labels": (1 - share) * labels + share * ops.take(labels, other, axis=0),
        }

    def _edges(self, batch: Tensor, side: int, ratio: Tensor) -> tuple[Tensor, Tensor]:
        """Where the rectangles begin and end along one side."""
        length = ops.floor(ratio * side)
        middle = ops.floor(keras.random.uniform((batch,), 0.0, side, dtype="float32", seed=self.generator))
        begin = middle - ops.floor(length / 2)
        return ops.clip(begin, 0, side), ops.clip(begin + length, 0, side)
