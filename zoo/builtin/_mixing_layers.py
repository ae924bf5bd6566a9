"""Keras layers for augmentations that mix labels. Imported inside `build` only, because they need Keras.

All take and give `{"images": (batch, height, width, channels), "labels": (batch, classes)}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from zoo.builtin._light_layers import light_layers
from zoo.builtin._random_patch import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasLayer

Tensor = Any
"""A tensor of whichever backend is active."""

_TINY = 0.1
"""Below this alpha, TensorFlow's and torch's two gamma draws may both underflow: their share, 0 / 0, then comes out as
exactly 0.5 (18 % of shares for 0.01 under TensorFlow). The true share is nearly 0 or nearly 1, so nothing is mixed."""


def mixing_layers(kind: type[MixingLayer], *, alpha: float, base: str, seed: int) -> tuple[KerasLayer, ...]:
    """The layers of an augmentation that mixes, each with a seed of its own.

    Args:
        kind: How pictures are mixed.
        alpha: Of the Beta distribution; 0 mixes nothing.
        base: What comes before: `light`, or `none`.
        seed: Where the layers' seeds come from.
    """
    first, second = (int(word) for word in np.random.SeedSequence(seed).generate_state(2) >> 1)
    before = (OnPictures(light_layers(first)),) if base == "light" else ()
    return (*before, kind(alpha=alpha, seed=second)) if alpha else before


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


class MixingLayer(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Gives each picture a partner in its batch and a share λ from Beta(alpha, alpha).

    Args:
        alpha: Greater than 0.
        seed: Of all draws.
    """

    def __init__(self, *, alpha: float, seed: int) -> None:
        super().__init__(dtype="float32")
        self.alpha = float(alpha)
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, data: dict[str, Tensor], *, training: bool = True) -> dict[str, Tensor]:
        """Mixed pictures and labels."""
        if not training:
            return data
        images, labels = data["images"], data["labels"]
        batch = ops.shape(images)[0]
        partner = keras.random.shuffle(ops.arange(batch, dtype="int32"), seed=self.generator)
        own = keras.random.beta((batch,), self.alpha, self.alpha, dtype="float32", seed=self.generator)
        if self.alpha < _TINY:
            own = ops.where(ops.equal(own, 0.5), 1.0, own)
        mixed, own = self.mix(images, ops.take(images, partner, axis=0), own)
        own = ops.reshape(own, (-1, 1))
        return {**data, "images": mixed, "labels": own * labels + (1 - own) * ops.take(labels, partner, axis=0)}

    def mix(self, images: Tensor, others: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed pictures, and the share (batch,) that the first have in them. `own` is the share that was drawn."""
        raise NotImplementedError


class MixUp(MixingLayer):
    """Lays the other picture over each picture, whose share is the larger of λ and 1 − λ."""

    def mix(self, images: Tensor, others: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted means."""
        own = ops.maximum(own, 1 - own)
        share = ops.reshape(own, (-1, 1, 1, 1))
        return ops.clip(share * images + (1 - share) * others, 0.0, 255.0), own


class CutMix(MixingLayer):
    """Puts a rectangle of the other picture into each picture.

    The rectangle has the picture's shape and, before it is cut at the border, the area 1 − λ. Its middle is drawn
    uniformly. Its edges are whole pixels, and shares are counted pixels.
    """

    def mix(self, images: Tensor, others: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures with a rectangle."""
        _, height, width, _ = ops.shape(images)
        ratio = ops.sqrt(1 - own)
        top, bottom = self._edges(height, ratio)
        left, right = self._edges(width, ratio)
        patch = inside(top, bottom, left, right, height=height, width=width)
        return ops.where(patch, others, images), 1 - (bottom - top) * (right - left) / (height * width)

    def _edges(self, side: int, ratio: Tensor) -> tuple[Tensor, Tensor]:
        """Where the rectangles begin and end along one side."""
        length = ops.floor(ratio * side)
        middle = ops.floor(keras.random.uniform(ops.shape(ratio), 0.0, side, dtype="float32", seed=self.generator))
        begin = middle - ops.floor(length / 2)
        return ops.clip(begin, 0, side), ops.clip(begin + length, 0, side)
