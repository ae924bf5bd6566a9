"""Plots as SVG: text and marks on a background of their own, so that they read on light and on dark pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INK, PALE, PAPER = "#24292f", "#d0d7de", "#ffffff"
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#6e7781", "#9a6700")
DASHES = ("", "6 3", "2 3")


@dataclass
class Canvas:
    """A drawing that grows.

    Attributes:
        width: In pixels.
        height: In pixels.
        parts: Elements so far.
    """

    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = INK) -> None:
        """Words whose baseline begins, is centred or ends there."""
        where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        self.parts.append(f'<text {where} fill="{colour}">{escape(words)}</text>')

    def line(
        self, points: Sequence[tuple[float, float]], *, colour: str = PALE, width: float = 1, dash: str = ""
    ) -> None:
        """A line through points."""
        where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        stroke = f'stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"'
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{where}" fill="none" {stroke}{dashes}/>')

    def dot(self, x: float, y: float, *, colour: str, hollow: bool = False) -> None:
        """A mark."""
        fill = PAPER if hollow else colour
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'
        )

    def svg(self, title: str) -> str:
        """The whole as text; the title is read out to who cannot see it."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="system-ui, sans-serif">'
        )
        paper = f'<rect width="{self.width}" height="{self.height}" rx="6" fill="{PAPER}"/>'
        return "\n".join([head, f"<title>{escape(title)}</title>", paper, *self.parts, "</svg>", ""])


@dataclass(frozen=True)
class Frame:
    """Where a plot lies on its canvas, and what it spans.

    Attributes:
        canvas: To draw on.
        left: Of the plot, in pixels.
        top: Of the plot.
        width: Of the plot.
        height: Of the plot.
        x: Least and greatest value across.
        y: Least and greatest value upwards.
    """

    canvas: Canvas
    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a value."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        upwards = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - upwards) * self.height

    def grid(self, across: Sequence[float], upwards: Sequence[float], *, title: str = "", below: str = "") -> None:
        """Lines and numbers."""
        for value in upwards:
            start, end = self.at(self.x[0], value), self.at(self.x[1], value)
            self.canvas.line([start, end])
            self.canvas.text(start[0] - 6, start[1] + 4, f"{value:g}", anchor="end", size=11)
        for value in across:
            x, y = self.at(value, self.y[0])
            self.canvas.line([(x, y), (x, y + 4)])
            self.canvas.text(x, y + 16, f"{value:g}", anchor="middle", size=11)
        self.canvas.text(self.left, self.top - 8, title, size=13)
        self.canvas.text(self.left + self.width / 2, self.top + self.height + 32, below, anchor="middle")
