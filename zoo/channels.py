"""A picture with as many channels as a network takes: from what Pillow decoded, or from an array.

| Channels | What they are |
| --- | --- |
| 1 | Luminance of the RGB picture (Pillow's `L`: ITU-R 601-2) |
| 2 | Luminance, and alpha |
| 3 | RGB, with transparent parts laid on white |
| 4 | RGB as it is stored, and alpha: 255 where the picture has none |
| any | An array of just so many, as it is |

Pictures, and arrays of 1 (grey) or 3 (RGB) channels, become 1 to 4. All other arrays are taken as they are or not at
all: nobody knows what their channels mean. A TIFF that has bands which Pillow does not read becomes 1 and 3 only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from zoo.values import UInt8Array

MOST = 16
"""Most channels that an array may have."""

_WHITE_16_BIT = 65535.0
_GREY, _GREY_ALPHA, _RGB, _RGBA = 1, 2, 3, 4
_SAMPLES_PER_PIXEL = 277  # tag of TIFF
_PLAIN = 2  # dimensions of an array without channels
_WORDS = {_GREY: "grey", _GREY_ALPHA: "grey and alpha", _RGB: "RGB", _RGBA: "RGB and alpha"}


def words(channels: int) -> str:
    """`RGB`, `grey`, `5 channels`."""
    return _WORDS.get(channels, f"{channels} channels")


def has_alpha(channels: int) -> bool:
    """Whether pictures that become so many channels keep their alpha."""
    return channels in {_GREY_ALPHA, _RGBA}


def fits(limit: int, channels: int) -> bool:
    """Whether a picture can be had with a number of channels.

    Args:
        limit: The only number that an array can be had with; 0 for pictures and arrays that become 1 to 4; 3 for
            pictures that become 1 and 3 only, because Pillow leaves some of their bands out.
        channels: The number that is wanted.
    """
    if limit == _RGB:
        return channels in {_GREY, _RGB}
    return channels == limit or (not limit and channels <= _RGBA)


def has_unread_bands(image: Image.Image) -> bool:
    """Whether a TIFF has more bands than Pillow reads: near infrared beside RGB, for example. Needs no decoding."""
    samples = getattr(image, "tag_v2", {}).get(_SAMPLES_PER_PIXEL, 1)
    return bool(samples > len(image.getbands()))


def of_image(image: Image.Image, channels: int = _RGB) -> UInt8Array:
    """A Pillow image as uint8 (height, width, channels), by the rules of this module, orientation left as it is.

    Raises:
        ValueError: More than 4 channels are wanted.
    """
    if channels > _RGBA:
        raise ValueError(f"a picture can be had with 1 to {_RGBA} channels, not {channels}")
    if channels in {_GREY, _RGB}:
        colours = rgb(image)
        return colours if channels == _RGB else _luminance(colours)
    whole = _rgba(image)
    return whole if channels == _RGBA else np.concatenate([_luminance(whole[:, :, :_RGB]), whole[:, :, _RGB:]], axis=2)


def of_array(values: UInt8Array, channels: int | None) -> UInt8Array:
    """An array of `array_fault` "" as uint8 (height, width, channels); not copied where it has that shape.

    Args:
        values: uint8 (height, width) or (height, width, own channels).
        channels: Wanted; None for RGB where the array can be had so, else its own.

    Raises:
        ValueError: It cannot be had so.
    """
    picture = values[:, :, None] if values.ndim == _PLAIN else values
    own = picture.shape[2]
    simple = own in {_GREY, _RGB}
    if channels is None:
        channels = _RGB if simple else own
    if own == channels:
        return picture
    if not simple or channels > _RGBA:
        raise ValueError(f"it is an array of {own} channels, not {channels}")
    return of_image(Image.fromarray(np.ascontiguousarray(picture[:, :, 0] if own == _GREY else picture)), channels)


def array_fault(dtype: np.dtype[np.uint8], shape: tuple[int, ...]) -> str:
    """Why an array is no picture, as `its array is float32 (30, 40, 3), not …`; nothing if it is one."""
    sides = shape[:_PLAIN]
    fits_shape = len(sides) == _PLAIN and min(sides) > 0 and (len(shape) == _PLAIN or len(shape) == _RGB)
    if dtype == np.uint8 and fits_shape and all(1 <= count <= MOST for count in shape[_PLAIN:]):
        return ""
    wanted = f"uint8 (height, width) or (height, width, channels) with 1 to {MOST} channels"
    remedy = "" if dtype == np.uint8 or dtype.kind not in "buif" else "; save values of 0 to 255 as uint8"
    return f"its array is {dtype} {shape}, not {wanted}{remedy}"


def rgb(image: Image.Image) -> UInt8Array:
    """A Pillow image as uint8 (height, width, 3), transparent parts on white, orientation left as it is."""
    if _is_deep(image):
        shade, clear = _deep_grey(image)
        if clear is not None:
            shade[clear] = 255
        return np.repeat(shade[:, :, None], _RGB, axis=2)
    if image.has_transparency_data:
        image = _unmultiplied(image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _rgba(image: Image.Image) -> UInt8Array:
    """A Pillow image as uint8 (height, width, 4): the colours as they are stored, and alpha."""
    if _is_deep(image):
        shade, clear = _deep_grey(image)
        alpha = np.full_like(shade, 255) if clear is None else np.where(clear, 0, 255).astype(np.uint8)
        return np.stack([shade, shade, shade, alpha], axis=2)
    if image.has_transparency_data:
        return np.asarray(_unmultiplied(image).convert("RGBA"))
    colours = np.asarray(image.convert("RGB"))
    return np.concatenate([colours, np.full((*colours.shape[:2], 1), 255, np.uint8)], axis=2)


def _luminance(colours: UInt8Array) -> UInt8Array:
    """uint8 (height, width, 1) of uint8 (height, width, 3)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))[:, :, None]


def _unmultiplied(image: Image.Image) -> Image.Image:
    """Premultiplied images only convert to their plain counterpart."""
    return image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode]) if image.mode in {"La", "RGBa"} else image


def _is_deep(image: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def _deep_grey(image: Image.Image) -> tuple[UInt8Array, np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None]:
    """Grey of 8 bits, and where it is transparent."""
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    for white in (1.0, 255.0) if image.mode == "F" else (_WHITE_16_BIT,):
        if low >= 0 and high <= white:
            low, high = 0.0, white
            break
    shade = np.rint((values.astype(np.float64) - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    transparent = image.info.get("transparency")
    return shade, values == transparent if isinstance(transparent, int) else None
