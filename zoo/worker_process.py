"""A worker process as the call sees it: started, talked to, measured, ended. What runs in it is `zoo.worker`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from zoo.environment import active_backend
from zoo.protocol import Begun, Sender, receive, skip_to_greeting

if TYPE_CHECKING:
    import queue
    from collections.abc import Mapping
    from pathlib import Path

_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo.worker import main; main()"
"""What a worker runs. With `-m` it would look for modules in the present folder first, whatever lies there."""

_TAIL = 1 << 16
"""Bytes that are kept of what a worker writes on standard error."""

_FAMILY = 3.0
"""Seconds after which it is asked again for its children: the system has to look through all processes."""

_PATIENCE = 5.0
"""Seconds that a process has to end in which has nothing left to do."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A worker wrote on standard error."""

    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing more comes from a worker."""


class WorkerProcess:
    """A process that runs rows.

    Attributes:
        begun: Name of the run that it began last; empty before it has said so.

    Args:
        inbox: Gets pairs of this object and a message: those of `zoo.protocol`, `Printed`, and at the end `Gone`.
        faults: File that the stacks of all threads are written to when the process crashes or takes too long.
        variables: Environment variables beside those of this process.

    Raises:
        OSError: If no process can be started.
    """

    def __init__(
        self, inbox: queue.SimpleQueue[tuple[WorkerProcess, object]], *, faults: Path, variables: Mapping[str, str]
    ) -> None:
        self._inbox = inbox
        self._faults = faults
        self.begun = ""
        self._tail = bytearray()
        self._family: list[psutil.Process] = []
        self._family_known = -_FAMILY
        self._process = subprocess.Popen(
            [
                sys.executable,
                *_interpreter_flags(),
                "-P",
                "-c",
                _CODE,
                json.dumps([str(place) for place in sys.path]),
                str(faults),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "KERAS_BACKEND": active_backend(), **variables},
            bufsize=0,
        )
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        self._sender = Sender(self._process.stdin.fileno())
        self._threads = [
            threading.Thread(target=target, name="zoo-worker", daemon=True)
            for target in (self._read_messages, self._read_errors)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """As `subprocess.Popen.returncode`; None while it runs."""
        return self._process.poll()

    def send(self, message: object) -> None:
        """Tells it something; one that has ended is told nothing. Raises: IsolationError."""
        with contextlib.suppress(OSError):
            self._sender.send(message)

    def memory(self) -> int:
        """Bytes that it and its children hold for themselves: pages of files, which can be read again, do not count."""
        now = time.monotonic()
        if now - self._family_known >= _FAMILY:
            self._family_known = now
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(self.pid)
                self._family = [process, *process.children(recursive=True)]
        total = 0
        for one in self._family:
            with contextlib.suppress(psutil.Error):
                total += _private(one)
        return total

    def stacks(self) -> str:
        """What was written to the file of stacks."""
        with contextlib.suppress(OSError):
            return self._faults.read_text(encoding="utf-8", errors="replace")
        return ""

    def last_words(self) -> str:
        """The end of what it wrote on standard error."""
        return self._tail.decode("utf-8", "backslashreplace")

    def wait(self, seconds: float = _PATIENCE) -> bool:
        """Waits for it to end by itself; whether it did."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """Ends it and its children, if they have not ended, and lets go of its pipes."""
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            if self.code is None:
                children = psutil.Process(self.pid).children(recursive=True)
        with contextlib.suppress(OSError):
            self._process.kill()
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(_PATIENCE)
        if not any(thread.is_alive() for thread in self._threads):  # else a process of somebody's holds the pipes
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def _read_messages(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        descriptor = self._process.stdout.fileno()
        try:
            skip_to_greeting(descriptor)
            while True:
                message = receive(descriptor)
                if isinstance(message, Begun):
                    self.begun = message.run_id
                self._inbox.put((self, message))
        except Exception:  # noqa: BLE001 - the end of the pipe, or half a message of a process that was killed
            self._inbox.put((self, Gone()))

    def _read_errors(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - a pipe was asked for
        descriptor = self._process.stderr.fileno()
        rest = b""
        while part := os.read(descriptor, 1 << 16):
            self._tail += part
            del self._tail[:-_TAIL]
            rest += part
            end = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
            if end:
                self._inbox.put((self, Printed(rest[:end].decode("utf-8", "backslashreplace"))))
                rest = rest[end:]
        if rest:
            self._inbox.put((self, Printed(rest.decode("utf-8", "backslashreplace"))))


def _private(process: psutil.Process) -> int:
    """Resident bytes without those that are shared with others or with files, as far as the system tells."""
    info = process.memory_info()
    private = getattr(info, "private", None)  # Windows
    return int(private if private is not None else info.rss - getattr(info, "shared", 0))


def _interpreter_flags() -> list[str]:
    """Options that this Python was started with, so that modules and warnings are the same in a worker."""
    return list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]  # noqa: SLF001 - multiprocessing does the same
