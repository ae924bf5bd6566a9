"""A page as rich draws it: in colour and wrapped, as wide as the screen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from zoo.cli.pages import Cell, Sheet


class DrawnPage:
    """A page on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, text: str) -> None:
        """As a page does."""
        self._console.print(Text(text, style="bold underline"))

    def sheet(self, layouts: Sequence[Callable[[], Sheet]]) -> None:
        """As a page does; where neither fits, the last one is wrapped."""
        drawn = tables.first_fitting(self._console, (partial(_built, layout) for layout in layouts))
        screen.draw(self._console, drawn)

    def say(self, text: str, *, label: str = "") -> None:
        """As a page does."""
        screen.say(self._console, text, label=label)

    def line(self, text: str = "", *, style: str = "") -> None:
        """As a page does."""
        self._console.print(Text(figures.literal(text), style=style), soft_wrap=True)


def _built(layout: Callable[[], Sheet]) -> Table:
    """A table of rich."""
    sheet = layout()
    drawn = tables.table(gap=sheet.gap) if sheet.headed else Table.grid(padding=(0, sheet.gap, 0, 0))
    for column in sheet.columns:
        if sheet.headed:
            tables.column(drawn, column.header, justify="right" if column.right else "left", wrap=column.wrap)
        else:
            drawn.add_column(no_wrap=not column.wrap, overflow="fold" if column.wrap else "ellipsis")
    for row in sheet.rows:
        drawn.add_row(*map(_text, row))
    return drawn


def _text(cell: Cell) -> Text:
    if isinstance(cell, str):
        return tables.name_of(cell)
    if len(cell) == 1:  # then the spaces beside it have its style, too
        return tables.name_of(cell[0][0], style=cell[0][1])
    return Text("\n").join(tables.name_of(text, style=style) for text, style in cell)
