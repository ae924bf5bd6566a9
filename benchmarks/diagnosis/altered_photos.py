"""Photos as they are and made wrong, or unlike photos, in known ways."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from zoo import decoding
from zoo.events import ignore
from zoo.values import Picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Array = np.ndarray[Any, Any]


def load(folder: Path, count: int, size: int, seed: int) -> Array:
    """Random pictures of a folder, uint8 (n, size, size, 3)."""
    paths = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    chosen = [paths[row] for row in np.random.default_rng(seed).permutation(len(paths))[:count]]

    def use(_: int, outcome: Any) -> Array | None:  # noqa: ANN401 - an array, or why there is none
        return decoding.resize(outcome, size) if isinstance(outcome, np.ndarray) else None

    pictures = [Picture(id=path, path=path, label=0) for path in chosen]
    made = decoding.decode_all(pictures, use, task="reading pictures", observe=ignore)
    return np.stack([one for one in made if one is not None])


def grey(pixels: Array) -> Array:
    """Luminance three times, saved as a colour JPEG and read again."""
    out = np.empty_like(pixels)
    for row, picture in enumerate(pixels):
        held = io.BytesIO()
        Image.fromarray(picture).convert("L").convert("RGB").save(held, "JPEG", quality=88)
        out[row] = np.asarray(Image.open(held).convert("RGB"))
    return out


def with_nan(pixels: Array) -> Array:
    """A patch of one picture in four is not-a-number."""
    out = pixels.astype(np.float32)
    out[::4, 10:20, 10:20] = np.nan
    return out


def one_colour(pixels: Array) -> Array:
    """Each picture is its mean colour."""
    return np.broadcast_to(np.rint(pixels.mean(axis=(1, 2), keepdims=True)), pixels.shape).astype(np.uint8)


WRONG: dict[str, tuple[str | None, Callable[[Array], Array]]] = {
    "right": (None, lambda pixels: pixels),
    "rescaled-twice": ("rescaled-twice", lambda pixels: pixels.astype(np.float32) / np.float32(255)),
    "rescaled-twice, saved in 8 bits": ("rescaled-twice", lambda pixels: np.rint(pixels / 255).astype(np.uint8)),
    "swapped": ("swapped", lambda pixels: pixels[..., ::-1]),
    "inverted": ("inverted", lambda pixels: 255 - pixels),
    "constant": ("constant", one_colour),
    "not-a-number": ("not-a-number", with_nan),
    "grey": ("grey", grey),
}
"""By name: the cause that has to be named, and how it is made of right pictures."""


def _each(change: Callable[[Image.Image], Image.Image]) -> Callable[[Array], Array]:
    return lambda pixels: np.stack([np.asarray(change(Image.fromarray(one)).convert("RGB")) for one in pixels])


def _noisy(pixels: Array) -> Array:
    noise = np.random.default_rng(5).normal(0, 30, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _false_colours(pixels: Array) -> Array:
    """Luminance through a palette from black over red and yellow to white, as thermal cameras show it."""
    levels = np.arange(256)
    palette: Array = np.stack([np.clip(3 * levels - 255 * part, 0, 255) for part in range(3)], axis=1).astype(np.uint8)
    grey_levels = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in pixels])
    coloured: Array = palette[grey_levels]
    return coloured


CHANGES: dict[str, Callable[[Array], Array]] = {
    "blur": _each(lambda image: image.filter(ImageFilter.GaussianBlur(4))),
    "noise": _noisy,
    "low contrast": lambda pixels: (pixels * 0.25 + 96).astype(np.uint8),
    "colour cast": lambda pixels: np.clip(pixels * np.array([1.25, 1.0, 0.6]), 0, 255).astype(np.uint8),
    "false colours": _false_colours,
    "line drawing": _each(lambda image: ImageOps.invert(image.convert("L").filter(ImageFilter.FIND_EDGES))),
}
"""Right inputs that differ from photos of today, by name."""
