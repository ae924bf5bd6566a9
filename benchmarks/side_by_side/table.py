"""What is measured, as text for a page."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from side_by_side.comparing import Difference, Ratio
    from side_by_side.processes import Measured

MIB = 2**20


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Lines of equal columns; the first is set to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def table_of_runs(runs: Sequence[Measured]) -> str:
    """Medians over the repeats of everybody's time and peak memory, and the mean accuracy of the rows."""
    lines = [("median of repeats", "seconds", "CPU seconds", "peak MiB", "mean accuracy", "oneDNN")]
    for name in dict.fromkeys(run.contender for run in runs):
        own = [run for run in runs if run.contender == name]
        scores = [row.accuracy for run in own for row in run.rows if row.accuracy is not None]
        lines.append(
            (
                name,
                f"{statistics.median(run.seconds for run in own):.1f}",
                _median((run.cpu_seconds for run in own), 1),
                _median((None if run.peak_bytes is None else run.peak_bytes / MIB for run in own), 0),
                f"{statistics.fmean(scores):.3f}" if scores else "–",
                {True: "on", False: "off"}.get(own[0].answer.get("onednn"), "–"),  # type: ignore[arg-type]
            )
        )
    return columns(lines)


def _median(values: Iterable[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.{digits}f}" if known else "–"


def table_of_ratios(found: Sequence[Ratio]) -> str:
    """Each ratio's median over repeats, its least and greatest, and the goal."""
    lines: list[tuple[str, ...]] = [
        ("ratio of times", "median", "least", "greatest", "of CPU seconds", "goal", "reached")
    ]
    for ratio in found:
        sign = "≥" if ratio.at_least else "≤"
        lines.append(
            (
                f"{ratio.over} : {ratio.under}",
                *(f"{value:.2f}" for value in (ratio.median, min(ratio.each), max(ratio.each))),
                f"{statistics.median(ratio.cpu):.2f}" if ratio.cpu else "–",
                "–" if ratio.goal is None else f"{sign} {ratio.goal:g}",
                {True: "yes", False: "no", None: "–"}[ratio.reached],
            )
        )
    return columns(lines)


def table_of_accuracies(found: Sequence[Difference]) -> str:
    """Mean accuracies beside one another, and whether they differ by more than noise."""
    lines: list[tuple[str, ...]] = [("mean accuracy", "rows", "ours", "theirs", "worst row", "noise", "not below")]
    lines += [
        (
            f"ours, {one.contender}",
            str(one.rows),
            *(f"{value:.3f}" for value in (one.ours, one.others)),
            f"{round(one.worst, 3) + 0:+.3f}",
            f"± {one.noise:.3f}",
            "yes" if one.equal_or_better else "no",
        )
        for one in found
    ]
    return columns(lines)


def troubles(runs: Sequence[Measured]) -> Iterator[str]:
    """A line for each row that did not finish."""
    for run in runs:
        for row in run.rows:
            if row.status != "finished":
                name = " × ".join(map(str, row.key))
                yield f"{run.contender}, repeat {run.repeat + 1}: {name}: {row.status}: {row.reason}"
