"""Draws pieces of car bodies, whole or damaged: seams, handles, reflections and dirt on both, damage on one kind only.

Paint mirrors its surroundings, so a dent shows as a bend in what is mirrored, not as a spot of another colour. That is
how it is drawn here: a field of surface slopes decides where in a made-up scenery each pixel looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from zoo.values import UInt8Array

Plane: TypeAlias = npt.NDArray[np.float32]
"""One number for each pixel: (size, size)."""

Line: TypeAlias = "list[tuple[float, float]]"
"""Corners as x and y, both 0–1 over the picture."""

_PAINTS = (
    *((0.86, 0.86, 0.85), (0.72, 0.73, 0.74), (0.50, 0.51, 0.53), (0.30, 0.31, 0.33), (0.07, 0.07, 0.08)),
    *((0.55, 0.07, 0.08), (0.33, 0.04, 0.07), (0.08, 0.17, 0.42), (0.15, 0.33, 0.58), (0.06, 0.24, 0.16)),
    *((0.80, 0.62, 0.10), (0.78, 0.36, 0.08), (0.52, 0.44, 0.33), (0.24, 0.16, 0.12)),
)
"""Colours of car paint, RGB 0–1."""

_PRIMER = ((0.62, 0.62, 0.60), (0.42, 0.41, 0.40), (0.20, 0.19, 0.19), (0.40, 0.22, 0.12))
"""What comes to light under damaged paint: filler, primer, bare plastic, rust."""

_FINE = 2
"""Lines are drawn this many times finer and then averaged, so that they can be thinner than a pixel."""


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A picture in the making. The arrays are painted on in place.

    Attributes:
        rng: Decides everything.
        size: Side in pixels.
        x: Position of each pixel, 0–1 from left to right.
        y: Position of each pixel, 0–1 from top to bottom.
        slope: How much the surface is tilted upwards.
        colour: Paint and what covers it, RGB 0–1, shape (size, size, 3).
        gloss: How strongly each pixel mirrors, 0–1.
    """

    rng: Generator
    size: int
    x: Plane
    y: Plane
    slope: Plane
    colour: npt.NDArray[np.float32]
    gloss: Plane

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def cover(self, mask: Plane, colour: Sequence[float], *, gloss: float | None = None) -> None:
        """Lay a colour over the paint where the mask (0–1) says so; `gloss` replaces that of the paint there."""
        self.colour += mask[:, :, None] * (np.asarray(colour, np.float32) - self.colour)
        if gloss is not None:
            self.gloss += mask * (gloss - self.gloss)

    def lines(self, lines: Sequence[Line], *, width: float, blur: float = 0.0) -> Plane:
        """A mask (0–1) of lines; `width` and `blur` in pixels of a picture of 128 × 128."""
        side, scale = self.size * _FINE, self.size * _FINE / 128
        image = Image.new("L", (side, side))
        draw = ImageDraw.Draw(image)
        for line in lines:
            draw.line([(x * side, y * side) for x, y in line], fill=255, width=max(1, round(width * scale)))
        return self._plane(image, blur * scale)

    def shapes(self, shapes: Sequence[Line], *, blur: float = 0.0) -> Plane:
        """A mask (0–1) of filled polygons."""
        side = self.size * _FINE
        image = Image.new("L", (side, side))
        draw = ImageDraw.Draw(image)
        for shape in shapes:
            draw.polygon([(x * side, y * side) for x, y in shape], fill=255)
        return self._plane(image, blur * side / 128)

    def _plane(self, image: Image.Image, blur: float) -> Plane:
        image = image.reduce(_FINE)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur / _FINE))
        return np.asarray(image, np.float32) / 255


def render(rng: Generator, *, size: int, damaged: bool) -> UInt8Array:
    """Draw one picture.

    Args:
        rng: Decides everything but whether there is damage.
        size: Side in pixels.
        damaged: Whether there are scratches, dents, cracks or chips, one to three in all.

    Returns:
        uint8 array of shape (size, size, 3), RGB.
    """
    canvas = _blank(rng, size)
    _body(canvas)
    _fittings(canvas)
    if damaged:
        for kind in rng.choice(4, size=rng.integers(1, 4), p=(0.34, 0.30, 0.2, 0.16)):
            (_scratch, _dent, _crack, _chip)[kind](canvas)
    _dirt(canvas)
    return _photograph(canvas)


def _blank(rng: Generator, size: int) -> _Canvas:
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size
    paint = np.clip(np.asarray(_PAINTS[rng.integers(len(_PAINTS))]) + rng.normal(0, 0.025, 3), 0.02, 0.95)
    colour = np.broadcast_to(paint.astype(np.float32), (size, size, 3)).copy()
    gloss = np.full((size, size), rng.uniform(0.16, 0.38), np.float32)
    return _Canvas(rng, size, x, y, np.zeros((size, size), np.float32), colour, gloss)


def _body(canvas: _Canvas) -> None:
    """Curvature, a crease or two, the soft pressings that every door has."""
    tilt = canvas.between(-0.25, 0.25)
    height = canvas.y + tilt * (canvas.x - 0.5)
    canvas.slope[...] = canvas.between(0.3, 1.1) * (0.5 - height) + canvas.between(-0.2, 0.2)
    canvas.slope[...] += canvas.between(-0.15, 0.15) * (canvas.x - 0.5) ** 2
    for _ in range(canvas.rng.integers(0, 3)):
        edge = (height - canvas.between(0.15, 0.85)) / canvas.between(0.006, 0.04)
        canvas.slope[...] += canvas.between(-0.3, 0.3) * np.tanh(edge)
    if canvas.chance(0.35):
        _press(canvas, radius=canvas.between(0.15, 0.3), depth=canvas.between(-0.25, 0.25), stretch=canvas.between(1, 3))


def _press(canvas: _Canvas, *, radius: float, depth: float, stretch: float) -> tuple[float, float]:
    """Push the surface in (or out) in the shape of a bell; returns the middle."""
    at_x, at_y = canvas.between(0.12, 0.88), canvas.between(0.12, 0.88)
    angle = canvas.between(0, np.pi)
    across, along = canvas.x - at_x, canvas.y - at_y
    u = (across * np.cos(angle) + along * np.sin(angle)) / (radius * stretch)
    v = (along * np.cos(angle) - across * np.sin(angle)) / radius
    bell = np.exp(-(u * u + v * v))
    canvas.slope[...] += depth * bell * (v * np.cos(angle) + u * np.sin(angle) / stretch) * 2.3
    return at_x, at_y
