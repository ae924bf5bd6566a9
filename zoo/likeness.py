"""Which pictures look alike: copies that were resized or encoded again, which differ in every byte and pixel.

A picture's look is two 64-bit hashes of its grey tones (the library ImageHash): `phash`, signs of the lowest
frequencies of a cosine transform, and `dhash`, signs of the differences of neighbouring fields. Two pictures look alike
if at most 2 bits of their phash differ, or at most 4 bits of both. Copies that are mirrored, turned or cropped are not
found this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.hash_groups import group_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.values import UInt8Array

LARGEST_SHARE = 0.05
"""Of all pictures; a larger group says that these pictures are of one kind, not that they are copies."""

LARGEST_LEAST = 10
"""A group of as many pictures or fewer is never called too large."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Groups of pictures that look alike, as positions in what was given; each sorted, and sorted by their first.

    Attributes:
        groups: Copies of one picture, as far as hashes can tell.
        uniform: Groups so large that the hashes cannot tell copies from pictures of one kind (scans of one form).
    """

    groups: tuple[tuple[int, ...], ...]
    uniform: tuple[tuple[int, ...], ...]


def look_of(pixels: UInt8Array) -> str:
    """The look of a picture: 32 hexadecimal digits, phash and dhash; empty for a picture of one colour.

    Args:
        pixels: uint8 (height, width, 3), or with another number of channels, of which the mean is looked at.
    """
    import imagehash
    from PIL import Image

    if pixels.shape[2] != 3:  # noqa: PLR2004 - RGB
        pixels = np.rint(pixels.mean(axis=2, dtype=np.float32)).astype(np.uint8)
    grey = Image.fromarray(pixels).convert("L")
    low, high = grey.getextrema()
    if low == high:
        return ""
    return f"{imagehash.phash(grey)}{imagehash.dhash(grey)}"


def look_alikes(looks: Sequence[str]) -> Likeness:
    """Groups of pictures that look alike, directly or through others of the group.

    Args:
        looks: Of `look_of`; an empty one is like no other.
    """
    places: dict[str, list[int]] = {}
    for index, look in enumerate(looks):
        if look:
            places.setdefault(look, []).append(index)
    bits = np.array([[int(look[:16], 16), int(look[16:], 16)] for look in places], dtype=np.uint64).reshape(-1, 2)
    united: dict[int, list[int]] = {}
    for label, indices in zip(group_labels(bits).tolist(), places.values(), strict=True):
        united.setdefault(label, []).extend(indices)
    groups = sorted(tuple(sorted(indices)) for indices in united.values() if len(indices) > 1)
    most = max(LARGEST_LEAST, LARGEST_SHARE * len(looks))
    return Likeness(
        groups=tuple(group for group in groups if len(group) <= most),
        uniform=tuple(group for group in groups if len(group) > most),
    )
