"""The table of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from zoo.registry import PluginRecord

_STYLES = {"loaded": "green", "failed": "red", "blocked": "yellow"}


def show_plugins(console: Console, records: Sequence[PluginRecord], *, debug: bool = False) -> None:
    """One row for each plugin; causes of failures are wrapped below the table, with tracebacks if asked for."""
    screen.draw(console, tables.first_fitting(console, (lambda: _wide(records), lambda: _narrow(records))))
    absent = [record for record in records if record.status != "loaded"]
    if absent:
        console.print()
    for record in absent:
        screen.say(console, f"{record.name} ({record.distribution or 'given'}): {record.cause}", label=record.status)
        if debug and record.traceback:
            for line in record.traceback.rstrip().split("\n"):
                console.print(Text(f"    {figures.literal(line)}", style="dim"), soft_wrap=True)
    numbers = {status: sum(record.status == status for record in records) for status in _STYLES}
    said = ", ".join(f"{number} {status}" for status, number in numbers.items() if number) or "none found"
    console.print()
    screen.say(console, f"{figures.counted(len(records), 'plugin')}: {said}.")


def _wide(records: Sequence[PluginRecord]) -> Table:
    drawn = tables.table()
    tables.column(drawn, "plugin")
    tables.column(drawn, "distribution")
    tables.column(drawn, "version")
    tables.column(drawn, "status")
    tables.column(drawn, "items", justify="right")
    tables.column(drawn, "ms", justify="right")
    for record in records:
        drawn.add_row(
            tables.name_of(record.name),
            tables.name_of(record.distribution or "given"),
            tables.name_of(record.version or figures.MISSING),
            Text(record.status, style=_STYLES[record.status]),
            str(len(record.items)),
            f"{record.milliseconds:.0f}",
        )
    return drawn


def _narrow(records: Sequence[PluginRecord]) -> Table:
    """Distribution and version stand below the name, and all may wrap."""
    drawn = tables.table(gap=1)
    tables.column(drawn, "plugin", wrap=True)
    tables.column(drawn, "status")
    tables.column(drawn, "items", justify="right")
    tables.column(drawn, "ms", justify="right")
    for record in records:
        home = f"{record.distribution or 'given'} {record.version}".strip()
        drawn.add_row(
            Text("\n").join([tables.name_of(record.name), tables.name_of(f"  {home}", style="dim")]),
            Text(record.status, style=_STYLES[record.status]),
            str(len(record.items)),
            f"{record.milliseconds:.0f}",
        )
    return drawn
