"""The SQLite file under a store of runs: how it is opened, its tables, and how older ones are brought up to date."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import RunFormatError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Journal = Literal["wal", "delete"]
"""`wal` lets readers and one writer work side by side; `delete` is for file systems without shared memory."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "sshfs", "virtiofs"}
)
"""Kinds of file systems, as Linux names them, on which the shared memory that WAL needs is not to be relied on."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, row TEXT NOT NULL,
            data TEXT NOT NULL, split TEXT NOT NULL, status TEXT NOT NULL,
            pid INTEGER NOT NULL, host TEXT NOT NULL, born TEXT NOT NULL, about TEXT NOT NULL, record TEXT NOT NULL)""",
        "CREATE INDEX runs_by_digest ON runs (digest, status)",
        "CREATE INDEX runs_by_split ON runs (data, split)",
        """CREATE TABLE epochs (
            run TEXT NOT NULL REFERENCES runs (id), epoch INTEGER NOT NULL, record TEXT NOT NULL,
            PRIMARY KEY (run, epoch)) WITHOUT ROWID""",
        """CREATE TABLE test_looks (
            number INTEGER PRIMARY KEY, split TEXT NOT NULL, row TEXT NOT NULL, run TEXT NOT NULL,
            at TEXT NOT NULL, scores TEXT NOT NULL)""",
        """CREATE TABLE board_contexts (
            number INTEGER PRIMARY KEY, data TEXT NOT NULL, split TEXT NOT NULL, context TEXT NOT NULL,
            UNIQUE (data, split))""",
        "CREATE TABLE fingerprints (key BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
"""Step i brings a file from version i to i + 1. Published steps are never edited; a change is a new step."""


class Database:
    """One connection to the file. Every failure comes out as a `StoreError` that says what to do.

    Args:
        path: The file; it is created with its tables if it is absent.
        timeout: Seconds to wait for another process that writes.
        journal: Forces a journal mode; by default `wal`, and `delete` where WAL does not work.
        reading: Who asks only reads: a file on a disk that is full or read-only will do.

    Attributes:
        path: The file.
        reading: As given.

    Raises:
        RunFormatError: If a newer version of the library has written it; the file stays as it is.
        StoreError: If it is no store, is damaged, or cannot be opened.
    """

    def __init__(
        self, path: Path, *, timeout: float = 60.0, journal: Journal | None = None, reading: bool = False
    ) -> None:
        self.path = path
        self.reading = reading
        with self._explained():
            self._connection = sqlite3.connect(path, timeout=timeout, isolation_level=None)
        try:
            try:
                version = self._version()
                self._set_journal(journal or ("delete" if on_network(path.parent) else "wal"), timeout=timeout)
            except StoreError as error:
                if not reading or not self._can_be_read(error):
                    raise
                version = len(MIGRATIONS)
            if version < len(MIGRATIONS):
                self._migrate()
        except BaseException:
            self.close()
            raise

    def _can_be_read(self, error: StoreError) -> bool:
        """Opens the file for reading alone, where all that others have committed is in it: SQLite then needs no other.

        WAL needs two files beside it, for which a full or read-only disk has no room.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if not any(word in error.message for word in _NO_ROOM) or (log.exists() and log.stat().st_size):
            return False
        self._connection.close()
        with self._explained():
            place = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(place, uri=True, isolation_level=None)
        return self._version() == len(MIGRATIONS)

    def close(self) -> None:
        """Lets go of the file. May be called twice."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none; others who write wait."""
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        """Runs a statement for each row; only inside `transaction`. Returns the number of changed rows."""
        with self._explained():
            return self._connection.executemany(statement, rows).rowcount

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows that a query finds."""
        with self._explained():
            return self._connection.execute(query, values).fetchall()

    def _version(self) -> int:
        tables = {name for (name,) in self.read("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return 0
        found = self.read("SELECT value FROM zoo_schema WHERE key = 'version'") if "zoo_schema" in tables else []
        if not found:
            raise StoreError(f"{self.path} is an SQLite file, but no store of runs.", hint="Choose another folder.")
        version = int(found[0][0])
        if version > len(MIGRATIONS):
            raise RunFormatError(
                f"{self.path} has format {version}; this version of keras-zoo reads up to {len(MIGRATIONS)}.",
                hint="Update keras-zoo, or choose another folder. The file was left as it is.",
            )
        return version

    def _migrate(self) -> None:
        with self.transaction():
            # Another process may have done it while this one waited for its turn.
            version = self._version()
            if version == 0:
                self._connection.execute("CREATE TABLE zoo_schema (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            for step in MIGRATIONS[version:]:
                for statement in step:
                    self._connection.execute(statement)
            self.write("INSERT OR REPLACE INTO zoo_schema VALUES ('version', ?)", [(str(len(MIGRATIONS)),)])

    def _set_journal(self, journal: Journal, *, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        with self._explained():
            while True:
                try:
                    self._connection.execute(f"PRAGMA journal_mode = {journal}")
                    break
                except sqlite3.OperationalError as error:
                    locked = "locked" in str(error)
                    if time.monotonic() > deadline or (journal == "delete" and not locked):
                        raise
                    if locked:
                        time.sleep(0.02)  # SQLite does not wait by itself for the lock that this needs
                    else:
                        journal = "delete"  # no shared memory here
            # With FULL, what was committed outlives a power cut and not only a killed process.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"The store {self.path} failed: {error}.", hint=_hint(str(error))) from error


_NO_ROOM = ("full", "readonly", "disk I/O", "unable to open")
"""What SQLite says where it cannot write."""


def _hint(message: str) -> str:
    hints = {
        "not a database": "The file is damaged or not of keras-zoo. Move it away or choose another folder.",
        "malformed": "The file is damaged. Move it away or restore a copy; the folders of the runs are intact.",
        "locked": "Another process is writing, or one hangs. Wait for it, or end it.",
        "full": "Free some space on that disk.",
        "readonly": "Free some space on that disk, or give a folder that can be written to with --store.",
        "closed": "Open the store again.",
        "thread": "Open the store once in each thread.",
        "unable to open": "Give a folder that exists and can be written to with --store.",
        "disk I/O": "The disk or the network folder does not answer as it should. Choose a folder on a local disk.",
    }
    return next((hint for part, hint in hints.items() if part in message), "Please report this with the message above.")


def on_network(folder: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether a folder lies on a file system of another machine, as far as it can be told.

    Args:
        folder: An existing folder.
        mounts: Linux' list of mounted file systems. On Windows UNC paths are recognised, on macOS nothing is.
    """
    if sys.platform == "win32":
        remote = str(folder.absolute()).startswith("\\\\")
    else:
        try:
            device = folder.stat().st_dev
            lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return False
        wanted = f"{os.major(device)}:{os.minor(device)}"
        # A line has the device as its third field, and the kind of file system as the first one after a lone hyphen.
        found = [line.partition(" - ")[2].split(" ", 1)[0] for line in lines if line.split(" ")[2:3] == [wanted]]
        remote = any(kind.removeprefix("fuse.") in NETWORK_FILE_SYSTEMS for kind in found)
    return remote
