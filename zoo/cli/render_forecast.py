"""What `zoo compare --plan` shows: what runs share, and what they will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import figures
from zoo.cli import screen, tables

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from zoo.workload import Forecast, Shared


def show_forecast(console: Console, found: Forecast) -> None:
    """Frozen work that is shared, then time, memory and disk, each at most."""
    to_run = found.runs - found.finished
    screen.say(console, f"{figures.counted(found.runs, 'run')}, {found.finished} of them finished", label="runs")
    if not to_run:
        screen.say(console, "nothing is left to be trained", label="time")
        return
    if found.shared:
        screen.draw(
            console, tables.first_fitting(console, [lambda: _drawn(found, gap=2), lambda: _drawn(found, gap=1)])
        )
        console.print()
    for name, network in found.networks.items():
        source = "timed now, on noise" if network.timed else "from finished runs"
        speed = f"{figures.milliseconds(1000 * network.forward)} ms forward for a picture ({source})"
        screen.say(console, f"{figures.literal(name)}: {network.blocks} blocks, {speed}", label="network")
    if found.downloads:
        names = ", ".join(figures.literal(one) for one in found.downloads)
        screen.say(console, f"fetched on first use, unless they are there already: {names}", label="weights")
    screen.say(
        console,
        f"{figures.counted(found.traced, 'training step')} traced for {figures.counted(to_run, 'run')}",
        label="traced",
    )
    parts = (
        f"frozen work {figures.duration(found.frozen_seconds)}, training {figures.duration(found.training_seconds)}, "
    )
    parts += f"the rest {figures.duration(found.other_seconds)}"
    screen.say(console, f"at most about {figures.duration(found.seconds)}: {parts}", label="time")
    each = " for each worker" if found.jobs > 1 else ""
    screen.say(console, f"about {figures.amount(found.memory)}{each}", label="memory")
    disk = f"pixels {figures.amount(found.pixels)}, features {figures.amount(found.features)}, "
    disk += f"models {figures.amount(found.models)}; {figures.amount(found.free)} free"
    screen.say(console, disk, label="disk")
    screen.say(console, "Times assume that every epoch runs, and that no features are in the cache yet.")


def _drawn(found: Forecast, *, gap: int) -> Table:
    drawn = tables.table(gap=gap)
    tables.column(drawn, "frozen work, done once", wrap=True)
    tables.column(drawn, "pictures", justify="right")
    tables.column(drawn, "features", justify="right")
    tables.column(drawn, "runs", justify="right")
    tables.column(drawn, "for rows", wrap=True)
    for one in found.shared:
        drawn.add_row(
            tables.name_of(f"{one.network}, {one.boundary} of {one.blocks} blocks"),
            f"{one.pictures:,}",
            figures.amount(one.bytes),
            str(one.runs),
            tables.name_of(_rows(one)),
        )
    return drawn


def _rows(one: Shared) -> str:
    """Heads and policies of the rows, without the backbone, which stands in the first column."""
    names = [" · ".join(title.split(" · ")[1:3]) for title in one.rows]
    return ", ".join(dict.fromkeys(names))
