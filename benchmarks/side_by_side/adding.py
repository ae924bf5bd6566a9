"""What one more head costs in a grid that is finished."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING, Any

from side_by_side import parts
from side_by_side.scenarios import ADDED_HEAD
from side_by_side.table import columns, troubles

if TYPE_CHECKING:
    from side_by_side.contest import Arena
    from side_by_side.processes import Measured

GOAL = 0.1
"""Of the first grid's cost, at most."""


def measure(arena: Arena) -> dict[str, Any]:
    """Runs the grid and then, in a fresh process on the same store, the grid with one more head; several times.

    The cost of the second call is given in three ways: as it is; without what a process needs to start and import
    (measured beside it, and taken from both calls); and as the time of its rows alone, as the library records it.
    """
    runs: list[Measured] = []
    for repeat in range(arena.settings.repeats):
        place = arena.folder / f"grid-{repeat}"
        place.mkdir()
        first = dataclasses.replace(arena.work, store=str(place / "store"))
        second = dataclasses.replace(first, heads=(*first.heads, ADDED_HEAD))
        for name, kind, work in (("start", "importing", arena.work), ("grid", "ours", first), ("more", "ours", second)):
            runs.append(arena.run(kind, work, contender=name, repeat=repeat))
    told = {"parts": parts.table(runs)} if arena.settings.parts else {}
    return (
        told
        | {"runs": [dataclasses.asdict(run) for run in runs], "ratios": ratios_of(runs), "goal": GOAL}
        | {"troubles": list(troubles(runs))}
    )


def ratios_of(runs: list[Measured]) -> dict[str, list[float]]:
    """Of every repeat, the second call's cost over the first's."""
    found: dict[str, list[float]] = {"whole call": [], "without start and imports": [], "time of the rows": []}
    for repeat in sorted({run.repeat for run in runs}):
        start, grid, more = (
            next(run for run in runs if (run.contender, run.repeat) == (name, repeat))
            for name in ("start", "grid", "more")
        )
        found["whole call"].append(more.seconds / grid.seconds)
        without = [max(0.0, run.seconds - start.seconds) for run in (more, grid)]
        found["without start and imports"].append(without[0] / without[1] if without[1] else 0.0)
        times = [sum(row.seconds for row in run.rows) for run in (more, grid)]
        found["time of the rows"].append(times[0] / times[1] if times[1] else 0.0)
    return found


def table(found: dict[str, Any]) -> str:
    """Medians of the ratios."""
    lines = [("one more head : first grid", "median", "least", "greatest", "goal")]
    for name, each in found["ratios"].items():
        figures = (f"{value:.3f}" for value in (statistics.median(each), min(each), max(each)))
        lines.append((name, *figures, f"≤ {found['goal']:g}"))
    text = "\n".join([columns(lines), *found["troubles"]])
    return f"{text}\n\n{found['parts']}" if found.get("parts") else text
