"""Shifts of pictures: each turns a photo into one that a network trained on photos has seen less of.

All take and give uint8 (height, width, 3), RGB 0–255, of the same shape. The same picture, shift and number give the
same result. `GRADES` lists what is measured, from mild to strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    Picture = np.ndarray[Any, np.dtype[np.uint8]]

BLACK_HOT = ((255, 255, 255), (0, 0, 0))
IRON = ((0, 0, 10), (70, 0, 130), (190, 20, 110), (250, 110, 20), (255, 200, 50), (255, 255, 235))
"""Palettes from cold to hot: the two usual ones of thermal cameras. Luminance stands in for temperature."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift at one grade.

    Attributes:
        name: Kind of shift.
        grade: 1 is mild, 2 is strong; 0 changes nothing.
        words: What is done, for tables.
        change: Picture and its number to the shifted picture.
    """

    name: str
    grade: int
    words: str
    change: Callable[[Picture, int], Picture]

    @property
    def title(self) -> str:
        """Name and grade, as `blur 2`."""
        return f"{self.name} {self.grade}" if self.grade else self.name


def nothing(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
    """The picture itself."""
    return picture


def blur(share: float) -> Callable[[Picture, int], Picture]:
    """A Gaussian blur whose standard deviation is a share of the picture's width."""

    def change(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
        radius = share * picture.shape[1]
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))

    return change


def noise(deviation: float) -> Callable[[Picture, int], Picture]:
    """Gaussian noise of that standard deviation in grey levels, for each pixel and channel on its own."""

    def change(picture: Picture, number: int) -> Picture:
        return _uint8(picture + np.random.default_rng([7, number]).normal(0, deviation, picture.shape))

    return change


def contrast(share: float) -> Callable[[Picture, int], Picture]:
    """All values drawn towards mid-grey until that share of the differences is left."""

    def change(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
        return _uint8(128 + share * (picture.astype(np.float64) - 128))

    return change


def dark(share: float) -> Callable[[Picture, int], Picture]:
    """All values times that share, as in a picture that was exposed too briefly."""
    return cast((share, share, share))


def cast(gains: tuple[float, float, float]) -> Callable[[Picture, int], Picture]:
    """Each channel times its gain, as under light of another colour."""

    def change(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
        return _uint8(picture * np.array(gains))

    return change


def grey(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
    """Luminance in all three channels."""
    return _three(_luminance(picture))


def thermal(palette: tuple[tuple[int, int, int], ...]) -> Callable[[Picture, int], Picture]:
    """Luminance through a palette, as a thermal camera shows temperature."""
    colours = np.array(palette, np.float64)
    stops = np.linspace(0, 255, len(colours))

    def change(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
        level = _luminance(picture)
        return _uint8(np.stack([np.interp(level, stops, colours[:, channel]) for channel in range(3)], axis=2))

    return change


def drawing(*, white_on_black: bool) -> Callable[[Picture, int], Picture]:
    """Edges alone: the length of the Sobel gradient of the luminance, dark on white or white on black."""

    def change(picture: Picture, number: int) -> Picture:  # noqa: ARG001 - as all shifts
        level = np.pad(_luminance(picture), 1, mode="edge")
        across = (level[:, 2:] - level[:, :-2]) / 4
        down = (level[2:] - level[:-2]) / 4
        x = across[:-2] + 2 * across[1:-1] + across[2:]
        y = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
        lines = np.clip(1.5 * np.hypot(x, y), 0, 255)
        return _three(lines if white_on_black else 255 - lines)

    return change


def _luminance(picture: Picture) -> np.ndarray[Any, np.dtype[np.float64]]:
    level: np.ndarray[Any, np.dtype[np.float64]] = picture @ np.array([0.299, 0.587, 0.114])
    return level


def _three(level: np.ndarray[Any, Any]) -> Picture:
    return np.repeat(_uint8(level)[:, :, None], 3, axis=2)


def _uint8(values: np.ndarray[Any, Any]) -> Picture:
    whole: Picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return whole


GRADES = (
    Shift("none", 0, "photos as they are", nothing),
    Shift("blur", 1, "Gaussian, σ 1 % of the width", blur(0.01)),
    Shift("blur", 2, "Gaussian, σ 3 % of the width", blur(0.03)),
    Shift("noise", 1, "Gaussian, σ 20", noise(20)),
    Shift("noise", 2, "Gaussian, σ 60", noise(60)),
    Shift("contrast", 1, "half of it", contrast(0.5)),
    Shift("contrast", 2, "a tenth of it", contrast(0.1)),
    Shift("dark", 1, "a quarter of the light", dark(0.25)),
    Shift("dark", 2, "a sixteenth of the light", dark(1 / 16)),
    Shift("cast", 1, "evening light: gains 1, 0.75, 0.5", cast((1.0, 0.75, 0.5))),
    Shift("cast", 2, "under water: gains 0.2, 0.6, 1", cast((0.2, 0.6, 1.0))),
    Shift("grey", 1, "luminance alone", grey),
    Shift("thermal", 1, "black-hot palette", thermal(BLACK_HOT)),
    Shift("thermal", 2, "iron palette", thermal(IRON)),
    Shift("drawing", 1, "edges, dark on white", drawing(white_on_black=False)),
    Shift("drawing", 2, "edges, white on black", drawing(white_on_black=True)),
)
"""All shifts that are measured, the unshifted photos first."""


def shift_named(title: str) -> Shift:
    """The shift with that title, as `blur 2`. Raises: KeyError."""
    return {shift.title: shift for shift in GRADES}[title]
