"""What `zoo scout` shows: backbones with their scores and costs, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from zoo.candidates import Candidate, Measure, Ranking

HEADERS = {"probe": "linear probe", "neighbours": "neighbours", "log_me": "LogME"}
_NAMED = 4


def show_ranking(console: Console, found: Ranking, *, data: str) -> None:
    """The table, then failures, what the marks mean, how far the ranking can be trusted, and the next command."""
    layouts = [lambda width=width: _drawn(found, width=width) for width in range(4)]
    screen.draw(console, tables.first_fitting(console, layouts))
    console.print()
    for one in found.candidates:
        if one.reason:
            screen.say(console, f"{figures.literal(one.backbone)}: {one.reason}", label="failed")
    for label, text in _lines(found, data):
        screen.say(console, text, label=label)


def _lines(found: Ranking, data: str) -> Iterator[tuple[str, str]]:
    of = f" of {found.training:,}, drawn evenly from the classes" if found.pictures < found.training else ""
    pictures = f"{figures.counted(found.pictures, 'training picture')}{of}"
    yield "basis", f"{pictures}; validation and test pictures were not looked at; {figures.duration(found.seconds)}"
    ties = sum(one.tied_with_best for one in found.candidates)
    if ties:
        text = f"= {figures.counted(ties, 'row')} cannot be told from the first at the 5 % level"
        yield "ties", f"{text}; * is the cheapest of these"
    if found.reliability:
        yield "trust", found.reliability
    if found.absent:
        rest = len(found.absent) - _NAMED
        named = ", ".join(found.absent[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        number = figures.counted(len(found.absent), "backbone")
        yield "note", f"{number} left out, whose weights are not on this machine (--download fetches them): {named}"
    if found.unfit:
        yield "note", f"{figures.counted(len(found.unfit), 'backbone')} left out that this Keras backend cannot build"
    if found.best is not None:
        names = [one.backbone for one in found.candidates if one.recommended or one.tied_with_best or one.rank == 1]
        yield "next", f"zoo compare {_quoted(data)} " + " ".join(f"-b {_quoted(name)}" for name in names[:_NAMED])


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _drawn(found: Ranking, *, width: int) -> Table:
    """The table in one of four layouts: 0 is the widest, with all intervals; 3 the narrowest."""
    drawn = tables.table(gap=2 if width < 2 else 1)  # noqa: PLR2004 - the two wide layouts
    tables.column(drawn, "")
    tables.column(drawn, "backbone", wrap=True)
    names = [found.ranked_by, *(name for name in HEADERS if name != found.ranked_by)]
    for name in names if width < 3 else names[:1]:  # noqa: PLR2004 - the narrowest
        tables.column(drawn, HEADERS[name], justify="left" if width == 0 or name == found.ranked_by else "right")
    tables.column(drawn, "weights", justify="right")
    tables.column(drawn, "ms/\nimage", justify="right")
    for one in found.candidates:
        cells = [_measure(one, name, full=width == 0 or name == found.ranked_by) for name in names]
        drawn.add_row(
            Text(_mark(one)),
            tables.name_of(tables.broken(one.backbone, 27) if width > 1 else one.backbone),
            *map(Text, cells if width < 3 else cells[:1]),  # noqa: PLR2004 - as above
            Text(figures.count(one.parameters)),
            Text(figures.milliseconds(one.milliseconds_per_image)),
            style="bold" if one.recommended else "dim" if one.reason else "",
        )
    return drawn


def _mark(one: Candidate) -> str:
    place = figures.MISSING if one.rank is None else str(one.rank)
    return f"{place}{'*' if one.recommended else ''}{'=' if one.tied_with_best else ''}"


def _measure(one: Candidate, name: str, *, full: bool) -> str:
    measure: Measure | None = getattr(one, name)
    if measure is None:
        return "failed" if full else figures.MISSING
    return f"{measure.value:.3f} {figures.interval(measure.low, measure.high)}" if full else f"{measure.value:.3f}"
