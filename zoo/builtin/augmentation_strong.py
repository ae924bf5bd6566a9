"""Strong augmentation: what `light` does over a wider range, and besides crops, colours and patches of noise.

Not for pictures in which left and right, or the exact colour, decide the class: there use `none`, or write a plugin.

At strength 1 a picture is mirrored left to right with probability 1/2; turned by up to 15°; cropped to a rectangle of
54 to 100 % of its area with sides in a ratio of 3:4 to 4:3 and resized to the whole (Szegedy et al. 2014,
arXiv:1409.4842); its brightness, contrast and saturation are multiplied by 0.7 to 1.3 and its hue is turned by up to
14°; and one picture in four gets a rectangle of noise over 2 to 20 % of its area (random erasing; Zhong et al. 2017,
arXiv:1708.04896). All of that but the mirroring and the size of the patches grows with `strength`: at 2 the least crop
is 8 % of the area, as in the paper, and one picture in two gets a patch. Strength 0 does nothing at all. What a turn
uncovers is filled by reflection.

Saturation and hue are for three channels; pictures with another number of them keep theirs.

Why not all with Keras' own layers, measured with Keras 3.15.1 on three backends: `RandomErasing` with `factor=1` and
its default fill changed 45 to 51 % of 400 pictures, and half of the noise was exactly 0; `RandomColorJitter` failed on
pictures with one channel. Crop and turn are one resampling here, so that they blur once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.contracts import Augmentation, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer

_REFERENCE = "https://arxiv.org/abs/1708.04896 (random erasing)"


def build(size: int, seed: int, *, strength: float = 1.0) -> tuple[KerasLayer, ...]:  # noqa: ARG001 - works at any size
    """Random layers, each with a seed of its own.

    Args:
        size: Side of the pictures, in pixels; not needed.
        seed: Where the layers' seeds come from.
        strength: From 0 (no layers) to 2.
    """
    import keras
    import numpy as np

    from zoo.builtin._colour_jitter import ColourJitter
    from zoo.builtin._random_patch import RandomPatch
    from zoo.builtin._random_pose import RandomView

    if strength == 0:
        return ()
    flip, view, colour, patch = (int(word) for word in np.random.SeedSequence(seed).generate_state(4) >> 1)
    change = 0.3 * strength
    return (
        keras.layers.RandomFlip("horizontal", seed=flip, data_format="channels_last"),
        RandomView(turn=math.radians(15 * strength), area=1 - 0.46 * strength, ratio=(4 / 3) ** strength, seed=view),
        ColourJitter(brightness=change, contrast=change, saturation=change, hue=0.04 * strength, seed=colour),
        RandomPatch(chance=0.25 * strength, area=(0.02, 0.2), ratio=0.3, seed=patch),
    )


@hookimpl
def zoo_augmentations() -> list[Augmentation]:
    """The strong augmentation."""
    strength = Option("strength", 1.0, "How strong the changes are; 0 for none, 1 for crops down to half.", 0, 2)
    title = "mirror, crop, turn ±15°, colours ±30 %, patches of noise"
    return [Augmentation(name="strong", title=title, build=build, reference=_REFERENCE, options=(strength,))]
