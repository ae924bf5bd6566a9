"""Draws pieces of car bodies, whole or damaged: seams, handles, reflections and dirt on both, damage on one kind only.

Paint mirrors its surroundings, so a dent shows as a bend in what is mirrored, not as a spot of another colour. That is
how it is drawn here: a field of surface slopes decides where in a made-up scenery each pixel looks.
"""

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

_PRIMERS = ((0.62, 0.62, 0.60), (0.42, 0.41, 0.40), (0.20, 0.19, 0.19), (0.40, 0.22, 0.12))
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
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def cover(self, mask: Plane, colour: Sequence[float], *, gloss: float | None = None) -> None:
        """Lay a colour over the paint where the mask (0–1) says so; `gloss` replaces that of the paint there."""
        for plane, shade in zip(self.colour, colour, strict=True):
            plane += mask * (np.float32(shade) - plane)
        if gloss is not None:
            self.gloss[...] += mask * (gloss - self.gloss)

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
            image = image.filter(ImageFilter.BoxBlur(blur / _FINE))
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
        for kind in rng.choice(4, size=rng.integers(1, 5), p=(0.3, 0.3, 0.2, 0.2)):
            (_scratch, _dent, _crack, _chip)[kind](canvas)
    _dirt(canvas)
    return _photograph(canvas)


def _blank(rng: Generator, size: int) -> _Canvas:
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size
    paint = np.clip(np.asarray(_PAINTS[rng.integers(len(_PAINTS))]) + rng.normal(0, 0.025, 3), 0.02, 0.95)
    colour = np.broadcast_to(paint.astype(np.float32)[:, None, None], (3, size, size)).copy()
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
        _press(
            canvas, radius=canvas.between(0.15, 0.3), depth=canvas.between(-0.25, 0.25), stretch=canvas.between(1, 3)
        )


def _press(canvas: _Canvas, *, radius: float, depth: float, stretch: float) -> tuple[float, float]:
    """Push the surface in (or out) in the shape of a bell; returns the middle."""
    at_x, at_y = canvas.between(0.12, 0.88), canvas.between(0.12, 0.88)
    angle = canvas.between(0, np.pi)
    across, along = canvas.x - at_x, canvas.y - at_y
    u = (across * math.cos(angle) + along * math.sin(angle)) / (radius * stretch)
    v = (along * math.cos(angle) - across * math.sin(angle)) / radius
    bell = np.exp(-(u * u + v * v))
    canvas.slope[...] += depth * bell * (v * math.cos(angle) + u * math.sin(angle) / stretch) * 2.3
    return at_x, at_y


def _fittings(canvas: _Canvas) -> None:
    """Seams, handle, trim, window, wheel arch, cap: what a whole car has and a damaged one too."""
    for _ in range(canvas.rng.integers(0, 3)):
        start, end, bow = canvas.between(0, 1), canvas.between(-0.15, 0.15), canvas.between(-0.12, 0.12)
        steps = np.linspace(-0.1, 1.1, 14)
        across = start + end * steps + bow * np.sin(steps * np.pi)
        seam = list(zip(across, steps, strict=True)) if canvas.chance(0.7) else list(zip(steps, across, strict=True))
        canvas.cover(canvas.lines([[(x + 0.012, y + 0.008) for x, y in seam]], width=1.2) * 0.35, (0.9, 0.9, 0.9))
        canvas.cover(canvas.lines([seam], width=canvas.between(1, 2.4)) * 0.85, (0.03, 0.03, 0.03), gloss=0.02)
    if canvas.chance(0.35):
        _handle(canvas)
    if canvas.chance(0.25):
        top, thick = canvas.between(0.1, 0.85), canvas.between(0.02, 0.07)
        strip = canvas.shapes([[(-1, top), (2, top + canvas.between(-0.1, 0.1)), (2, top + thick), (-1, top + thick)]])
        shade = canvas.between(0.04, 0.75)
        canvas.cover(strip, (shade, shade, shade), gloss=canvas.between(0.1, 0.6))
    if canvas.chance(0.22):
        low = canvas.between(0.08, 0.3)
        glass = canvas.shapes([[(-1, -1), (2, -1), (2, low), (-1, low + canvas.between(-0.1, 0.1))]])
        canvas.cover(glass, (0.05, 0.07, 0.09), gloss=0.7)
    if canvas.chance(0.22):
        away = np.hypot(canvas.x - canvas.between(-0.1, 1.1), canvas.y - canvas.between(0.95, 1.3))
        canvas.cover(_step(canvas.between(0.25, 0.5) - away, 0.012), (0.03, 0.03, 0.03), gloss=0.03)
    if canvas.chance(0.12):
        away = np.hypot(canvas.x - canvas.between(0.2, 0.8), canvas.y - canvas.between(0.2, 0.8))
        ring = np.exp(-(((away - canvas.between(0.08, 0.14)) / 0.008) ** 2))
        canvas.cover(ring * 0.8, (0.05, 0.05, 0.05), gloss=0.05)


