"""A contact sheet: pictures in rows and columns, with a few words under each. Drawn with Pillow; no Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from zoo.figures import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as BitmapFont

    from zoo.values import UInt8Array

_MARGIN, _LINE, _TEXT = 8, 15, 12
_PAPER, _INK, _FAINT = "white", "#202020", "#707070"
_COLOUR = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        pixels: uint8 (height, width, channels), 0–255; RGB where there are three channels, else the first, as grey.
        lines: What stands under it, plain text; what does not fit in its width is cut off with an ellipsis.
    """

    pixels: UInt8Array
    lines: tuple[str, ...] = ()


def draw_sheet(title: str, rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Draws the sheet.

    Args:
        title: One line above all; cut off at the width of the sheet.
        rows: Cells of equal size, at least one; rows may differ in length.

    Returns:
        An RGB picture. Control characters in texts are written as escapes.
    """
    font = _font()
    tall, wide = rows[0][0].pixels.shape[:2]
    columns = max(len(row) for row in rows)
    heights = [tall + _LINE * max(len(cell.lines) for cell in row) + _MARGIN for row in rows]
    width = _MARGIN + columns * (wide + _MARGIN)
    sheet = Image.new("RGB", (width, 2 * _MARGIN + _LINE + sum(heights)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN, _MARGIN), title, font=font, room=width - 2 * _MARGIN, ink=_INK)
    top = 2 * _MARGIN + _LINE
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            left = _MARGIN + column * (wide + _MARGIN)
            sheet.paste(_image(cell.pixels), (left, top))
            for line, text in enumerate(cell.lines):
                place = (left, top + tall + 1 + _LINE * line)
                _write(pen, place, text, font=font, room=wide, ink=_FAINT if line else _INK)
        top += height
    return sheet


def _image(pixels: UInt8Array) -> Image.Image:
    return Image.fromarray(pixels if pixels.shape[2] == _COLOUR else pixels[:, :, 0])


def _font() -> FreeTypeFont | BitmapFont:
    try:
        return ImageFont.load_default(size=_TEXT)
    except (ImportError, OSError):  # a Pillow without FreeType has one small font of its own
        return ImageFont.load_default()


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    font: FreeTypeFont | BitmapFont,
    room: int,
    ink: str,
) -> None:
    """One line of text, cut off where its room ends."""
    whole = literal(text)
    if not isinstance(font, ImageFont.FreeTypeFont):
        whole = whole.encode("latin-1", "replace").decode("latin-1")  # all that font has
    shown, dots = whole, "…" if isinstance(font, ImageFont.FreeTypeFont) else "..."
    while shown and font.getlength(shown if shown == whole else shown + dots) > room:
        shown = shown[:-1]
    pen.text(place, shown if shown == whole else shown + dots, fill=ink, font=font)
