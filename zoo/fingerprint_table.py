"""Fingerprints of pictures that a scan has seen, so that files which have not changed are not decoded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.schema import Database

BATCH = 1000
"""Entries that are written in one transaction. A process that is killed loses fewer, and has to look at them again."""


class FingerprintTable:
    """A dictionary of texts in the store. Any text is a key, names of files that cannot be decoded included.

    Args:
        database: An open one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, str] = {}

    def get(self, key: str, /) -> str | None:
        """What was put for a key, or None."""
        if key in self._waiting:
            return self._waiting[key]
        found = self._database.read("SELECT value FROM fingerprints WHERE key = ?", (_blob(key),))
        return str(found[0][0]) if found else None

    def put(self, key: str, value: str, /) -> None:
        """Remembers a value; on the disk with the next full batch or `flush`."""
        self._waiting[key] = value
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        if self._waiting:
            rows = [(_blob(key), value) for key, value in self._waiting.items()]
            with self._database.transaction():
                self._database.write("INSERT OR REPLACE INTO fingerprints VALUES (?, ?)", rows)
            self._waiting.clear()


def _blob(key: str) -> bytes:
    # Python keeps bytes of names that cannot be decoded as lone surrogates, which SQLite's text refuses.
    return key.encode("utf-8", "surrogatepass")
