"""What can be said about pictures from their pixels alone. Pure NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

DARK = 32
"""Highest value of a picture that is nearly black: photos have lights, also those that are taken at night."""

_RGB = 3  # channels, and dimensions of a picture
_GREY_LEVELS = 2.0  # mean difference of channels that JPEG leaves in a grey picture
_SPARSE = 16  # every so many pixels tell that most pictures are not of one colour
_FLAT = 2.0  # range in which a picture counts as one colour


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """Counts of pictures.

    Attributes:
        n: Pictures looked at.
        not_finite: With a value that is not-a-number or infinite.
        constant: Of one colour all over.
        fractions: Not constant, and with no value above 1.
        dark: Not constant, and with no value above `DARK`, those above included.
        beyond: With values below 0 or above 255.
        grey: With three channels that are equal up to what JPEG changes, and not constant.
        low: Least finite value.
        high: Greatest finite value.
    """

    n: int
    not_finite: int
    constant: int
    fractions: int
    dark: int
    beyond: int
    grey: int
    low: float
    high: float


def pixel_facts(pixels: Any) -> PixelFacts:  # noqa: ANN401 - an array, or what is indexed like one
    """Looks at pixels, one picture at a time.

    Args:
        pixels: (n, height, width, channels), uint8 or float, meant to be 0–255.
    """
    counts = dict.fromkeys(("not_finite", "constant", "fractions", "dark", "beyond", "grey"), 0)
    low, high = math.inf, -math.inf
    for picture in pixels:
        values = np.asarray(picture)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            counts["not_finite"] += 1
            values = values[np.isfinite(values)]
            if not values.size:
                continue
        least, most = float(values.min()), float(values.max())
        low, high = min(low, least), max(high, most)
        flat = _is_flat(values, least, most)
        counts["beyond"] += least < 0 or most > 255  # noqa: PLR2004 - the range of 8 bits
        counts["constant"] += flat
        counts["fractions"] += not flat and least >= 0 and most <= 1
        counts["dark"] += not flat and least >= 0 and most <= DARK
        counts["grey"] += not flat and _is_grey(values, most)
    return PixelFacts(len(pixels), low=low, high=high, **counts)


def _is_flat(values: Array, least: float, most: float) -> bool:
    """Whether every channel of a picture is constant, up to what JPEG changes."""
    allowed = _FLAT if most > 1 else 0.0
    if most - least <= allowed or values.ndim != _RGB:
        return most - least <= allowed
    few = values[::_SPARSE, ::_SPARSE]
    return all(float(np.ptp(part, axis=(0, 1)).max()) <= allowed for part in (few, values))  # the few tell of most


def _is_grey(values: Array, most: float) -> bool:
    if values.ndim != _RGB or values.shape[2] != _RGB:
        return False
    spread = float(np.ptp(values[::2, ::2], axis=2).mean())
    return spread <= _GREY_LEVELS * (1.0 if most > 1 else 1 / 255)
