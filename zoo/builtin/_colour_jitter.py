"""A Keras layer that changes brightness, contrast, saturation and hue at once. Imported inside `build` only.

The four are linear in the colours of a picture (hue and saturation as turn and length in the plane of chroma, YIQ), so
they are one 3 × 3 matrix and one offset for each picture, and it is clipped to the range once and not four times.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any
"""A tensor of whichever backend is active."""

_RGB = 3
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_LUMA = _TO_YIQ[0] / _TO_YIQ[0].sum()
_GREY = np.ones((_RGB, 1)) * _LUMA
_CHROMA = np.eye(_RGB) - _GREY
_QUARTER = np.linalg.inv(_TO_YIQ) @ np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ _TO_YIQ
_QUARTER = _CHROMA @ _QUARTER @ _CHROMA  # so that grey stays grey to the last digit


class ColourJitter(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Draws four changes for each picture. Pictures (batch, height, width, channels), 0–255; so are the results.

    Brightness multiplies the values; contrast stretches them around the picture's mean. Saturation and hue are for
    three channels, taken for RGB; pictures with another number of channels keep them.

    Args:
        brightness: Largest change of the factor 1.
        contrast: As `brightness`.
        saturation: As `brightness`.
        hue: Largest turn of the hue, as a share of the whole circle.
        seed: Of all draws.
    """

    def __init__(self, *, brightness: float, contrast: float, saturation: float, hue: float, seed: int) -> None:
        super().__init__(dtype="float32")
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, *, training: bool = True) -> Tensor:
        """The pictures in other light."""
        if not training:
            return images
        batch, height, width, channels = ops.shape(images)
        light, stretch = 1 + self._draw(batch, self.brightness), 1 + self._draw(batch, self.contrast)
        pixels = ops.reshape(images, (batch, height * width, channels))
        if channels == _RGB:
            mean = ops.mean(ops.matmul(pixels, ops.convert_to_tensor(_LUMA[:, None], "float32")), 1, keepdims=True)
            pixels = ops.matmul(pixels, ops.transpose(self._colours(batch), (0, 2, 1)))
        else:
            mean = ops.mean(pixels, axis=(1, 2), keepdims=True)
        changed = pixels * (stretch * light) + (1 - stretch) * light * mean
        return ops.reshape(ops.clip(changed, 0.0, 255.0), (batch, height, width, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shapes stay."""
        return input_shape

    def _colours(self, batch: Tensor) -> Tensor:
        """Matrices (batch, 3, 3) that change saturation and hue, and leave grey as it is."""
        length, angle = 1 + self._draw(batch, self.saturation), self._draw(batch, 2 * math.pi * self.hue)
        grey, chroma, quarter = (ops.convert_to_tensor(m[None], "float32") for m in (_GREY, _CHROMA, _QUARTER))
        return grey + length * (ops.cos(angle) * chroma + ops.sin(angle) * quarter)

    def _draw(self, batch: Tensor, limit: float) -> Tensor:
        return keras.random.uniform((batch, 1, 1), -limit, limit, dtype="float32", seed=self.generator)
