"""How long the commands that need no Keras take, beside a Python that does nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from side_by_side import processes
from side_by_side.table import columns

RUNS = 15
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "zoo --help": ("-m", "zoo", "--help"),
    "zoo list": ("-m", "zoo", "list"),
}
GOAL = 10.0
"""Times as long as `python -c pass`, at most."""


def measure(runs: int = RUNS) -> dict[str, Any]:
    """Seconds of every run of every command, all in turn, after one of each to warm up.

    That one compiles all modules, as installing does; where nothing may be kept in the source tree
    (`PYTHONDONTWRITEBYTECODE`), every run would do that again.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-bytecode-") as folder:
        return _measure(runs, folder)


def _measure(runs: int, folder: str) -> dict[str, Any]:
    paths = [str(processes.ROOT), os.environ.get("PYTHONPATH", "")]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, words in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], env=variables, stdout=subprocess.DEVNULL, check=True)
            if turn:
                times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in times.items()}
    nothing = medians["python -c pass"]
    return {"seconds": times, "ratios": {name: median / nothing for name, median in medians.items()}, "goal": GOAL}


def table(found: dict[str, Any]) -> str:
    """Medians and their ratios."""
    lines = [("command", "median ms", "times python -c pass", "goal")]
    for name, ratio in found["ratios"].items():
        median = 1000 * statistics.median(found["seconds"][name])
        lines.append(
            (name, f"{median:.0f}", f"{ratio:.1f}", "–" if name == "python -c pass" else f"≤ {found['goal']:g}")
        )
    return columns(lines)
