"""What a command shows, before it is drawn: and how it is written where there is no terminal, without rich.

Importing rich and laying out a long table with it takes longer than everything else that `zoo list` does. Where no line
is wrapped and nothing is in colour, padding with spaces does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from zoo import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Line: TypeAlias = tuple[str, str]
"""Text and its style, such as `bold`; "" for none."""

Cell: TypeAlias = "str | Sequence[Line]"
"""One line, or several."""


class Column(NamedTuple):
    """A column of a sheet.

    Attributes:
        header: Its header.
        right: Whether its cells stand at the right.
        wrap: Whether its cells may be wrapped where there is no room.
    """

    header: str = ""
    right: bool = False
    wrap: bool = False


class Sheet(NamedTuple):
    """A table, not yet drawn.

    Attributes:
        columns: From left to right.
        rows: Cells of each row, in the order of the columns.
        gap: Spaces between two columns, besides the one that stands for a line between them.
        headed: Whether headers and a line under them are shown.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    gap: int = 2
    headed: bool = True


class Page(Protocol):
    """What a command writes its results on."""

    def heading(self, text: str) -> None:
        """A line that stands out."""

    def sheet(self, layouts: Sequence[Callable[[], Sheet]]) -> None:
        """A table: the first of these that fits."""

    def say(self, text: str, *, label: str = "") -> None:
        """A sentence, after a label such as `failed`."""

    def line(self, text: str = "", *, style: str = "") -> None:
        """A line that is never wrapped."""


class TooNarrow(Exception):  # noqa: N818 - no error: it says that lines have to be wrapped
    """No layout fits without wrapping."""


class PlainPage:
    """A page of plain text: byte for byte what rich would write to something that is no terminal."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """All that is on it."""
        return "".join(self._parts)

    def heading(self, text: str) -> None:
        """As a page does."""
        if _width(text) > self.width:
            raise TooNarrow
        self._parts.append(f"{text}\n")

    def sheet(self, layouts: Sequence[Callable[[], Sheet]]) -> None:
        """As a page does.

        Raises:
            TooNarrow: Neither fits.
        """
        for layout in layouts:
            drawn = _drawn(layout(), self.width)
            if drawn is not None:
                self._parts.append(drawn)
                return
        raise TooNarrow

    def say(self, text: str, *, label: str = "") -> None:
        """As a page does."""
        self._parts.append(f"{label}: {figures.sentence(text)}\n" if label else f"{figures.sentence(text)}\n")

    def line(self, text: str = "", *, style: str = "") -> None:  # noqa: ARG002 - there are no styles
        """As a page does."""
        self._parts.append(f"{figures.literal(text)}\n")


def _drawn(sheet: Sheet, room: int) -> str | None:
    """A table in lines with no spaces at their ends; None where they would be wider than the room."""
    rows = [[_lines(cell) for cell in row] for row in sheet.rows]
    widths = [
        max((_width(line) for line in (*((column.header,) if sheet.headed else ()), *_all(rows, place))), default=0)
        for place, column in enumerate(sheet.columns)
    ]
    between = sheet.gap + sheet.headed
    whole = sum(widths) + between * (len(widths) - 1)
    if whole > room:
        return None
    lines = []
    if sheet.headed:
        lines = [_joined([column.header for column in sheet.columns], sheet, widths), "─" * whole]
    for row in rows:
        for number in range(max(map(len, row))):
            lines.append(_joined([cell[number] if number < len(cell) else "" for cell in row], sheet, widths))
    return "".join(f"{line}\n" for line in lines)


def _lines(cell: Cell) -> list[str]:
    return [figures.literal(cell)] if isinstance(cell, str) else [figures.literal(text) for text, _ in cell]


def _all(rows: Sequence[Sequence[list[str]]], place: int) -> list[str]:
    return [line for row in rows for line in row[place]]


def _joined(cells: Sequence[str], sheet: Sheet, widths: Sequence[int]) -> str:
    padded = []
    for cell, column, width in zip(cells, sheet.columns, widths, strict=True):
        spaces = " " * (width - _width(cell))
        padded.append(spaces + cell if column.right else cell + spaces)
    return (" " * (sheet.gap + sheet.headed)).join(padded).rstrip()


def _width(text: str) -> int:
    """Columns that it takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # of all rich nothing but its table of characters

    return cell_len(text)
