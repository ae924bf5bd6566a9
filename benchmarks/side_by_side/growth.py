"""Resident memory after each of many rows of one call."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from side_by_side.table import MIB, columns

if TYPE_CHECKING:
    from side_by_side.work import Work
    from zoo.events import Event

SETTLED = 5
"""Rows after which memory is not to grow."""
GOAL = 2.0
"""MB (10**6 bytes) a row after these, at most."""


def run(work: Work) -> dict[str, Any]:
    """Trains the grid in this process; resident bytes of it and of its children after each row."""
    import psutil

    from side_by_side import ours
    from side_by_side.processes import resident
    from zoo.events import RunEnded

    held: list[tuple[int, int]] = []
    rows, names = [], ours.asked_names(work)
    process = psutil.Process()

    def observe(event: Event) -> None:
        if isinstance(event, RunEnded):
            held.append(resident(process))
            rows.append(ours.row_of(event.record, names))

    ours.compare(work, observe)
    return {"rows": rows, "resident": held, "growth": growth(held)}


def growth(held: list[tuple[int, int]]) -> dict[str, float]:
    """MB a row after the fifth, of the parent, of its workers and of both: from the fifth to the last, and by a line.

    The line is Theil and Sen's, the median slope of all pairs of rows: one row that needs more does not move it.
    """
    found = {}
    sides = {"parent": [own for own, _ in held], "workers": [theirs for _, theirs in held]}
    sides["together"] = [own + theirs for own, theirs in held]
    for name, values in sides.items():
        later = values[SETTLED - 1 :]
        if len(later) < 2:  # noqa: PLR2004 - a slope needs two rows
            continue
        found[f"{name}, fifth to last"] = (later[-1] - later[0]) / (len(later) - 1) / 1e6
        slopes = [(later[j] - later[i]) / (j - i) for i in range(len(later)) for j in range(i + 1, len(later))]
        found[f"{name}, median slope"] = statistics.median(slopes) / 1e6
    return found


def table(answer: dict[str, Any]) -> str:
    """Memory after some rows, and its growth."""
    held = answer["resident"]
    shown = sorted({0, SETTLED - 1, *range(9, len(held), 5), len(held) - 1} & set(range(len(held))))
    lines: list[tuple[str, ...]] = [("after row", "parent MiB", "workers MiB")]
    lines += [(str(i + 1), *(f"{value / MIB:.0f}" for value in held[i])) for i in shown]
    rates = [("growth after the fifth row", "MB a row", "goal")]
    rates += [(name, f"{value:+.2f}", f"≤ {GOAL:g}") for name, value in answer["growth"].items()]
    return f"{columns(lines)}\n\n{columns(rates)}"
