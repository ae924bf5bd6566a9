"""Room on disks: how much may be taken, and taking it before it is written to."""

from __future__ import annotations

import errno
import os
import re
import shutil
from typing import TYPE_CHECKING

from zoo import figures
from zoo.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

GIB = 2**30

SPARE = GIB
"""Bytes that are left free on a disk, or a twentieth of it where that is less."""

FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What the operating system says when a disk, a quota or a file is full."""

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_BLOCK = b"\0" * 2**20


def free(folder: Path) -> int:
    """Bytes that may still be taken on the disk of a folder, which need not exist: what is free, less the spare."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    usage = shutil.disk_usage(there)
    return usage.free - min(SPARE, usage.total // 20)


def reserve(file: IO[bytes], needed: int, *, folder: Path) -> None:
    """Take the space now: a full disk would otherwise kill the process when a page of a map is written.

    Args:
        file: Open for writing, unbuffered or flushed.
        needed: Bytes, from the beginning of the file.
        folder: Where the file lies.

    Raises:
        OSError: There is no room.
    """
    there = shutil.disk_usage(folder).free
    if there < needed:
        raise OSError(errno.ENOSPC, f"only {figures.amount(there)} are free there")
    if not needed:
        return
    if os.name == "nt":
        file.truncate(needed)  # Windows gives a file its clusters when its length is set
        return
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is None:  # macOS
        _fill(file, needed)
        return
    try:
        allocate(file.fileno(), 0, needed)
    except OSError as error:
        if error.errno in FULL:
            raise
        _fill(file, needed)  # a file system that cannot reserve


def _fill(file: IO[bytes], needed: int) -> None:
    file.seek(0)
    for start in range(0, needed, len(_BLOCK)):
        file.write(_BLOCK[: needed - start])
    file.flush()


def read_amount(text: str | int, *, what: str) -> int:
    """Bytes from `20G`, `500M`, `1.5GiB`, `0` or a whole number. Units are powers of 1024, whatever their spelling.

    Args:
        text: What was given.
        what: What it was given for, such as `--cache-limit`, for the message.

    Raises:
        UsageError: It is no such amount.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(text).lower())
    if isinstance(text, bool) or not found:
        raise UsageError(f"{what} cannot be {text!r}.", hint="Give an amount such as 500M, 20G or 1.5T.")
    return int(float(found[1]) * 1024 ** _UNITS[found[2]])
