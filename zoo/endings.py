"""How worker processes end, in words."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.values import RunRecord

OUT_OF_MEMORY = "Out of memory"
"""The beginning of the reason of every run that memory ran out for."""

_WINDOWS = {
    0xC0000005: "access violation",
    0xC0000017: "no memory left",
    0xC000001D: "illegal instruction",
    0xC0000094: "division by zero",
    0xC00000FD: "stack overflow",
    0xC0000409: "stack buffer overrun",
}
"""Status codes that Windows ends a process with."""

_NO_MEMORY = 0xC0000017


def words(code: int) -> str:
    """How a process ended, to follow its name: `exited with code 3`, `ended with signal 11 (segmentation fault)`.

    Args:
        code: As `subprocess.Popen.returncode`: below 0 the number of a signal.
    """
    if code < 0:
        return f"ended with signal {-code}{_bracketed(_signal_words(-code))}"
    if sys.platform == "win32" and code >= 1 << 31:
        return f"ended with status {code:#010x}{_bracketed(_WINDOWS.get(code, ''))}"
    return f"exited with code {code}"


def reason(code: int) -> str:
    """Why a run failed whose process ended by itself, as a sentence for its record."""
    if code == -getattr(signal, "SIGKILL", 0):
        told = "the kernel kills so where memory runs out, and nobody else here did"
        return f"{OUT_OF_MEMORY}, it seems: the worker process {words(code)}; {told}."
    if sys.platform == "win32" and code == _NO_MEMORY:
        return f"{OUT_OF_MEMORY}: the worker process {words(code)}."
    return f"The worker process {words(code)} while running this row."


def ran_out_of_memory(record: RunRecord) -> bool:
    """Whether a run failed because memory ran out."""
    return record.status == "failed" and record.reason.startswith(OUT_OF_MEMORY)


def _signal_words(number: int) -> str:
    """Of a signal, such as `segmentation fault`; "" where the system has none."""
    try:
        return (signal.strsignal(number) or "").lower()
    except ValueError:
        return ""


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""
