"""Draws pieces of car bodies, whole or damaged: seams, handles, reflections and dirt on both, damage on one kind only.

Paint mirrors its surroundings, so a dent shows as a bend in what is mirrored, not as a spot of another colour. That is
how it is drawn here: a field of surface slopes decides where in a made-up scenery each pixel looks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from zoo.builtin import _damage
from zoo.builtin._canvas import Canvas

if TYPE_CHECKING:
    from numpy.random import Generator

    from zoo.builtin._canvas import Line, Plane
    from zoo.values import UInt8Array

_PAINTS = (
    *((0.86, 0.86, 0.85), (0.72, 0.73, 0.74), (0.50, 0.51, 0.53), (0.30, 0.31, 0.33), (0.07, 0.07, 0.08)),
    *((0.55, 0.07, 0.08), (0.33, 0.04, 0.07), (0.08, 0.17, 0.42), (0.15, 0.33, 0.58), (0.06, 0.24, 0.16)),
    *((0.80, 0.62, 0.10), (0.78, 0.36, 0.08), (0.52, 0.44, 0.33), (0.24, 0.16, 0.12)),
)
"""Colours of car paint, RGB 0–1."""

_DAMAGE = ((_damage.scratch, 0.3), (_damage.dent, 0.3), (_damage.crack, 0.2), (_damage.chip, 0.2))
"""Kinds of damage and how often each occurs."""


def render(rng: Generator, *, size: int, damaged: bool) -> UInt8Array:
    """Draw one picture.

    Args:
        rng: Decides everything but whether there is damage.
        size: Side in pixels.
        damaged: Whether there are scratches, dents, cracks or chips, one to four in all.

    Returns:
        uint8 array of shape (size, size, 3), RGB.
    """
    canvas = _blank(rng, size)
    _body(canvas)
    _fittings(canvas)
    if damaged:
        _harm(replace(canvas, rng=rng.spawn(1)[0]))  # of its own, so that everything else is as without damage
    _dirt(canvas)
    return _photograph(canvas)


def _blank(rng: Generator, size: int) -> Canvas:
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size
    paint = np.clip(np.asarray(_PAINTS[rng.integers(len(_PAINTS))]) + rng.normal(0, 0.025, 3), 0.02, 0.95)
    colour = np.broadcast_to(paint.astype(np.float32)[:, None, None], (3, size, size)).copy()
    gloss = np.full((size, size), rng.uniform(0.16, 0.38), np.float32)
    return Canvas(rng, size, x, y, np.zeros((size, size), np.float32), colour, gloss)


def _body(canvas: Canvas) -> None:
    """Curvature, a crease or two, the soft pressings that every door has."""
    height = canvas.y + canvas.between(-0.25, 0.25) * (canvas.x - 0.5)
    canvas.slope[...] = canvas.between(0.3, 1.1) * (0.5 - height) + canvas.between(-0.2, 0.2)
    canvas.slope[...] += canvas.between(-0.15, 0.15) * (canvas.x - 0.5) ** 2
    for _ in range(canvas.rng.integers(0, 3)):
        edge = (height - canvas.between(0.15, 0.85)) / canvas.between(0.006, 0.04)
        canvas.slope[...] += canvas.between(-0.3, 0.3) * np.tanh(edge)
    if canvas.chance(0.35):
        depth = canvas.between(-0.25, 0.25)
        canvas.press(radius=canvas.between(0.15, 0.3), depth=depth, stretch=canvas.between(1, 3))


def _fittings(canvas: Canvas) -> None:
    """What a whole car has and a damaged one too."""
    for _ in range(canvas.rng.integers(0, 3)):
        _seam(canvas)
    for part, probability in ((_handle, 0.35), (_trim, 0.25), (_window, 0.22), (_wheel_arch, 0.22), (_cap, 0.12)):
        if canvas.chance(probability):
            part(canvas)


def _harm(canvas: Canvas) -> None:
    shares = [share for _, share in _DAMAGE]
    for kind in canvas.rng.choice(len(_DAMAGE), size=canvas.rng.integers(1, 5), p=shares):
        _DAMAGE[kind][0](canvas)


def _seam(canvas: Canvas) -> None:
    start, end, bow = canvas.between(0, 1), canvas.between(-0.15, 0.15), canvas.between(-0.12, 0.12)
    steps = np.linspace(-0.1, 1.1, 14).tolist()
    points = [(start + end * step + bow * math.sin(step * math.pi), step) for step in steps]
    seam = points if canvas.chance(0.7) else [(y, x) for x, y in points]
    canvas.cover(canvas.lines([[(x + 0.012, y + 0.008) for x, y in seam]], width=1.2) * 0.35, (0.9, 0.9, 0.9))
    canvas.cover(canvas.lines([seam], width=canvas.between(1, 2.4)) * 0.85, (0.03, 0.03, 0.03), gloss=0.02)


def _handle(canvas: Canvas) -> None:
    x, y, long, thick = canvas.between(0.1, 0.7), canvas.between(0.15, 0.8), canvas.between(0.15, 0.3), 0.045
    box = [(x, y), (x + long, y - 0.02), (x + long, y + thick - 0.02), (x, y + thick)]
    canvas.cover(canvas.shapes([[(a, b + 0.025) for a, b in box]], blur=3) * 0.5, (0.02, 0.02, 0.02))
    shade = canvas.between(0.1, 0.85)
    own = canvas.colour[:, 0, 0].tolist() if canvas.chance(0.5) else (shade, shade, shade)
    canvas.cover(canvas.shapes([box]), own, gloss=0.5)
    canvas.cover(canvas.lines([box[:2]], width=1.2) * 0.6, (1, 1, 1))


def _trim(canvas: Canvas) -> None:
    top, thick, shade = canvas.between(0.1, 0.85), canvas.between(0.02, 0.07), canvas.between(0.04, 0.75)
    strip = [(-1.0, top), (2.0, top + canvas.between(-0.1, 0.1)), (2.0, top + thick), (-1.0, top + thick)]
    canvas.cover(canvas.shapes([strip]), (shade, shade, shade), gloss=canvas.between(0.1, 0.6))


def _window(canvas: Canvas) -> None:
    low = canvas.between(0.08, 0.3)
    glass = [(-1.0, -1.0), (2.0, -1.0), (2.0, low), (-1.0, low + canvas.between(-0.1, 0.1))]
    canvas.cover(canvas.shapes([glass]), (0.05, 0.07, 0.09), gloss=0.7)


def _wheel_arch(canvas: Canvas) -> None:
    away = np.hypot(canvas.x - canvas.between(-0.1, 1.1), canvas.y - canvas.between(0.95, 1.3))
    canvas.cover(_step(canvas.between(0.25, 0.5) - away, 0.012), (0.03, 0.03, 0.03), gloss=0.03)


def _cap(canvas: Canvas) -> None:
    away = np.hypot(canvas.x - canvas.between(0.2, 0.8), canvas.y - canvas.between(0.2, 0.8))
    ring = np.exp(-(((away - canvas.between(0.08, 0.14)) / 0.008) ** 2))
    canvas.cover(ring * 0.8, (0.05, 0.05, 0.05), gloss=0.05)


def _step(distance: Plane, softness: float) -> Plane:
    step: Plane = np.clip(distance / softness + 0.5, 0, 1).astype(np.float32)
    return step


def _dirt(canvas: Canvas) -> None:
    """Splashes, a film of dust, soft shadows of twigs, streaks of light: what looks like damage at a glance."""
    if canvas.chance(0.6):
        clouds = Image.fromarray(canvas.rng.random((6, 6), np.float32))
        clouds = clouds.resize((canvas.size, canvas.size), Image.Resampling.BICUBIC)
        film = np.clip(np.asarray(clouds) - 0.35 + 0.5 * (canvas.y - 0.5), 0, 1) * canvas.between(0.2, 0.7)
        canvas.cover(film.astype(np.float32), (0.36, 0.29, 0.21), gloss=0.05)
    if canvas.chance(0.5):
        spots = [_spot(canvas, canvas.between(0.003, 0.016)) for _ in range(canvas.rng.integers(3, 30))]
        canvas.cover(canvas.shapes(spots, blur=1.2) * canvas.between(0.4, 0.9), (0.3, 0.24, 0.17), gloss=0.03)
    if canvas.chance(0.35):
        twigs = [canvas.walk(length=canvas.between(0.4, 1.4), bends=0.25, steps=10) for _ in range(3)]
        shadow = canvas.lines(twigs, width=canvas.between(2, 6), blur=canvas.between(2, 5))
        canvas.cover(shadow * 0.55, (0.02, 0.02, 0.03))
    if canvas.chance(0.35):
        streak = canvas.walk(length=canvas.between(0.4, 1.2), bends=0.05, steps=6)
        canvas.cover(canvas.lines([streak], width=canvas.between(1, 5), blur=canvas.between(1, 4)) * 0.7, (1, 1, 0.97))


def _spot(canvas: Canvas, radius: float) -> Line:
    x, y, stretch = canvas.between(0, 1), canvas.between(0.2, 1), canvas.between(1, 2)
    angles = np.linspace(0, 2 * np.pi, 9)
    return [(x + radius * math.cos(angle), y + radius * stretch * math.sin(angle)) for angle in angles]


def _photograph(canvas: Canvas) -> UInt8Array:
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
    exposure = canvas.between(0.7, 1.25) * (1 + rng.normal(0, 0.06, 3))
    sky = (canvas.between(0.75, 1), canvas.between(0.85, 1), 1.0)
    picture = np.empty((canvas.size, canvas.size, 3), np.uint8)
    for channel in range(3):
        seen = (canvas.colour[channel] * light + shine * np.float32(sky[channel])) * np.float32(exposure[channel] * 255)
        picture[:, :, channel] = np.clip(seen, 0, 255)
    curve = (np.linspace(0, 1, 256) ** canvas.between(0.75, 1.1) * 255).round().astype(int).tolist()
    image = Image.fromarray(picture).point(curve * 3)
    image = image.filter(ImageFilter.BoxBlur(canvas.between(0, 0.7) * canvas.size / 128))
    grain = rng.standard_normal(picture.shape, np.float32) * np.float32(canvas.between(1, 6))
    photo: UInt8Array = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    return photo
