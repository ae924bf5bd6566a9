"""What a measurement ran on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

from side_by_side.processes import load

PACKAGES = ("keras-zoo", "keras", "tensorflow", "tensorflow-cpu", "keras-tuner", "numpy", "Pillow", "psutil")


def machine() -> dict[str, Any]:
    """Processor, memory, system, versions, and how busy it was at the start."""
    return {
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "processor": _processor(),
        "cores": _cores(),
        "memory_bytes": _memory(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "load_at_start": load(),
    }


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _version(name: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None
