"""What the time of one of our processes goes into, told from what the library says while it works."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from side_by_side.comparing import LIMITS
from side_by_side.table import columns
from zoo.events import DataReady, EpochEnded, Event, Progress, RunEnded, RunStarted, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from side_by_side.processes import Measured

START = "start, and the scan of the pictures"
ROWS = "between rows, and the board"
FROZEN = "frozen pass, its tracing and features to disk"
HEADS = "training of heads"
STAGES = {
    "building the network": "networks built or set back",
    "looking at the inputs": "look at the inputs",
    "compiling the first training step": HEADS,
    "solving the head": HEADS,
    "saving the model": "models saved, and all weights read again",
    "trying the saved model": "saved networks loaded and tried whole",
    "looking at the score": "explanations of scores",
    "scoring the test part": "test score, with decoding and tracing",
}
"""What a stage that the library tells is called here."""


BEGUN: dict[type[Event], str] = {
    DataReady: "worker process until its first row",
    RunStarted: STAGES["building the network"],
    RunEnded: ROWS,
    EpochEnded: HEADS,
}
"""What begins with an event that is no stage."""


def part_of(event: Event) -> str | None:
    """What begins with an event; None where what was goes on."""
    if isinstance(event, Stage):
        return STAGES.get(event.text, event.text)
    if isinstance(event, Progress) and event.task.startswith("computing frozen features"):
        return FROZEN
    return BEGUN.get(type(event))


def spent() -> float:
    """CPU seconds of this process and its children, ended ones too."""
    import psutil

    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.Error:
            continue
        total += own.user + own.system
    return total


class Parts:
    """Adds up wall and CPU seconds between events, under the name of the event that began them.

    With worker processes an event arrives a moment after it happened; the parts of one row follow each other, so with
    one worker nothing is counted twice.

    Args:
        began: Seconds since the epoch when the process was started.
        clock: Seconds since the epoch.
        cpu: CPU seconds up to now.
    """

    def __init__(self, began: float, clock: Callable[[], float] = time.time, cpu: Callable[[], float] = spent) -> None:
        self._clock, self._cpu = clock, cpu
        self._part, self._wall, self._used = START, began, 0.0
        self._parts: dict[str, list[float]] = {}

    def see(self, event: Event) -> None:
        """Takes the next event in."""
        name = part_of(event)
        if name is not None and name != self._part:
            self._close()
            self._part = name

    def _close(self) -> None:
        wall, used = self._clock(), self._cpu()
        part = self._parts.setdefault(self._part, [0, 0.0, 0.0])
        part[0] += 1
        part[1] += wall - self._wall
        part[2] += used - self._used
        self._wall, self._used = wall, used

    def over(self) -> dict[str, list[float]]:
        """Of each part how often there was one, its wall seconds and its CPU seconds, in the order of the first."""
        self._close()
        return self._parts


def table(runs: list[Measured]) -> str:
    """What each process of ours did, part by part, and what is beyond the limit where that was measured beside it."""
    texts = []
    limits = {run.repeat: run for run in runs if run.contender == "limit"}
    for run in runs:
        parts: dict[str, list[float]] = run.answer.get("parts") or {}
        if run.contender in LIMITS or not parts:
            continue
        lines: list[tuple[str, ...]] = [
            (f"{run.contender}, repeat {run.repeat + 1}", "times", "seconds", "CPU seconds")
        ]
        lines += [(name, f"{int(n)}", f"{wall:.1f}", f"{used:.1f}") for name, (n, wall, used) in parts.items()]
        rest = run.seconds - sum(wall for _, wall, _ in parts.values())
        lines.append(("end of the process", "1", f"{rest:.1f}", "–"))
        lines.append(("all of it", "", f"{run.seconds:.1f}", _figure(run.cpu_seconds)))
        if run.repeat in limits:
            lines += _beyond(run, limits[run.repeat])
        texts.append(columns(lines))
    return "\n\n".join(texts)


def _beyond(run: Measured, limit: Measured) -> list[tuple[str, ...]]:
    parts: dict[str, Any] = limit.answer.get("parts", {})
    known = run.cpu_seconds is not None and limit.cpu_seconds is not None
    beyond = run.cpu_seconds - limit.cpu_seconds if known else None  # type: ignore[operator]
    return [
        ("the limit", "", f"{limit.seconds:.1f}", _figure(limit.cpu_seconds)),
        *((f"  {name}", "", f"{seconds:.1f}", "–") for name, seconds in parts.items()),
        ("beyond the limit", "", f"{run.seconds - limit.seconds:.1f}", _figure(beyond)),
    ]


def _figure(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f}"
