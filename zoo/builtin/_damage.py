"""What happens to car bodies: scratches, dents, cracks and chips, drawn on a canvas at a random place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.builtin._canvas import Canvas

_PRIMERS = ((0.62, 0.62, 0.60), (0.42, 0.41, 0.40), (0.20, 0.19, 0.19), (0.40, 0.22, 0.12))
"""What comes to light under damaged paint: filler, primer, bare plastic, rust."""


def scratch(canvas: Canvas) -> None:
    """Where something was dragged along: some fine lines side by side."""
    way = canvas.walk(length=canvas.between(0.2, 0.8), bends=canvas.between(0.03, 0.2), steps=12)
    shifts = canvas.rng.normal(0, canvas.between(0.01, 0.05), (canvas.rng.integers(2, 13), 2))
    starts, ends = canvas.rng.integers(0, 5, len(shifts)), canvas.rng.integers(7, 13, len(shifts))
    lines = [
        [(x + dx, y + dy) for x, y in way[start:end]] for (dx, dy), start, end in zip(shifts, starts, ends, strict=True)
    ]
    mask = canvas.lines(lines, width=canvas.between(0.5, 1.4)) * canvas.between(0.6, 1)
    canvas.cover(mask, (0.9, 0.9, 0.88) if canvas.chance(0.5) else _primer(canvas), gloss=0.05)


def dent(canvas: Canvas) -> None:
    """Where something hit: a hollow, sometimes with a fold across it."""
    depth = canvas.between(0.6, 1.6) * (-1 if canvas.chance(0.5) else 1)
    x, y = canvas.press(radius=canvas.between(0.06, 0.17), depth=depth, stretch=canvas.between(1, 2.2))
    if canvas.chance(0.5):
        fold = canvas.walk(length=canvas.between(0.1, 0.3), bends=0.4, steps=5)
        moved = [(a - fold[2][0] + x, b - fold[2][1] + y) for a, b in fold]
        canvas.cover(canvas.lines([moved], width=1.0) * 0.6, (0.02, 0.02, 0.02), gloss=0.1)


def crack(canvas: Canvas) -> None:
    """A jagged dark line with branches, as in plastic bumpers; its lower edge catches the light."""
    trunk = canvas.walk(length=canvas.between(0.4, 0.9), bends=0.55, steps=16)
    branches = [trunk]
    for x, y in trunk[1::3]:
        side = canvas.walk(length=canvas.between(0.08, 0.3), bends=0.5, steps=6)
        branches.append([(a - side[0][0] + x, b - side[0][1] + y) for a, b in side])
    lit = [[(x + 0.008, y + 0.008) for x, y in one] for one in branches]
    canvas.cover(canvas.lines(lit, width=0.8) * 0.5, (1, 1, 1))
    width, depth = canvas.between(0.7, 1.6), canvas.between(0.7, 1)
    canvas.cover(canvas.lines(branches, width=width) * depth, (0.02, 0.02, 0.02), gloss=0.02)


def chip(canvas: Canvas) -> None:
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


def _primer(canvas: Canvas) -> Sequence[float]:
    return _PRIMERS[canvas.rng.integers(len(_PRIMERS))]
