"""The table of a board in several layouts, from all columns side by side to names stacked for 80 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from zoo import figures
from zoo.cli import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import JustifyMethod
    from rich.table import Table

    from zoo.rows import Board, Row

NAMES = ("backbone", "head", "policy", "augmentation", "settings")
"""What a row is called by, in the order of its title."""

METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced"}
"""Headers of the two metrics."""

_NAME_WIDTH = 27
"""Characters of a stacked name before it is broken: with it the table fits 80 columns."""

_BASELINE = "dim italic"

STATUS_STYLES = {
    "finished": "green",
    "running": "cyan",
    "not learning in inference mode": "yellow",
    "interrupted": "yellow",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, what stands in it for a row, and how it is set."""

    header: str
    cell: Callable[[Row], str]
    justify: JustifyMethod = "left"
    wrap: bool = False


def varying(board: Board) -> tuple[str, ...]:
    """The names in which trained rows differ; backbone and policy always count as such."""
    rows = trained(board)
    return tuple(
        name for name in NAMES if name in {"backbone", "policy"} or len({getattr(row, name) for row in rows}) > 1
    )


def trained(board: Board) -> tuple[Row, ...]:
    """The rows that are no baselines."""
    return tuple(row for row in board.rows if row.kind == "run")


def title(row: Row, names: Sequence[str]) -> str:
    """A row by those of its names that tell it from others."""
    return " · ".join(figures.literal(part) for name in names if (part := getattr(row, name)))


def layouts(board: Board) -> Iterator[Callable[[], Table]]:
    """Layouts from the widest to the narrowest. What is left out of a narrower one is told below the table."""
    few = varying(board)
    yield lambda: _drawn(board, [*_side_by_side(board, NAMES), _status(), *_seeds()], gap=2)
    yield lambda: _drawn(board, [*_side_by_side(board, few), *_changing(board)], gap=2)
    yield lambda: _drawn(board, [*_side_by_side(board, few), *_changing(board)], gap=0)
    for gap in (1, 0):
        yield lambda gap=gap: _drawn(board, [*_stacked(board, few), *_changing(board)], gap=gap)  # type: ignore[misc]
    for gap in (1, 0):
        yield lambda gap=gap: _drawn(board, _stacked(board, few, told=True), gap=gap)  # type: ignore[misc]
    yield lambda: _drawn(board, _stacked(board, few, told=True)[:3], gap=0)


def _drawn(board: Board, columns: Sequence[Column], *, gap: int) -> Table:
    drawn = tables.table(gap=gap)
    for one in columns:
        tables.column(drawn, one.header, justify=one.justify, wrap=one.wrap)
    for row in board.rows:
        cells = [Text(one.cell(row)) for one in columns]
        for one, cell in zip(columns, cells, strict=True):
            if row.kind == "run" and one.header in {"status", "row"}:
                cell.highlight_words([short_status(row)], STATUS_STYLES.get(row.status, "red"))
        style = _BASELINE if row.kind == "baseline" else "bold" if row.recommended else ""
        drawn.add_row(*cells, style=style)
    return drawn


def _side_by_side(board: Board, names: Sequence[str]) -> list[Column]:
    other = "balanced_accuracy" if board.metric == "accuracy" else "accuracy"
    shown = [name for name in names if name != "settings" or any(row.settings for row in board.rows)]
    return [
        Column("", _mark),
        *(Column(name, _name(name), wrap=True) for name in shown),
        Column(METRICS[board.metric], lambda row: f"{figures.share(row.score)} {_interval(row)}".rstrip()),
        Column(METRICS[other], lambda row: figures.share(getattr(row, other)), "right"),
        Column("trained", lambda row: _weights(row, row.trainable), "right"),
        Column("total", lambda row: _weights(row, row.total), "right"),
        *_cost(),
    ]


def _stacked(board: Board, names: Sequence[str], *, told: bool = False) -> list[Column]:
    """Columns of a table whose rows take several lines; `told` puts seeds and status below the names."""
    other = "balanced_accuracy" if board.metric == "accuracy" else "accuracy"
    return [
        Column("", _mark),
        Column("row", lambda row: _lines(row, names, told=told), wrap=True),
        Column(METRICS[board.metric], lambda row: f"{figures.share(row.score)}\n{_interval(row)}".rstrip()),
        Column(METRICS[other], lambda row: figures.share(getattr(row, other)), "right"),
        Column("trained", _both_weights, "right"),
        *_cost(),
    ]


def _cost() -> list[Column]:
    return [
        Column("time", lambda row: figures.duration(row.seconds or None), "right"),
        Column("ms/\nimage", lambda row: figures.milliseconds(row.milliseconds_per_image), "right"),
    ]


def _seeds() -> list[Column]:
    return [Column("seeds", _seeds_cell, "right")]


def _status() -> Column:
    return Column("status", lambda row: short_status(row) if row.kind == "run" else figures.MISSING)


def _changing(board: Board) -> list[Column]:
    """Seeds and status where they are not the same for all trained rows."""
    rows = trained(board)
    columns = _seeds() if len({_seeds_cell(row) for row in rows}) > 1 else []
    return [*columns, _status()] if len({row.status for row in rows}) > 1 else columns


def _seeds_cell(row: Row) -> str:
    if row.kind == "baseline":
        return figures.MISSING
    return f"{row.seeds}/{row.seeds + row.failed}" if row.failed else str(row.seeds)


def short_status(row: Row) -> str:
    """The status in one or two words."""
    return "not learning" if row.status == "not learning in inference mode" else row.status


def _mark(row: Row) -> str:
    place = figures.MISSING if row.rank is None else str(row.rank)
    return f"{place}{'*' if row.recommended else ''}{'=' if row.tied_with_best else ''}"


def _name(name: str) -> Callable[[Row], str]:
    return lambda row: figures.literal(getattr(row, name)) or figures.MISSING


def _lines(row: Row, names: Sequence[str], *, told: bool) -> str:
    """The backbone, below it what else tells the row from others, and below that, if asked for, what went wrong."""
    rest = title(row, [name for name in names if name != "backbone"])
    trouble = [short_status(row)] if row.status != "finished" else []
    trouble += [f"{_seeds_cell(row)} seeds"] if row.failed and row.seeds else []
    lines = (figures.literal(row.backbone), rest, ", ".join(trouble) if told else "")
    return "\n".join(tables.broken(line, _NAME_WIDTH) for line in lines if line)


def _interval(row: Row) -> str:
    return figures.interval(row.low, row.high)


def _weights(row: Row, number: int) -> str:
    return figures.count(number if row.kind == "run" and row.total else None)


def _both_weights(row: Row) -> str:
    if row.kind == "baseline" or not row.total:
        return figures.MISSING
    return f"{figures.count(row.trainable)}\nof {figures.count(row.total)}"
