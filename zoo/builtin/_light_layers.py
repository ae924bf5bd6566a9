"""The layers of the light augmentation, which others build on. Imported inside `build` only, because it needs Keras."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from zoo.builtin._random_pose import RandomPose

_RANGE = (0, 255)


def light_layers(seed: int, strength: float = 1.0) -> tuple[Any, ...]:
    """Mirroring, pose, brightness and contrast, each with a seed of its own; none at strength 0.

    Args:
        seed: Where the layers' seeds come from.
        strength: From 0 to 2.
    """
    if strength == 0:
        return ()
    flip, pose, brightness, contrast = (int(word) for word in np.random.SeedSequence(seed).generate_state(4) >> 1)
    share = 0.1 * strength
    return (
        keras.layers.RandomFlip("horizontal", seed=flip, data_format="channels_last"),
        RandomPose(turn=math.radians(10 * strength), shift=share, zoom=share, seed=pose),
        keras.layers.RandomBrightness(share, value_range=_RANGE, seed=brightness),
        keras.layers.RandomContrast(1.5 * share, value_range=_RANGE, seed=contrast),
    )
