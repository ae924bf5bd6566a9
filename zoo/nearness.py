"""How near pictures lie to one another: whitened descriptors, near-copies, nearest neighbours, scenes. Pure NumPy.

A descriptor is a vector for each picture: the pooled features of a backbone with pretrained weights, or the colours of
an 8 × 8 thumbnail, as it is and mirrored. Descriptors are whitened (principal components of all pictures together, each
divided by its spread), so that what all pictures of a kind share does not count, and compared by cosine. On the
149 labelled pairs of a set of car photos this finds all identical and re-encoded copies, and most of those that were
mirrored, turned and cropped; `benchmarks/diagnosis/near_copies.py` prints how many, and how many pairs it names beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from zoo.values import IntArray, UInt8Array

Array = np.ndarray[Any, Any]
By = Literal["features", "thumbnails"]

NEAR: dict[By, float] = {"features": 0.8, "thumbnails": 0.85}
"""Cosine of whitened descriptors from which on two pictures count as near-copies."""

SCENE: dict[By, float] = {"features": 0.7, "thumbnails": 0.7}
"""Cosine (of features without whitening) from which on pictures count as of one scene."""

_MOST: dict[By, int] = {"features": 128, "thumbnails": 64}
"""Principal components at most; a fifth of the number of pictures if that is fewer."""

LEAST = 12
"""Principal components with fewer of which nothing is named: there high cosines arise by chance."""

_SIDE = 8
_CHUNK = 64


@dataclass(frozen=True)
class Likeness:
    """How validation and training pictures lie to one another.

    Attributes:
        by: What was compared.
        across: float64 (n,), of each validation picture the cosine to the most similar training picture.
        partner: int64 (n,), the row of that training picture.
        within: float64 (m,), the same of each training picture to the others.
        scenes: Fewest groups, found greedily, that hold four fifths of all pictures; with fewer than `LEAST`
            components every picture is a group of its own.
        count: Number of pictures, both sides together.
        components: Number of principal components that were compared.
    """

    by: By
    across: Array
    partner: IntArray
    within: Array
    scenes: int
    count: int
    components: int

    @property
    def near(self) -> Array:
        """Bool (n,), whether a validation picture has a near-copy in training; never with fewer than `LEAST`."""
        copies: Array = (self.across >= NEAR[self.by]) & (self.components >= LEAST)
        return copies

    @property
    def excess(self) -> float:
        """How often a validation picture is nearer to training than a training picture is; 0.5 where both are alike."""
        order = np.sort(self.within)
        below = np.searchsorted(order, self.across - 1e-9)
        upto = np.searchsorted(order, self.across + 1e-9, side="right")
        return float((below + upto).mean() / (2 * len(order)))

    @property
    def deviations(self) -> float:
        """`excess` above 0.5 in standard errors (Mann & Whitney 1947)."""
        n, m = len(self.across), len(self.within)
        return (self.excess - 0.5) / math.sqrt((n + m + 1) / (12 * n * m))


def thumbnails(pixels: UInt8Array, rows: IntArray | None = None) -> Array:
    """float64 (n, 8 · 8 · channels), mean colours of the fields of pictures, uint8 (n, side, side, channels).

    Args:
        pixels: Only some of which are held as full arrays at a time.
        rows: Of which pictures; None for all.
    """
    rows = np.arange(len(pixels)) if rows is None else rows
    count, (side, _, channels) = len(rows), pixels.shape[1:]
    edges = np.linspace(0, side, _SIDE + 1).astype(np.int64)[:-1]
    widths = np.diff([*edges, side])
    made = np.empty((count, _SIDE, _SIDE, channels))
    for start in range(0, count, _CHUNK):
        part = pixels[rows[start : start + _CHUNK]]
        bands = [
            part[:, at : at + max(1, width)].sum(axis=1, dtype=np.uint32)
            for at, width in zip(edges, widths, strict=True)
        ]
        sums = np.add.reduceat(np.stack(bands, axis=1), edges, axis=2)  # of whole numbers, so without rounding
        made[start : start + _CHUNK] = sums / np.multiply.outer(widths, widths)[None, :, :, None]
    return made.reshape(count, -1)


def _mirrored(small: Array) -> Array:
    turned: Array = small.reshape(len(small), _SIDE, _SIDE, -1)[:, :, ::-1].reshape(len(small), -1)
    return turned


def _directions(vectors: Array) -> Array:
    """Every row with length 1."""
    lengths: Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def whitened(vectors: Array, *, most: int, rows: int | None = None) -> Array:
    """Directions in whitened coordinates.

    Args:
        vectors: float64 (n, width), centred.
        most: Principal components at most.
        rows: Number of pictures, where `vectors` holds each several times.
    """
    kept = max(1, min(most, (rows or len(vectors)) // 5))
    if vectors.shape[1] <= len(vectors):
        spread, basis = np.linalg.eigh(vectors.T @ vectors)
        spread, basis = np.maximum(spread[::-1][:kept], 0.0), basis[:, ::-1][:, :kept]
        used = spread > 1e-8 * max(float(spread[0]), 1e-30)
        return _directions(vectors @ (basis[:, used] / np.sqrt(spread[used])))
    spread, basis = np.linalg.eigh(vectors @ vectors.T)
    spread, basis = np.maximum(spread[::-1][:kept], 0.0), basis[:, ::-1][:, :kept]
    return _directions(basis[:, spread > 1e-8 * max(float(spread[0]), 1e-30)])


def feature_table(vectors: Array) -> tuple[Array, Array]:
    """Cosines between all pictures, float64 (n, n), by pooled features (n, width): whitened ones, and centred ones."""
    white, plain = _feature_directions(vectors)
    return white @ white.T, plain @ plain.T


def _feature_directions(vectors: Array) -> tuple[Array, Array]:
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    return whitened(centred, most=_MOST["features"]), _directions(centred)


def thumbnail_table(pixels: UInt8Array) -> Array:
    """Cosines between all pictures, float64 (n, n), by whitened thumbnails, mirrored or not, whichever is nearer."""
    return _nearer_way(_thumbnail_directions(thumbnails(pixels)))


def _thumbnail_directions(small: Array) -> Array:
    """Whitened: (2n, components), of all thumbnails as they are, and then of all mirrored."""
    both = np.concatenate([small, _mirrored(small)])
    return whitened(both - both.mean(axis=0), most=_MOST["thumbnails"], rows=len(small))


def _nearer_way(white: Array) -> Array:
    count = len(white) // 2
    table: Array = np.maximum(white[:count] @ white[:count].T, white[:count] @ white[count:].T)
    return table


def by_features(train: Array, validation: Array) -> Likeness:
    """Nearness by pooled features.

    Args:
        train: float (m, width), m ≥ 2.
        validation: float (n, width), n ≥ 1.
    """
    white, plain = _feature_directions(np.concatenate([train, validation]))
    return _likeness("features", white @ white.T, len(train), scenes=plain @ plain.T, components=white.shape[1])


def by_thumbnails(train: Array, validation: Array) -> Likeness:
    """Nearness by 8 × 8 thumbnails.

    Args:
        train: Of `thumbnails`, float64 (m, 64 · channels), m ≥ 2.
        validation: The same, n ≥ 1.
    """
    white = _thumbnail_directions(np.concatenate([train, validation]))
    table = _nearer_way(white)
    return _likeness("thumbnails", table, len(train), scenes=table, components=white.shape[1])


def _likeness(by: By, table: Array, train: int, *, scenes: Array, components: int) -> Likeness:
    across, within = table[train:, :train], table[:train, :train].copy()
    np.fill_diagonal(within, -1.0)
    return Likeness(
        by=by,
        across=across.max(axis=1),
        partner=across.argmax(axis=1).astype(np.int64),
        within=within.max(axis=1),
        scenes=_scenes(scenes >= SCENE[by]) if components >= LEAST else len(table),
        count=len(table),
        components=components,
    )


def _scenes(near: Array, *, share: float = 0.8) -> int:
    """Fewest groups that hold a share of all pictures: greedily, each a picture with all that are near it."""
    left, sizes, found, held = np.ones(len(near), bool), near.sum(axis=1), 0, 0
    while held < share * len(near):
        centre = int(np.where(left, sizes, -1).argmax())
        chosen = near[centre] & left
        chosen[centre] = True
        left &= ~chosen
        sizes = sizes - near[:, chosen].sum(axis=1)
        held, found = held + int(chosen.sum()), found + 1
        if chosen.sum() == 1:  # only single pictures are left
            return found + math.ceil(share * len(near) - held)
    return found


def nearest_labels(train: Array, labels: IntArray, asked: Array) -> IntArray:
    """Labels of the nearest training pictures by cosine of their features, float (m, width) and (n, width)."""
    middle = train.mean(axis=0)
    closest = (_directions(asked - middle) @ _directions(train - middle).T).argmax(axis=1)
    found: IntArray = np.asarray(labels)[closest]
    return found
