"""A Keras layer that turns, shifts and zooms pictures at once. Imported inside `build` only, because it needs Keras.

Keras has a layer for each of the three. One after another they interpolate three times, which blurs, and outside
TensorFlow each of them is slow: for 32 pictures of 224×224 on two CPU cores the three took 0.23 s on TensorFlow, 6 s on
JAX and 25 s on torch; this layer took 0.26, 0.34 and 0.6 s.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of whichever backend is active."""


class RandomPose(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Draws an angle, a zoom and a shift for each picture, and resamples it once, bilinearly.

    What comes into view from outside is the picture's mirror image. Values stay within those of the picture. Float
    pictures (batch, height, width, channels), sides of 2 pixels and more; nothing happens with `training=False`.

    Args:
        turn: Largest angle, in radians.
        shift: Largest shift, as a share of the side.
        zoom: Largest change of size, as a share; below 1.
        seed: Of all draws.
    """

    def __init__(self, *, turn: float, shift: float, zoom: float, seed: int) -> None:
        super().__init__()
        self.turn, self.shift, self.zoom = turn, shift, zoom
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, *, training: bool = True) -> Tensor:
        """The pictures in new poses."""
        if not training:
            return images
        batch, height, width, channels = ops.shape(images)
        rows, columns = self._places(batch, height, width)
        upper, left = ops.minimum(ops.floor(rows), height - 2), ops.minimum(ops.floor(columns), width - 2)
        down = ops.cast(ops.expand_dims(rows - upper, -1), images.dtype)
        right = ops.cast(ops.expand_dims(columns - left, -1), images.dtype)
        picture = ops.reshape(ops.arange(batch, dtype="int32"), (batch, 1, 1)) * (height * width)
        corner = picture + ops.cast(upper, "int32") * width + ops.cast(left, "int32")
        pixels = ops.reshape(images, (batch * height * width, channels))

        def at(offset: int) -> Tensor:
            return ops.take(pixels, corner + offset, axis=0)

        above = at(0) * (1 - right) + at(1) * right
        below = at(width) * (1 - right) + at(width + 1) * right
        return above * (1 - down) + below * down

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shapes stay."""
        return input_shape

    def _places(self, batch: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Row and column, in pixels, that each new pixel comes from: two tensors (batch, height, width)."""
        angle, (tall, wide), (down, right) = self._frame(batch)
        middle, centre = (height - 1) / 2, (width - 1) / 2
        y = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1)) - middle
        x = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width)) - centre
        cosine, sine = ops.cos(angle), ops.sin(angle)
        rows = cosine / tall * y - sine / wide * x + middle + down * height
        columns = sine / tall * y + cosine / wide * x + centre + right * width
        return _reflect(rows, height), _reflect(columns, width)

    def _frame(self, batch: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Angles, magnifications along both sides, and shifts as shares of both sides, each (batch, 1, 1)."""
        angle, zoom = self._draw(batch, self.turn), 1 + self._draw(batch, self.zoom)
        return angle, (zoom, zoom), (self._draw(batch, self.shift), self._draw(batch, self.shift))

    def _draw(self, batch: Tensor, limit: float) -> Tensor:
        return keras.random.uniform((batch, 1, 1), -limit, limit, dtype="float32", seed=self.generator)


class RandomView(RandomPose):
    """Draws an angle and a rectangle for each picture, and stretches what the rectangle holds over the whole picture.

    The random resized crop of Szegedy et al. 2014 (arXiv:1409.4842) with a turn, resampled once. Without a turn the
    rectangle lies within the picture.

    Args:
        turn: Largest angle, in radians.
        area: Least area of the rectangle, as a share of the picture's; the largest is 1. All equally likely.
        ratio: Largest ratio of its sides, relative to the picture's, at least 1. The logarithm is uniform from that
            of 1 / ratio to that of ratio. A side longer than the picture's is cut to it.
        seed: Of all draws.
    """

    def __init__(self, *, turn: float, area: float, ratio: float, seed: int) -> None:
        super().__init__(turn=turn, shift=0.0, zoom=0.0, seed=seed)
        self.area, self.ratio = area, ratio

    def _frame(self, batch: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        angle = self._draw(batch, self.turn)
        area = (1 + self.area) / 2 + self._draw(batch, (1 - self.area) / 2)
        ratio = ops.exp(self._draw(batch, math.log(self.ratio)))
        tall, wide = ops.minimum(ops.sqrt(area / ratio), 1.0), ops.minimum(ops.sqrt(area * ratio), 1.0)
        down, right = (1 - tall) * self._draw(batch, 0.5), (1 - wide) * self._draw(batch, 0.5)
        return angle, (1 / tall, 1 / wide), (down, right)


def _reflect(places: Tensor, side: int) -> Tensor:
    """Folds places outside 0 … side − 1 back in, as mirrors at the outer edges of the border pixels would."""
    folded = ops.mod(places + 0.5, 2 * side)
    return ops.clip(ops.minimum(folded, 2 * side - folded) - 0.5, 0, side - 1)
