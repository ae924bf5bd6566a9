"""Who a process is, so that another one can tell later whether it still lives.

A process id alone is not enough: ids are used again. Together with the machine and the moment the process began it is.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a machine.

    Attributes:
        pid: Its number.
        host: Name of the machine.
        born: When it began, in the machine's own notation; empty where the machine does not tell.
    """

    pid: int
    host: str
    born: str

    def alive(self) -> bool | None:
        """Whether it still runs; None if that cannot be known because it is on another machine."""
        if self.host != platform.node():
            return None
        born = _born(self.pid)
        return born is not None and (born == self.born or not born or not self.born)


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(pid=pid, host=platform.node(), born=_born(pid) or "")


# Each `_born` says when a process of this machine began: None if there is none, empty if it cannot be told.

if sys.platform == "win32":

    def _born(pid: int) -> str | None:
        import ctypes

        query_limited_information, still_active, access_denied = 0x1000, 259, 5
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(query_limited_information, False, pid))
        if not handle:
            return "" if ctypes.get_last_error() == access_denied else None
        try:
            code, times = ctypes.c_ulong(), [ctypes.c_ulonglong() for _ in range(4)]
            kernel.GetExitCodeProcess(handle, ctypes.byref(code))
            kernel.GetProcessTimes(handle, *map(ctypes.byref, times))
        finally:
            kernel.CloseHandle(handle)
        return str(times[0].value) if code.value == still_active else None

else:
    import subprocess
    from pathlib import Path

    def _born(pid: int) -> str | None:
        try:
            os.kill(pid, 0)  # asks only: signal 0 is never delivered
        except (ProcessLookupError, OverflowError):
            return None
        except PermissionError:
            pass  # it is there, but somebody else's
        return _born_by_proc(pid) if sys.platform == "linux" else _born_by_ps(pid)

    def _born_by_proc(pid: int) -> str | None:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""
        # After the name in brackets, the first field is the state, the twentieth the start in clock ticks since boot.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"

    def _born_by_ps(pid: int) -> str | None:
        command = ["/bin/ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
        except OSError:
            return ""
        state, _, born = answer.stdout.strip().partition(" ")
        return born.strip() if answer.returncode == 0 and not state.startswith("Z") else None
