"""Keeps TensorFlow's greeting off the terminal.

While it is imported its libraries write to file descriptor 2 that oneDNN is on and which instructions they use, below
any log level and past `sys.stderr`. Whatever else is written meanwhile is passed on at once, a display that is redrawn
included.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2
_BEGINNINGS = (b"WARNING: All log messages before absl::", b"I0000 ", b"To enable the following instructions:")
"""Of lines that are looked at as a whole."""

_GREETING = re.compile(rb"WARNING: All|To enable|I0000 .*(port|cpu_feature_guard)\.cc:")


@contextlib.contextmanager
def without_greeting() -> Iterator[None]:
    """Leads what is written to file descriptor 2 through a pipe that leaves the lines of the greeting out."""
    try:
        own = os.dup(_STDERR)
    except OSError:  # there is no standard error
        yield
        return
    source, sink = os.pipe()
    os.dup2(sink, _STDERR)
    os.close(sink)
    reader = threading.Thread(target=_pass_on, args=(source, own), name="zoo-greeting", daemon=True)
    reader.start()
    try:
        yield
    finally:
        os.dup2(own, _STDERR)  # closes the last writing end, so that the reader comes to its end
        reader.join()
        os.close(source)
        os.close(own)


def _pass_on(source: int, target: int) -> None:
    """Copies from one descriptor to another until the first ends, without lines of the greeting."""
    waiting, fresh = b"", True
    while chunk := os.read(source, 1 << 16):
        waiting += chunk
        while waiting:
            end = waiting.find(b"\n") + 1
            if fresh and not end and _may_be_greeting(waiting):
                break  # the rest of the line tells
            end = end or len(waiting)
            if not (fresh and _GREETING.match(waiting[:end])):
                _write(target, waiting[:end])
            fresh, waiting = waiting[:end].endswith(b"\n"), waiting[end:]
    if not _GREETING.match(waiting):
        _write(target, waiting)


def _may_be_greeting(text: bytes) -> bool:
    return any(text.startswith(beginning) or beginning.startswith(text) for beginning in _BEGINNINGS)


def _write(target: int, rest: bytes) -> None:
    while rest:
        rest = rest[os.write(target, rest) :]
