"""A surface of car paint in the making: what it is painted with, how it is tilted, how it mirrors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

Plane: TypeAlias = npt.NDArray[np.float32]
"""One number for each pixel: (size, size)."""

Line: TypeAlias = "list[tuple[float, float]]"
"""Corners as x and y, both 0–1 over the picture."""

_FINE = 2
"""Lines are drawn this many times finer and then averaged, so that they can be thinner than a pixel."""

_UNIT = 128
"""Widths and blurs are in pixels of a picture of this side."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture in the making. The arrays are painted on in place.

    Attributes:
        rng: Decides everything.
        size: Side in pixels.
        x: Position of each pixel, 0–1 from left to right.
        y: Position of each pixel, 0–1 from top to bottom.
        slope: How much the surface is tilted upwards.
        colour: Paint and what covers it, RGB 0–1, shape (3, size, size).
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
        """True this often."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A number from a range, all equally likely."""
        return float(self.rng.uniform(low, high))

    def cover(self, mask: Plane, colour: Sequence[float], *, gloss: float | None = None) -> None:
        """Lay a colour over the paint where the mask (0–1) says so; `gloss` replaces that of the paint there."""
        for channel, shade in enumerate(colour):
            self.colour[channel] += mask * (np.float32(shade) - self.colour[channel])
        if gloss is not None:
            self.gloss[...] += mask * (gloss - self.gloss)

    def lines(self, lines: Sequence[Line], *, width: float, blur: float = 0.0) -> Plane:
        """A mask (0–1) of lines; `width` and `blur` in pixels of a picture of 128 × 128."""
        image = Image.new("L", (self.size * _FINE, self.size * _FINE))
        draw = ImageDraw.Draw(image)
        for line in lines:
            draw.line(self._scaled(line), fill=255, width=max(1, round(width * image.width / _UNIT)))
        return self._plane(image, blur)

    def shapes(self, shapes: Sequence[Line], *, blur: float = 0.0) -> Plane:
        """A mask (0–1) of filled polygons; `blur` in pixels of a picture of 128 × 128."""
        image = Image.new("L", (self.size * _FINE, self.size * _FINE))
        draw = ImageDraw.Draw(image)
        for shape in shapes:
            draw.polygon(self._scaled(shape), fill=255)
        return self._plane(image, blur)

    def press(self, *, radius: float, depth: float, stretch: float) -> tuple[float, float]:
        """Push the surface in (or out) in the shape of a bell; returns the middle."""
        at_x, at_y = self.between(0.12, 0.88), self.between(0.12, 0.88)
        angle = self.between(0, math.pi)
        across, along = self.x - at_x, self.y - at_y
        u = (across * math.cos(angle) + along * math.sin(angle)) / (radius * stretch)
        v = (along * math.cos(angle) - across * math.sin(angle)) / radius
        bell = np.exp(-(u * u + v * v))
        self.slope[...] += depth * bell * (v * math.cos(angle) + u * math.sin(angle) / stretch) * 2.3
        return at_x, at_y

    def walk(self, *, length: float, bends: float, steps: int) -> Line:
        """A jagged way across the picture; `bends` is by how many radians it turns at a step."""
        angle, place = self.between(0, 2 * math.pi), np.array([self.between(0.15, 0.85), self.between(0.15, 0.85)])
        turns = angle + np.cumsum(self.rng.normal(0, bends, steps))
        strides = length / steps * self.rng.uniform(0.5, 1.5, steps)
        way = place + np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * strides[:, None], 0)
        return [(float(x), float(y)) for x, y in (way - (way.mean(0) - place))]

    def _scaled(self, line: Line) -> Line:
        side = self.size * _FINE
        return [(x * side, y * side) for x, y in line]

    def _plane(self, image: Image.Image, blur: float) -> Plane:
        image = image.reduce(_FINE)
        if blur:
            image = image.filter(ImageFilter.BoxBlur(blur * self.size / _UNIT))
        return np.asarray(image, np.float32) / np.float32(255)
