"""Keeps TensorFlow's greeting off the terminal.

While it is imported its libraries write to file descriptor 2 that oneDNN is on and which instructions they use, below
any log level and past `sys.stderr`. Whatever else is written meanwhile is passed on.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2
_GREETING = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog\(\)|I\d{4} .*(port\.cc|cpu_feature_guard\.cc)"
    rb"|To enable the following instructions:)[^\n]*\n?"
)


@contextlib.contextmanager
def without_greeting() -> Iterator[None]:
    """Holds back what is written to file descriptor 2 and gives it back at the end, without the greeting."""
    with contextlib.ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile(prefix="zoo-stderr-"))
            own = os.dup(_STDERR)
        except OSError:  # no standard error, or nowhere to keep it: then it is written where it goes
            yield
            return
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(own, _STDERR)
            kept.seek(0)
            rest = _GREETING.sub(b"", kept.read())
            while rest:
                rest = rest[os.write(own, rest) :]
            os.close(own)
