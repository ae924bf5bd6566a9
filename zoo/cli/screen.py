"""Where the command line writes: results on stdout, everything else on stderr. Nothing is parsed as markup."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, TextIO

from zoo import figures
from zoo.cli.pages import PlainPage, TooNarrow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console, RenderableType

    from zoo.cli.pages import Page

_PIPED = 200
"""Columns where there is no terminal: tables are then as wide as they need to be."""

_FORCING = frozenset({"FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS", "JUPYTER_LINES"})
"""Variables by which rich takes something for a terminal that is none."""

_STYLES = {"warning": "yellow", "note": "cyan", "error": "red", "hint": "cyan", "why": "magenta"}


def results() -> Console:
    """The console on stdout."""
    return _console(sys.stdout)


def errors() -> Console:
    """The console on stderr."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    width = _PIPED if _is_unbounded(stream) else None
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def show(draw: Callable[[Page], None]) -> None:
    """Lets a command draw a page on stdout: once or, where the first attempt finds no room, twice."""
    if _is_plain(sys.stdout):
        page = PlainPage(_PIPED)
        with suppress(TooNarrow):
            draw(page)
            sys.stdout.write(page.text)
            return
    from zoo.cli.drawn_pages import DrawnPage

    draw(DrawnPage(results()))


def _is_plain(stream: TextIO) -> bool:
    """Whether rich would write neither styles nor other signs for lines there."""
    forced = not _FORCING.isdisjoint(os.environ)
    return _is_unbounded(stream) and not forced and str(stream.encoding).lower().startswith("utf")


def _is_unbounded(stream: IO[str]) -> bool:
    """Whether lines may be as long as they like: there is no terminal, and no width was asked for."""
    return not stream.isatty() and "COLUMNS" not in os.environ


def is_live(stream: TextIO) -> bool:
    """Whether a display may be redrawn in place there."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def say(console: Console, text: str, *, label: str = "") -> None:
    """A sentence, after a label such as `warning`. In a terminal it is wrapped beside the label, elsewhere one line.

    After the label `next` stands a command, which is never wrapped, so that it can be copied.
    """
    from rich.table import Table
    from rich.text import Text

    style = _STYLES.get(label, "")
    body = Text(figures.sentence(text))
    if _is_unbounded(console.file) or label == "next":
        console.print(Text.assemble((f"{label}: ", style) if label else "", body), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    if label:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*([Text(f"{label}:", style=style)] if label else []), body)
    draw(console, grid)


def draw(console: Console, renderable: RenderableType) -> None:
    """Prints a table or the like, wrapped in all columns rather than cut off where there is no room.

    Where it is no terminal the spaces that fill lines up are left out.
    """
    from rich.table import Table
    from rich.text import Text

    from zoo.cli import tables

    if isinstance(renderable, Table):
        tables.relax(renderable, console)
    if console.file.isatty():
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    console.print(Text(text), end="", soft_wrap=True)


def write_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout, in UTF-8 whatever the locale. What is no valid Unicode becomes JSON escapes."""
    import json

    text = json.dumps(plain(document), ensure_ascii=False, indent=2, allow_nan=False)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stdout.write(text + "\n")


def plain(value: Any) -> Any:  # noqa: ANN401 - anything that is to be JSON
    """A value as JSON has it: records as objects, tuples as lists, NaN and infinities as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return _scalar(value)


def _scalar(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, numbers.Integral):  # NumPy's too
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return str(value)
