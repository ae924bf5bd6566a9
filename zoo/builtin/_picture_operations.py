"""What RandAugment and AugMix do to a picture, one operation after the other, by Pillow. No Keras in here.

The reference programs of both papers use Pillow, so its rounding and its meaning of equalising or sharpening are the
papers' own. A picture with three channels is one RGB picture; every channel of another is a grey picture of its own.
What a turn, a shear or a shift uncovers is filled by reflection, where the reference programs leave black or grey.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.values import UInt8Array

Step: TypeAlias = tuple[str, float]
"""Name of an operation and its amount."""

_RGB = 3
COLOUR = "colour"
"""The one operation that needs three channels."""


def change(picture: UInt8Array, steps: Sequence[Step]) -> UInt8Array:
    """A picture after some operations.

    Args:
        picture: uint8 (height, width, channels), 0–255.
        steps: Operations of `OPERATIONS` in order.

    Returns:
        uint8 of the same shape; the very picture where there are no steps.
    """
    if not steps:
        return picture
    one = picture.shape[2] == _RGB
    images = [
        Image.fromarray(band) for band in ([picture] if one else np.ascontiguousarray(picture.transpose(2, 0, 1)))
    ]
    for name, amount in steps:
        images = [OPERATIONS[name](image, amount) for image in images]
    return np.asarray(images[0]) if one else np.stack([np.asarray(image) for image in images], axis=-1)


def _turn(image: Image.Image, degrees: float) -> Image.Image:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _warp(image, ((cosine, -sine, 0.0), (sine, cosine, 0.0)))


def _shear_x(image: Image.Image, slope: float) -> Image.Image:
    return _warp(image, ((1.0, slope, 0.0), (0.0, 1.0, 0.0)))


def _shear_y(image: Image.Image, slope: float) -> Image.Image:
    return _warp(image, ((1.0, 0.0, 0.0), (slope, 1.0, 0.0)))


def _shift_x(image: Image.Image, share: float) -> Image.Image:
    return _warp(image, ((1.0, 0.0, share * image.width), (0.0, 1.0, 0.0)))


def _shift_y(image: Image.Image, share: float) -> Image.Image:
    return _warp(image, ((1.0, 0.0, 0.0), (0.0, 1.0, share * image.height)))


def _warp(image: Image.Image, rows: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Image.Image:
    """Resamples bilinearly: place p, from the middle of the picture, gets what was at A p + b, in x and y."""
    width, height = image.size
    (a, b, c), (d, e, f) = rows
    over = math.ceil((abs(a) * width + abs(b) * height - width) / 2 + abs(c)) + 2
    under = math.ceil((abs(d) * width + abs(e) * height - height) / 2 + abs(f)) + 2
    wide = np.asarray(image).take(_mirrored(height, under), axis=0).take(_mirrored(width, over), axis=1)
    x = width / 2 + over + c - a * width / 2 - b * height / 2
    y = height / 2 + under + f - d * width / 2 - e * height / 2
    return Image.fromarray(wide).transform(
        image.size, Image.Transform.AFFINE, (a, b, x, d, e, y), resample=Image.Resampling.BILINEAR
    )


@functools.lru_cache(maxsize=64)
def _mirrored(side: int, margin: int) -> np.ndarray[Any, Any]:
    """Places −margin … side + margin − 1 folded into 0 … side − 1, as mirrors at the borders would."""
    places = np.arange(-margin, side + margin) % (2 * side)
    return np.minimum(places, 2 * side - 1 - places)


def _solarise(image: Image.Image, threshold: float) -> Image.Image:
    return ImageOps.solarize(image, threshold=round(threshold))


def _posterise(image: Image.Image, bits: float) -> Image.Image:
    return ImageOps.posterize(image, round(bits))


OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalise": lambda image, _: ImageOps.equalize(image),
    "turn": _turn,
    "solarise": _solarise,
    COLOUR: lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "posterise": _posterise,
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "shear-x": _shear_x,
    "shear-y": _shear_y,
    "shift-x": _shift_x,
    "shift-y": _shift_y,
}
"""Operations by name, with the meaning of their amount: degrees (turn), threshold from which values are inverted
(solarise), bits kept (posterise), slope (shears), share of the side (shifts), factor with 1 for no change (the rest);
`autocontrast` and `equalise` have none."""
