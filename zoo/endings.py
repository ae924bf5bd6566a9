"""How worker processes end, in words."""

from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.values import RunRecord

OUT_OF_MEMORY = "Out of memory"
"""The beginning of the reason of every run that memory ran out for."""

SMALLER = "Use a smaller batch size or picture size."
"""What a person can do about it."""

_TOLD = re.compile(
    r"OOM when allocating|ResourceExhausted|OutOfMemory|RESOURCE_EXHAUSTED|CUDA out of memory"
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory",
)
"""How TensorFlow, JAX and PyTorch say that there is no memory."""

_LONGEST = 200
"""Characters of a backend's words that a reason repeats."""

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


def memory_words(error: BaseException) -> str | None:
    """What an error says of the memory that ran out, in one line without a full stop; None if it is another error.

    Backends say it in the middle of pages of text: of TensorFlow's, the line from "OOM when allocating" is taken.
    """
    text = f"{type(error).__name__}: {error}"
    found = _TOLD.search(text)
    if found is None and not isinstance(error, MemoryError):
        return None
    best = re.search(r"OOM when allocating[^\n]*", text) or re.search(r"[^\n]*(?:allocat)[^\n]*", str(error))
    line = " ".join((best[0] if best else next(iter(str(error).strip().splitlines()), "")).split())
    return (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…").rstrip(".")


def in_one_line(message: str, hint: str = "") -> str:
    """An error as the reason of a run: its message as a sentence, and what to do next."""
    said = " ".join(message.split())
    if said and said[-1] not in ".!?…":
        said += "."
    return " ".join(filter(None, (said, " ".join(hint.split()))))


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