def _step(distance: Plane, softness: float) -> Plane:
    return np.clip(distance / softness + 0.5, 0, 1).astype(np.float32)


def _handle(canvas: _Canvas) -> None:
    x, y, long, thick = canvas.between(0.1, 0.7), canvas.between(0.15, 0.8), canvas.between(0.15, 0.3), 0.03
    box = [(x, y), (x + long, y - 0.02), (x + long, y + thick - 0.02), (x, y + thick)]
    canvas.cover(canvas.shapes([[(a, b + 0.02) for a, b in box]], blur=3) * 0.5, (0.02, 0.02, 0.02))
    shade = canvas.between(0.1, 0.85)
    own = canvas.colour[:, 0, 0].tolist() if canvas.chance(0.5) else (shade, shade, shade)
    canvas.cover(canvas.shapes([box]), own, gloss=0.5)
    canvas.cover(canvas.lines([box[:2]], width=1.2) * 0.6, (1, 1, 1))


def _walk(canvas: _Canvas, *, length: float, bends: float, steps: int) -> Line:
    """A jagged way across the picture; `bends` is by how many radians it turns at a step."""
    angle, place = canvas.between(0, 2 * np.pi), np.array([canvas.between(0.15, 0.85), canvas.between(0.15, 0.85)])
    turns = angle + np.cumsum(canvas.rng.normal(0, bends, steps))
    strides = length / steps * canvas.rng.uniform(0.5, 1.5, steps)
    way = place + np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * strides[:, None], 0)
    return [(float(x), float(y)) for x, y in (way - (way.mean(0) - place))]


def _scratch(canvas: _Canvas) -> None:
    """Where something was dragged along: some fine lines side by side."""
    way = _walk(canvas, length=canvas.between(0.2, 0.8), bends=canvas.between(0.03, 0.2), steps=12)
    shifts = canvas.rng.normal(0, canvas.between(0.01, 0.05), (canvas.rng.integers(2, 13), 2))
    starts, ends = canvas.rng.integers(0, 5, len(shifts)), canvas.rng.integers(7, 13, len(shifts))
    lines = [
        [(x + dx, y + dy) for x, y in way[start:end]]
        for (dx, dy), start, end in zip(shifts, starts, ends, strict=True)
    ]
    mask = canvas.lines(lines, width=canvas.between(0.5, 1.4)) * canvas.between(0.6, 1)
    canvas.cover(mask, (0.9, 0.9, 0.88) if canvas.chance(0.5) else _primer(canvas), gloss=0.05)


def _dent(canvas: _Canvas) -> None:
    """Where something hit: a hollow, sometimes with a fold across it."""
    depth = canvas.between(0.6, 1.6) * (-1 if canvas.chance(0.5) else 1)
    x, y = _press(canvas, radius=canvas.between(0.06, 0.17), depth=depth, stretch=canvas.between(1, 2.2))
    if canvas.chance(0.5):
        fold = _walk(canvas, length=canvas.between(0.1, 0.3), bends=0.4, steps=5)
        moved = [(a - fold[2][0] + x, b - fold[2][1] + y) for a, b in fold]
        canvas.cover(canvas.lines([moved], width=1.0) * 0.6, (0.02, 0.02, 0.02), gloss=0.1)


def _crack(canvas: _Canvas) -> None:
    """A jagged dark line with branches, as in plastic bumpers; its lower edge catches the light."""
    trunk = _walk(canvas, length=canvas.between(0.4, 0.9), bends=0.55, steps=16)
    branches = [trunk]
    for x, y in trunk[1::3]:
        side = _walk(canvas, length=canvas.between(0.08, 0.3), bends=0.5, steps=6)
        branches.append([(a - side[0][0] + x, b - side[0][1] + y) for a, b in side])
    lit = [[(x + 0.008, y + 0.008) for x, y in one] for one in branches]
    canvas.cover(canvas.lines(lit, width=0.8) * 0.5, (1, 1, 1))
    width, depth = canvas.between(0.7, 1.6), canvas.between(0.7, 1)
    canvas.cover(canvas.lines(branches, width=width) * depth, (0.02, 0.02, 0.02), gloss=0.02)


