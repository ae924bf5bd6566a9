"""Random changes of training pictures, and of their targets where pictures are mixed.

Layers are called on values, one batch after the other, never inside a compiled function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.contracts import KerasLayer

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Augmenter:
    """An augmentation's layers, ready to be applied to batches.

    Attributes:
        layers: In the order of their application; none for no augmentation.
        mixes_labels: Whether they are called with pictures and targets; see `contracts.Augmentation`.
        make: Builds the layers with another seed.
        key: Names the augmentation with its options and its seed.
    """

    layers: tuple[KerasLayer, ...] = ()
    mixes_labels: bool = False
    make: Callable[[int], tuple[KerasLayer, ...]] | None = field(default=None, repr=False)
    key: str = ""

    def again(self, number: int) -> Augmenter:
        """The same augmentation with draws of its own, which depend on its seed and this number alone."""
        if self.make is None:
            return self
        return Augmenter(self.make(number), self.mixes_labels)

    def __call__(self, pictures: Array, targets: Array) -> tuple[Array, Array]:
        """New versions of a batch.

        Args:
            pictures: uint8 (batch, size, size, channels), 0–255.
            targets: float32 (batch, classes), rows that sum to 1.

        Returns:
            Pictures as float32 of the same shape, and targets.

        Raises:
            TrainingError: If the layers change a shape or the range, or give targets that do not sum to 1.
        """
        values: Any = keras.ops.convert_to_tensor(pictures.astype(np.float32))
        if self.mixes_labels:
            values = {"images": values, "labels": keras.ops.convert_to_tensor(targets)}
        for layer in self.layers:
            values = layer(values, training=True)
        if self.mixes_labels:
            values, targets = values["images"], _numbers(values["labels"])
        mixed = _numbers(values)
        if mixed.shape != pictures.shape:
            raise TrainingError(
                f"The augmentation turned pictures of shape {pictures.shape[1:]} into {mixed.shape[1:]}.",
                hint="An augmentation must keep the shape, for validation pictures are not augmented.",
            )
        _check_range(pictures, mixed)
        if self.mixes_labels and not np.allclose(targets.sum(axis=-1), 1.0, atol=1e-3):
            raise TrainingError(
                f"The augmentation gave targets that sum to {targets.sum(axis=-1).max():g}, not to 1.",
                hint="Tell its author.",
            )
        return mixed, targets


def _check_range(pictures: Array, changed: Array) -> None:
    """Refuses what is not 0–255 (a rounding beyond is let pass): validation pictures have that range."""
    low, high = float(changed.min()), float(changed.max())
    scaled = 0 < high <= 1 < pictures.max()
    if scaled or not (low >= -1 and high <= 256):  # noqa: PLR2004 - 8 bits; written so that NaN fails, too
        raise TrainingError(
            f"The augmentation turned pictures of 0 to 255 into values from {low:g} to {high:g}.",
            hint="An augmentation must keep the range: look at its value_range, or clip at its end.",
        )


def _numbers(tensor: Any) -> Array:  # noqa: ANN401 - a tensor of any backend
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float32)
