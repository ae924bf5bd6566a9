"""How much memory work may take unasked."""

from __future__ import annotations

from pathlib import Path

import psutil

_GIB = 2**30


def default_limit() -> int:
    """Bytes of pixels, or of features, that may be held: a quarter of what this process can have, at most 4 GiB."""
    return min(4 * _GIB, _memory() // 4)


def _memory() -> int:
    """Physical memory in bytes, or the limit of the container where that is lower."""
    memory = int(psutil.virtual_memory().total)
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one with the limit `max`
        return memory
