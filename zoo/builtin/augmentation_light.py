"""Light augmentation that suits most photos: mirrored, slightly turned, shifted, zoomed, brighter or darker.

Not for pictures in which left and right differ in meaning (writing, road signs, organs): there use `none`.

At strength 1 a picture is mirrored left to right with probability 1/2, turned by up to 10°, shifted by up to a tenth of
its sides, zoomed by up to a tenth, brightened or darkened by up to a tenth of the range, and its contrast changed by up
to 15 %. All but the mirroring grow in proportion to `strength`; strength 0 does nothing at all. What a turn or a shift
uncovers is filled by reflection, so that no black corners give the change away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.contracts import Augmentation, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer


def build(size: int, seed: int, *, strength: float = 1.0) -> tuple[KerasLayer, ...]:  # noqa: ARG001 - works at any size
    """Random layers, each with a seed of its own.

    Args:
        size: Side of the pictures, in pixels; not needed.
        seed: Where the layers' seeds come from.
        strength: From 0 (no layers) to 2.
    """
    from zoo.builtin._light_layers import light_layers

    return light_layers(seed, strength)


@hookimpl
def zoo_augmentations() -> list[Augmentation]:
    """The light augmentation."""
    strength = Option("strength", 1.0, "How strong the changes are; 0 for none, 1 for ±10° and ±10 %.", 0, 2)
    title = "mirror, turn ±10°, shift and zoom ±10 %, light ±10 %"
    return [Augmentation(name="light", title=title, build=build, options=(strength,))]
