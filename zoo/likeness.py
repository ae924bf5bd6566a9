"""Which pictures look alike: copies that were resized or encoded again, which differ in every byte and pixel.

A picture's look is two 64-bit hashes of its grey tones (the library ImageHash): `phash`, signs of the lowest
frequencies of a cosine transform, and `dhash`, signs of the differences of neighbouring fields. Two pictures look alike
if at most 2 bits of their phash differ, or at most 4 bits of both. Copies that are mirrored, turned or cropped are not
found this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.values import UInt8Array

    Array = np.ndarray[Any, Any]

CLOSE = 2
"""Bits of the phash that may differ, whatever the dhash says."""

NEAR = 4
"""Bits of both hashes that may differ."""

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
    for label, indices in zip(_labels(bits).tolist(), places.values(), strict=True):
        united.setdefault(label, []).extend(indices)
    groups = sorted(tuple(sorted(indices)) for indices in united.values() if len(indices) > 1)
    most = max(LARGEST_LEAST, LARGEST_SHARE * len(looks))
    return Likeness(
        groups=tuple(group for group in groups if len(group) <= most),
        uniform=tuple(group for group in groups if len(group) > most),
    )


def _labels(bits: Array) -> Array:
    """A number for each row, the same for rows that look alike, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    labels = np.arange(len(bits))
    for left, right in _pairs(bits):
        one, other = labels[left], labels[right]
        apart = one != other
        if apart.any():
            edges = coo_array((np.ones(apart.sum(), bool), (one[apart], other[apart])), shape=(len(bits), len(bits)))
            labels = connected_components(edges, directed=False)[1][labels]
    return labels


def _pairs(bits: Array) -> Iterator[tuple[Array, Array]]:
    """Rows that look alike, as two arrays of positions.

    If at most 4 of 64 bits differ, one of five pieces of the hash is the same in both, so only rows with a piece in
    common are compared: row i of a sorted piece with row i + 1, i + 2, … for as long as the piece is the same.
    """
    width = -(-64 // (NEAR + 1))
    for piece in range(NEAR + 1):
        value = (bits[:, 0] >> np.uint64(piece * width)) & np.uint64((1 << width) - 1)
        order = np.argsort(value, kind="stable")
        value, active, ahead = value[order], np.arange(len(order)), 0
        while True:
            ahead += 1
            active = active[active < len(order) - ahead]
            active = active[value[active] == value[active + ahead]]
            if not len(active):
                break
            left, right = order[active], order[active + ahead]
            differ = np.bitwise_count(bits[left] ^ bits[right])
            alike = (differ[:, 0] <= CLOSE) | (differ <= NEAR).all(axis=1)
            yield left[alike], right[alike]
