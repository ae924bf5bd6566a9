"""What a call and its worker processes say to each other, and how it gets through a pipe.

A message is a pickled record behind its length. Both ends belong to one person on one machine, and the pipes have no
name that anybody else could open.
"""

from __future__ import annotations

import os
import pickle
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.dataset import Dataset
    from zoo.errors import ZooError
    from zoo.events import Event
    from zoo.values import Recipe, RunRecord

GREETING = b"\0zoo worker 1\0"
"""First bytes of a worker: what came before is what others printed while Python started."""

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class ItemMark:
    """What tells whether an item of another process is the same: kind, name, origin, and its record as text."""

    kind: str
    name: str
    origin: str
    text: str


@dataclass(frozen=True, slots=True)
class Setup:
    """The first thing that a worker is told.

    Attributes:
        dataset: The pictures, undecoded.
        store: Folder of the runs.
        blocked: Plugins that are not loaded.
        only: Installed plugins that are.
        marks: Of the items that the recipes name.
        recipes: Of the grid, in order.
        identify: Whether to say what each recipe is found again by.
        gpu: Name of the first of several GPUs, where each worker has one; None where all see the same.
    """

    dataset: Dataset
    store: Path
    blocked: tuple[str, ...]
    only: tuple[str, ...]
    marks: tuple[ItemMark, ...]
    recipes: tuple[Recipe, ...]
    identify: bool = True
    gpu: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """Run the recipe at `index` (1-based), with batches of `batch_size` pictures instead of its own if given.

    After `timeout` seconds, if given, the stacks of all threads are written down.
    """

    index: int
    batch_size: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """Score these runs on the test part."""

    records: tuple[RunRecord, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """End: after what is being done, or at once where `now`, with the run in flight marked as interrupted."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class Identified:
    """Digest and environment of a recipe, and whether the store has a whole run of it."""

    digest: str
    environment: dict[str, Any]
    complete: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker waits for tasks. `strange` names items that are others in it than in the call."""

    identified: tuple[Identified, ...] = ()
    strange: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for cannot be done."""

    error: ZooError


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened."""

    event: Event


@dataclass(frozen=True, slots=True)
class Begun:
    """A run was entered into the store."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over; `reused` when it was in the store already."""

    record: RunRecord
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """The runs are scored on the test part."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody other than the call stopped the run in flight as Ctrl-C does."""


class IsolationError(Exception):
    """Rows cannot run in another process. The message says why, to follow a colon; it never leaves the library."""


class Sender:
    """Writes messages to a pipe; several threads may.

    Args:
        descriptor: Open for writing, and not closed here.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Writes a message. Raises: OSError if nobody reads, IsolationError if it cannot be pickled."""
        try:
            content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            text = f"the data cannot be sent to another process ({type(error).__name__}: {error})"
            raise IsolationError(text) from error
        rest = memoryview(_LENGTH.pack(len(content)) + content)
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest[: 1 << 20]) :]


def receive(descriptor: int) -> Any:  # noqa: ANN401 - any message
    """The next message of a pipe. Raises: EOFError at its end."""
    (length,) = _LENGTH.unpack(_read(descriptor, _LENGTH.size))
    return pickle.loads(_read(descriptor, length))  # noqa: S301 - of the other end of our own pipe


def skip_to_greeting(descriptor: int) -> None:
    """Reads up to the end of `GREETING`. Raises: EOFError if it does not come."""
    seen = b""
    while not seen.endswith(GREETING):
        seen = seen[-len(GREETING) :] + _read(descriptor, 1)


def _read(descriptor: int, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(descriptor, min(count - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
