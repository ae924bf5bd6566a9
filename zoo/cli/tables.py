"""Tables that suit the width they get: the first of several layouts that fits, none cut off."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, cast

from rich import box
from rich.cells import cell_len
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from zoo import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console, JustifyMethod, RenderableType

_UNLIMITED = 10_000


def table(*, gap: int = 2) -> Table:
    """An empty table: a line under the header, none elsewhere; `gap` columns between two cells."""
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap, 0, 0),
        collapse_padding=True,
        header_style="bold",
    )


def column(to: Table, header: str, *, justify: JustifyMethod = "left", wrap: bool = False) -> None:
    """Adds a column whose cells stay in one line, or are wrapped between words and, if need be, inside them."""
    to.add_column(Text(header), justify=justify, no_wrap=not wrap, overflow="fold", vertical="top")


def first_fitting(console: Console, layouts: Iterable[Callable[[], Table]]) -> Table:
    """The first layout whose natural width the console has; else the last, which must be able to wrap."""
    drawn = None
    for layout in layouts:
        drawn = layout()
        _fix_widths(console, drawn)
        if natural_width(console, drawn) <= console.width:
            return _in_one_row(drawn)
        for one in drawn.columns:
            one.width = None
    if drawn is None:
        message = "there is no layout"
        raise ValueError(message)
    return drawn


def _fix_widths(console: Console, drawn: Table) -> None:
    """Gives each column the width of its widest line.

    rich would find the same widths, but it measures every cell anew each time it is asked, which takes longer than
    writing the table.
    """
    for one in drawn.columns:
        one.width = max((_widest_line(console, cell) for cell in (one.header, *one.cells)), default=0)


def _widest_line(console: Console, cell: RenderableType) -> int:
    if isinstance(cell, Text):
        return max(map(cell_len, cell.plain.splitlines()), default=0)
    return natural_width(console, cell)


def _in_one_row(drawn: Table) -> Table:
    """The same table with all lines in one row, where each cell is one plain line.

    It looks the same, and rich writes it several times as fast: it lays out each cell with much ado.
    """
    rows_matter = drawn.show_lines or drawn.row_styles or any(row.style or row.end_section for row in drawn.rows)
    if rows_matter or not drawn.rows or not all(_is_plain_line(cell) for one in drawn.columns for cell in one.cells):
        return drawn
    joined = copy(drawn)
    joined.columns = [one.copy() for one in drawn.columns]
    joined.rows = []
    joined.add_row(*(Text("\n").join(cast("Iterable[Text]", one.cells)) for one in drawn.columns))
    return joined


def _is_plain_line(cell: RenderableType) -> bool:
    """Whether nothing is lost when it becomes one of the lines of a longer text."""
    if not isinstance(cell, Text) or cell.style or cell.spans or len(cell.plain.splitlines()) > 1:
        return False
    return cell.justify is None and cell.overflow is None and cell.no_wrap is None


def natural_width(console: Console, renderable: RenderableType) -> int:
    """Columns that something takes if nothing is wrapped."""
    return Measurement.get(console, console.options.update(max_width=_UNLIMITED), renderable).maximum


def relax(drawn: Table, console: Console) -> None:
    """Lets every column wrap where those that may not are together wider than the console."""
    if Measurement.get(console, console.options.update(max_width=_UNLIMITED), drawn).minimum > console.width:
        for one in drawn.columns:
            one.no_wrap = False


def name_of(text: str, *, style: str = "") -> Text:
    """Foreign text for a cell, shown to the letter."""
    return Text(figures.literal(text), style=style)


def broken(text: str, width: int) -> str:
    """A spec or title in lines of at most `width` characters where it can be: broken behind `·`, `,`, `:` and `/`.

    A part that is longer than that stays whole.
    """
    lines, line, part = [], "", ""
    for char in text:
        part += char
        if char in " ,:/":
            if line and len((line + part).rstrip()) > width:
                lines.append(line.rstrip())
                line = "  "
            line, part = line + part, ""
    if line.strip() and len(line + part) > width:
        lines.append(line.rstrip())
        line = "  "
    return "\n".join([*lines, line + part])
