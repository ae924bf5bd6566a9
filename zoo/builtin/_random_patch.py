"""Rectangles of whole pixels, one for each picture of a batch. Imported inside `build` only, because it needs Keras."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of whichever backend is active."""


def inside(top: Tensor, bottom: Tensor, left: Tensor, right: Tensor, *, height: int, width: int) -> Tensor:
    """Which pixels lie in rectangles: bool (batch, height, width, 1).

    Args:
        top: First row, (batch,), whole numbers; the other three likewise.
        bottom: Row after the last.
        left: First column.
        right: Column after the last.
        height: Of the pictures.
        width: Of the pictures.
    """
    rows = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1, 1))
    columns = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width, 1))
    top, bottom, left, right = (ops.reshape(edge, (-1, 1, 1, 1)) for edge in (top, bottom, left, right))
    tall = ops.logical_and(rows >= top, rows < bottom)
    return ops.logical_and(tall, ops.logical_and(columns >= left, columns < right))


class RandomPatch(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Covers a random rectangle of some pictures with noise (random erasing; Zhong et al. 2017, arXiv:1708.04896).

    Each pixel of the rectangle gets values of its own, uniform over the range: the best of the paper's fillings.

    Args:
        chance: Share of pictures that get a rectangle.
        area: Least and greatest area of the rectangle, as shares of the picture's.
        ratio: Least ratio of its sides; the greatest is 1 / ratio. A side longer than the picture's is cut to it.
        seed: Of all draws.
    """

    def __init__(self, *, chance: float, area: tuple[float, float], ratio: float, seed: int) -> None:
        super().__init__(dtype="float32")
        self.chance, self.area, self.ratio = chance, area, ratio
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, *, training: bool = True) -> Tensor:
        """The pictures, some with a patch."""
        if not training:
            return images
        batch, height, width, _ = ops.shape(images)
        area = self._draw((batch,), *self.area)
        ratio = ops.exp(self._draw((batch,), math.log(self.ratio), -math.log(self.ratio)))
        tall = ops.minimum(ops.round(ops.sqrt(area * ratio) * height), height)
        wide = ops.minimum(ops.round(ops.sqrt(area / ratio) * width), width)
        tall = ops.where(self._draw((batch,), 0.0, 1.0) < self.chance, tall, 0.0)
        top = ops.floor(self._draw((batch,), 0.0, 1.0) * (height - tall + 1))
        left = ops.floor(self._draw((batch,), 0.0, 1.0) * (width - wide + 1))
        patch = inside(top, top + tall, left, left + wide, height=height, width=width)
        return ops.where(patch, self._draw(ops.shape(images), 0.0, 255.0), images)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shapes stay."""
        return input_shape

    def _draw(self, shape: Any, low: float, high: float) -> Tensor:  # noqa: ANN401 - a shape, maybe of tensors
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self.generator)