def _chip(canvas: _Canvas) -> None:
    """A patch where paint has come off, with crumbs of the same kind around it."""
    x, y, primer = canvas.between(0.15, 0.85), canvas.between(0.15, 0.85), _primer(canvas)
    edges = []
    for _ in range(canvas.rng.integers(1, 9)):
        angles = np.sort(canvas.rng.uniform(0, 2 * np.pi, 11))
        radii = canvas.between(0.008, 0.055) * canvas.rng.uniform(0.4, 1.3, 11)
        dx, dy = canvas.rng.normal(0, 0.08, 2)
        edges.append([(x + dx + r * math.cos(a), y + dy + r * math.sin(a)) for a, r in zip(angles, radii, strict=True)])
    canvas.cover(canvas.shapes(edges), primer, gloss=0.02)
    canvas.cover(canvas.lines([[*edge, edge[0]] for edge in edges], width=0.8) * 0.6, (0.03, 0.03, 0.03))


def _primer(canvas: _Canvas) -> Sequence[float]:
    return _PRIMERS[canvas.rng.integers(len(_PRIMERS))]


def _dirt(canvas: _Canvas) -> None:
    """Splashes, a film of dust, soft shadows of twigs, streaks of light: what looks like damage at a glance."""
    if canvas.chance(0.6):
        coarse = Image.fromarray(canvas.rng.random((6, 6), np.float32)).resize(
            (canvas.size,) * 2, Image.Resampling.BICUBIC
        )
        film = np.clip(np.asarray(coarse) - 0.35 + 0.5 * (canvas.y - 0.5), 0, 1) * canvas.between(0.2, 0.7)
        canvas.cover(film.astype(np.float32), (0.36, 0.29, 0.21), gloss=0.05)
    if canvas.chance(0.5):
        spots = [_spot(canvas, canvas.between(0.003, 0.016)) for _ in range(canvas.rng.integers(3, 30))]
        canvas.cover(canvas.shapes(spots, blur=1.2) * canvas.between(0.4, 0.9), (0.3, 0.24, 0.17), gloss=0.03)
    if canvas.chance(0.35):
        twigs = [_walk(canvas, length=canvas.between(0.4, 1.4), bends=0.25, steps=10) for _ in range(3)]
        canvas.cover(
            canvas.lines(twigs, width=canvas.between(2, 6), blur=canvas.between(2, 5)) * 0.55, (0.02, 0.02, 0.03)
        )
    if canvas.chance(0.35):
        streak = _walk(canvas, length=canvas.between(0.4, 1.2), bends=0.05, steps=6)
        canvas.cover(canvas.lines([streak], width=canvas.between(1, 5), blur=canvas.between(1, 4)) * 0.7, (1, 1, 0.97))


def _spot(canvas: _Canvas, radius: float) -> Line:
    x, y, stretch = canvas.between(0, 1), canvas.between(0.2, 1), canvas.between(1, 2)
    angles = np.linspace(0, 2 * np.pi, 9)
    return [(x + radius * math.cos(angle), y + radius * stretch * math.sin(angle)) for angle in angles]


def _photograph(canvas: _Canvas) -> UInt8Array:
    """Mirror the scenery, light the paint, and take the picture: exposure, tint, blur, noise."""
    rng, slope = canvas.rng, canvas.slope
    horizon = canvas.between(-0.2, 0.2)
    scenery = canvas.between(0.55, 1.0) * _step(slope - horizon, canvas.between(0.02, 0.35))
    for _ in range(rng.integers(1, 5)):
        lamp = (slope - canvas.between(-0.6, 0.7)) / canvas.between(0.02, 0.12)
        scenery += canvas.between(-0.35, 0.6) * np.exp(-lamp * lamp)
    light = canvas.between(0.55, 0.95) + canvas.between(0.1, 0.45) * slope
    light += canvas.between(-0.3, 0.3) * (canvas.x - 0.5) + canvas.between(-0.2, 0.2) * (canvas.y - 0.5)
    shine = canvas.gloss * scenery
    exposure = canvas.between(0.6, 1.25) * (1 + rng.normal(0, 0.06, 3))
    sky = (canvas.between(0.75, 1), canvas.between(0.85, 1), 1.0)
    picture = np.empty((canvas.size, canvas.size, 3), np.uint8)
    for channel in range(3):
        seen = (canvas.colour[channel] * light + shine * np.float32(sky[channel])) * np.float32(exposure[channel] * 255)
        picture[:, :, channel] = np.clip(seen, 0, 255)
    curve = (np.linspace(0, 1, 256) ** canvas.between(0.75, 1.1) * 255).round().astype(int).tolist()
    image = Image.fromarray(picture).point(curve * 3)
    image = image.filter(ImageFilter.BoxBlur(canvas.between(0, 0.7) * canvas.size / 128))
    grain = rng.standard_normal(picture.shape, np.float32) * np.float32(canvas.between(1, 6))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
