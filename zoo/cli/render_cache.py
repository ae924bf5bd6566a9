"""The table of what is in the cache on disk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo import figures
from zoo.channels import words
from zoo.cli import screen, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from zoo.disk_cache import DiskCache, Entry

_ORDER = ("data", "backbone", "boundary", "part", "size", "channels", "pictures")


def show_entries(console: Console, kept: DiskCache) -> None:
    """One row for each entry, the most recently used first; below it the total, the limit and the folder."""
    entries = kept.entries()
    if entries:
        screen.draw(console, _table(console, entries))
        console.print()
    screen.say(console, _summary(kept, entries))


def show_removed(console: Console, kept: DiskCache, removed: Sequence[Entry]) -> None:
    """What has gone, and what is left."""
    if removed:
        screen.draw(console, _table(console, removed))
        console.print()
    freed = figures.amount(sum(entry.bytes for entry in removed))
    said = f"Removed {figures.counted(len(removed), 'entry', 'entries')}, {freed}." if removed else "Nothing to remove."
    screen.say(console, f"{said} Left: {_summary(kept, kept.entries())}")


def _summary(kept: DiskCache, entries: Sequence[Entry]) -> str:
    total = figures.amount(sum(entry.bytes for entry in entries))
    number = figures.counted(len(entries), "entry", "entries")
    return f"{number}, {total} of at most {figures.amount(kept.limit)}, in {kept.folder}"


def _table(console: Console, entries: Sequence[Entry]) -> Table:
    return tables.first_fitting(console, (lambda: _drawn(entries, gap=2), lambda: _drawn(entries, gap=1)))


def _drawn(entries: Sequence[Entry], *, gap: int) -> Table:
    drawn = tables.table(gap=gap)
    tables.column(drawn, "kind")
    tables.column(drawn, "what", wrap=True)
    tables.column(drawn, "size", justify="right")
    tables.column(drawn, "last used", justify="right")
    now = datetime.now(UTC)
    for entry in entries:
        age = now - datetime.fromisoformat(entry.last_used)
        drawn.add_row(
            tables.name_of(entry.kind),
            tables.name_of(_what(entry)),
            figures.amount(entry.bytes),
            figures.ago(age.total_seconds()),
        )
    return drawn


def _what(entry: Entry) -> str:
    """`photos · train · 224 px · RGB · 768 pictures`."""
    about = dict(entry.about)
    parts = [_part(name, about.pop(name)) for name in _ORDER if name in about]
    return " · ".join([*parts, *(_part(name, value) for name, value in about.items())])


def _part(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, int):
        return f"{name} {value}"
    known = {"size": f"{value} px", "channels": words(value), "pictures": figures.counted(value, "picture")}
    return known.get(name, f"{name} {value}")
