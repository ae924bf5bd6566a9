"""One process from start to end: how long it took, and how much memory it and its children held."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from side_by_side.work import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRID = Path(__file__).resolve().parents[1] / "grid.py"
ROOT = GRID.parents[1]
EVERY = 0.2
"""Seconds between two looks at the memory."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One process that ran to its end.

    Attributes:
        contender: Who ran.
        repeat: Counted from 0.
        place: In the order of this repeat, counted from 0.
        seconds: From start to end.
        cpu_seconds: Of all processors, its children included; None where the system does not tell.
        peak_bytes: Most resident memory of the process and its children together (pages that they share count for
            each); without psutil the largest of them alone.
        load: Of the machine, one minute, when it began; None where the system does not tell.
        answer: What it wrote, `rows` left out.
        rows: What became of the grid.
    """

    contender: str
    repeat: int
    place: int
    seconds: float
    cpu_seconds: float | None
    peak_bytes: int | None
    load: float | None
    answer: dict[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


class ProcessFailedError(Exception):
    """A process ended without an answer; the text is the end of what it printed."""


class Watch:
    """Looks at the resident memory of a process and its children, a few times a second, in a thread."""

    def __init__(self, pid: int) -> None:
        self.peak: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        if importlib.util.find_spec("psutil"):
            self._thread.start()

    def _look(self, pid: int) -> None:
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            while not self._over.wait(EVERY):
                self.peak = max(self.peak or 0, sum(resident(process)))

    def stop(self) -> int | None:
        """The peak in bytes; None if it is not known."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        return self.peak


def resident(process: Any) -> tuple[int, int]:  # noqa: ANN401 - of psutil, which may be missing
    """Bytes of resident memory of a process, and of all its children together."""
    import psutil

    def held(one: Any) -> int:  # noqa: ANN401 - as above
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            return int(one.memory_info().rss)
        return 0

    return held(process), sum(held(child) for child in process.children(recursive=True))


def own_peak() -> int:
    """Largest resident memory in bytes that this process, or one of its children, ever had; 0 if it is not known."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    whom = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return unit * max(resource.getrusage(one).ru_maxrss for one in whom)


def spent() -> float | None:
    """CPU seconds of all children of this process that have ended."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load() -> float | None:
    """Average number of processes that wanted to run in the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def child_words(kind: str, request: Path) -> list[str]:
    """The command line of a process of ours that does the work in a file."""
    return [sys.executable, str(GRID), "--child", kind, str(request)]


def run(
    words: Sequence[str],
    *,
    answer: Path,
    environment: Mapping[str, str],
    contender: str,
    repeat: int = 0,
    place: int = 0,
) -> Measured:
    """Starts a process, waits for its end and measures it.

    Raises:
        ProcessFailedError: If it fails.
    """
    before, at_start = spent(), load()
    log = answer.with_suffix(".log")
    with log.open("wb") as printed:
        began = time.perf_counter()
        process = subprocess.Popen(words, env=dict(environment), stdout=printed, stderr=subprocess.STDOUT, cwd=ROOT)
        watch = Watch(process.pid)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - began
    peak, after = watch.stop(), spent()
    if code or not answer.is_file():
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise ProcessFailedError(f"{contender} failed with exit code {code}:\n{tail}")
    found = json.loads(answer.read_text(encoding="utf-8"))
    return Measured(
        contender=contender,
        repeat=repeat,
        place=place,
        seconds=seconds,
        cpu_seconds=None if before is None or after is None else after - before,
        peak_bytes=peak or found.pop("own_peak", None) or None,
        load=at_start,
        answer={name: value for name, value in found.items() if name not in {"rows", "own_peak"}},
        rows=tuple(Row(**row) for row in found.get("rows", ())),
    )
