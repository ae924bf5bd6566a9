"""Keras layers of RandAugment and AugMix. Imported inside `build` only, because they need Keras.

They work on one picture after the other with Pillow, so they need values: called on batches they work on every backend
and give the very same pictures there; inside a compiled function they cannot be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from zoo.builtin._picture_operations import COLOUR, OPERATIONS, change

if TYPE_CHECKING:
    from zoo.builtin._picture_operations import Step

    Array = np.ndarray[Any, Any]

Tensor = Any
"""A tensor of whichever backend is active."""

_RGB = 3
_SIGNED = ("turn", "shear-x", "shear-y", "shift-x", "shift-y")


class PictureLayer(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Gives each picture of a batch to `change_picture`.

    Pictures are (batch, height, width, channels), 0–255, rounded to whole numbers first; results are float32.

    Args:
        seed: Of all draws, which are made in the order of the pictures.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__(dtype="float32")
        self.draw = np.random.default_rng(seed)

    def call(self, images: Tensor, *, training: bool = True) -> Tensor:
        """Changed pictures."""
        if not training:
            return images
        values = np.asarray(ops.convert_to_numpy(images))
        pictures = np.rint(values).clip(0, 255).astype(np.uint8)
        changed = np.empty(values.shape, np.float32)
        for row, picture in enumerate(pictures):
            changed[row] = self.change_picture(picture)
        return ops.convert_to_tensor(changed)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shapes stay."""
        return input_shape

    def change_picture(self, picture: Array) -> Array:
        """A new version of a uint8 picture (height, width, channels), with the same shape and range."""
        raise NotImplementedError

    def sign(self) -> float:
        """−1 or 1."""
        return float(1 - 2 * self.draw.integers(2))


class RandAugment(PictureLayer):
    """Draws `n` operations for each picture, each of equal probability, and applies them with one magnitude.

    Args:
        n: Number of operations.
        magnitude: From 0 to 1.
        seed: Of all draws.
    """

    def __init__(self, *, n: int, magnitude: float, seed: int) -> None:
        super().__init__(seed=seed)
        self.n, self.magnitude = n, magnitude

    def change_picture(self, picture: Array) -> Array:
        """The picture after its operations."""
        names = ["identity", *(name for name in OPERATIONS if name != COLOUR or picture.shape[2] == _RGB)]
        drawn = [names[self.draw.integers(len(names))] for _ in range(self.n)]
        return change(picture, [(name, self._amount(name)) for name in drawn if name != "identity"])

    def _amount(self, name: str) -> float:
        m = self.magnitude
        if name in ("autocontrast", "equalise"):
            return 0.0
        if name == "solarise":
            return 256 * (1 - m)
        if name == "posterise":
            return 8 - 4 * m
        most = {"turn": 30.0, "shear-x": 0.3, "shear-y": 0.3, "shift-x": 0.45, "shift-y": 0.45}.get(name, 0.9)
        return (0.0 if name in _SIGNED else 1.0) + self.sign() * most * m


class AugMix(PictureLayer):
    """Mixes a picture with the mean of several chains of operations on it, both with weights of its own.

    Args:
        severity: Greatest strength of an operation, greater than 0, at most 10.
        width: Number of chains.
        depth: Operations in a chain; 0 draws 1, 2 or 3 for each.
        alpha: Of the Dirichlet distribution of the chains' weights, and of the Beta distribution of the mean's.
        seed: Of all draws.
    """

    NAMES = ("autocontrast", "equalise", "posterise", "turn", "solarise", "shear-x", "shear-y", "shift-x", "shift-y")
    """The paper leaves out what resembles the corruptions of its test sets: colour, contrast, brightness, sharpness."""

    def __init__(self, *, severity: float, width: int, depth: int, alpha: float, seed: int) -> None:
        super().__init__(seed=seed)
        self.severity, self.width, self.depth, self.alpha = severity, width, depth, alpha

    def change_picture(self, picture: Array) -> Array:
        """The mixture, float32."""
        weights = self.draw.dirichlet([self.alpha] * self.width).astype(np.float32)
        share = np.float32(self.draw.beta(self.alpha, self.alpha))
        mixed = np.zeros(picture.shape, np.float32)
        for weight in weights:
            steps = [self._step() for _ in range(self.depth or self.draw.integers(1, 4))]
            mixed += weight * change(picture, steps)
        mixture: Array = (1 - share) * picture + share * mixed
        return mixture.clip(0, 255)  # weights that sum to 1 + 1e-7 would leave the range

    def _step(self) -> Step:
        name = self.NAMES[self.draw.integers(len(self.NAMES))]
        level = self.draw.uniform(min(0.1, self.severity), self.severity) / 10
        if name == "solarise":
            return name, 256 * (1 - level)
        if name == "posterise":
            return name, max(1, 4 - int(4 * level))
        most = {"turn": 30.0, "shear-x": 0.3, "shear-y": 0.3, "shift-x": 1 / 3, "shift-y": 1 / 3}.get(name, 0.0)
        return name, self.sign() * most * level
