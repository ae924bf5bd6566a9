"""Where the cache lies: one folder for everything that can be made again, named by `ZOO_CACHE`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "ZOO_CACHE"
"""Environment variable that names another folder."""


def cache_folder(part: str = "work") -> Path:
    """A part of the cache: a folder in what `ZOO_CACHE` names, else in `keras-zoo` in the platform's own cache.

    That is `%LOCALAPPDATA%` on Windows, `~/Library/Caches` on macOS, and `$XDG_CACHE_HOME` or `~/.cache` elsewhere.

    Args:
        part: Name of the folder: `work` is what `zoo.disk_cache` keeps.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser() / part
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "keras-zoo" / part
