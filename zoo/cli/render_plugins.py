"""The table of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import figures
from zoo.cli.pages import Column, Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.cli.pages import Line, Page
    from zoo.registry import PluginRecord

_STYLES = {"loaded": "green", "failed": "red", "blocked": "yellow"}


def show_plugins(page: Page, records: Sequence[PluginRecord], *, debug: bool = False) -> None:
    """One row for each plugin; causes of failures are wrapped below the table, with tracebacks if asked for."""
    page.sheet([lambda: _wide(records), lambda: _narrow(records)])
    absent = [record for record in records if record.status != "loaded"]
    if absent:
        page.line()
    for record in absent:
        page.say(f"{record.name} ({record.distribution or 'given'}): {record.cause}", label=record.status)
        if debug and record.traceback:
            for line in record.traceback.rstrip().split("\n"):
                page.line(f"    {line}", style="dim")
    numbers = {status: sum(record.status == status for record in records) for status in _STYLES}
    said = ", ".join(f"{number} {status}" for status, number in numbers.items() if number) or "none found"
    page.line()
    page.say(f"{figures.counted(len(records), 'plugin')}: {said}.")


def _wide(records: Sequence[PluginRecord]) -> Sheet:
    columns = [Column(header) for header in ("plugin", "distribution", "version", "status")]
    rows = [
        (record.name, record.distribution or "given", record.version or figures.MISSING, *_fate(record))
        for record in records
    ]
    return Sheet([*columns, Column("items", right=True), Column("ms", right=True)], rows)


def _narrow(records: Sequence[PluginRecord]) -> Sheet:
    """Distribution and version stand below the name, and all may wrap."""
    rows = []
    for record in records:
        home = f"{record.distribution or 'given'} {record.version}".strip()
        rows.append(([(record.name, ""), (f"  {home}", "dim")], *_fate(record)))
    columns = [Column("plugin", wrap=True), Column("status"), Column("items", right=True), Column("ms", right=True)]
    return Sheet(columns, rows, gap=1)


def _fate(record: PluginRecord) -> tuple[list[Line], str, str]:
    status: list[Line] = [(record.status, _STYLES[record.status])]
    return status, str(len(record.items)), f"{record.milliseconds:.0f}"
