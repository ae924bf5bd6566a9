"""Work that is kept on disk between calls: arrays under keys that are made of their content, read as memory maps.

An entry is a folder with one file of raw numbers for each array and a description. It is written beside the others
under another name and renamed when it is whole, so that a process which stops in the middle leaves nothing that could
be taken for an entry. Each file has a checksum, which is compared when an entry is first used in a process.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import disk_entries, disk_space, figures
from zoo.cache_folder import cache_folder
from zoo.disk_entries import DESCRIPTION, DRAFT, FORMAT, Entry
from zoo.events import Note, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from zoo.choices import CacheKind
    from zoo.events import Observer

    Array = np.ndarray[Any, Any]

__all__ = ["DiskCache", "Draft", "Entry", "cache_limit", "open_cache"]

LIMIT_VARIABLE = "ZOO_CACHE_LIMIT"
"""Environment variable that sets another limit."""

DEFAULT_LIMIT = 10 * disk_space.GIB
"""Bytes, where the disk has ten times as many."""

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)
"""What systems answer to a folder that is renamed to the name of another."""


class Draft:
    """An entry that is being written.

    Attributes:
        arrays: Writable memory maps of the shapes asked for, their space on disk reserved. They are released when the
            entry is kept; who holds on to one keeps Windows from renaming the folder, and the entry is not kept.
    """

    def __init__(self, folder: Path, arrays: tuple[Array, ...]) -> None:
        self.folder = folder
        self.arrays = arrays


class DiskCache:
    """Entries in a folder, the least recently used leaving when there would be too many. Several processes may use it.

    Nothing that goes wrong here is an error for the caller: a folder that cannot be written, a full disk, a damaged
    entry. The cache then has nothing, and an observer is told why, once for each reason.

    Args:
        folder: Where entries lie; it is made when the first one is written.
        limit: Most bytes of all entries together.
        observe: Told in a note when something is not kept.
    """

    def __init__(self, folder: Path, *, limit: int, observe: Observer = ignore) -> None:
        self.folder = folder
        self.limit = limit
        self._observe = observe
        self._told: set[str] = set()
        self._checked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        """Whether there is an entry, which may yet turn out to be damaged; it does not count as used."""
        try:
            return (self._place(key) / DESCRIPTION).is_file()
        except OSError:
            return False

    def quiet(self) -> DiskCache:
        """The same cache for another process, where nobody is told anything."""
        return DiskCache(self.folder, limit=self.limit)

    def find(self, key: str) -> tuple[Array, ...] | None:
        """The arrays of a key as read-only memory maps, or None. The entry counts as used now.

        They stay valid when the entry is removed. An entry that is not whole is removed, and counts as absent.
        """
        folder = self._place(key)
        try:
            if not folder.exists():
                return None
            described = disk_entries.described(folder)
            arrays = tuple(disk_entries.opened(folder, index, one) for index, one in enumerate(described["arrays"]))
            if described["token"] not in self._checked:
                disk_entries.compare(folder, described)
        except PermissionError:
            return None
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            disk_entries.remove(folder)
            return None
        self._checked.add(described["token"])
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(folder / DESCRIPTION)
        return arrays

    @contextlib.contextmanager
    def create(
        self,
        key: str,
        *,
        kind: CacheKind,
        shapes: Sequence[tuple[int, ...]],
        dtypes: Sequence[Any],
        about: Mapping[str, Any],
    ) -> Iterator[Draft | None]:
        """A draft to be filled; it is kept under the key when the block is left, unless by an exception.

        A disk that turns out to be full in the block is no error: the draft is dropped. So is one whose key another
        process has meanwhile filled. Ask `find` after the block, and go on without where it has nothing.

        Args:
            key: Names the content: the same for the same arrays only.
            kind: `pixels`, `features` or `checks`.
            shapes: Of the arrays.
            dtypes: Of the arrays, anything that `numpy.dtype` takes.
            about: What it is, for people; text and numbers.

        Yields:
            The draft; None when it cannot be made: it is larger than the limit, would leave the disk too full
            (`zoo.disk_space.SPARE`), or the folder cannot be written. A note says why.
        """
        arrays = [(tuple(shape), np.dtype(one)) for shape, one in zip(shapes, dtypes, strict=True)]
        needed = sum(disk_entries.volume(*one) for one in arrays)
        draft = self._begin(arrays, kind) if self._has_room(needed, kind) else None
        try:
            yield draft
            if draft is not None:
                self._keep(draft, key, kind, about)
        except OSError as error:
            if draft is None or error.errno not in disk_space.FULL:
                raise
            self._tell_failed(kind, error)
        finally:
            if draft is not None:
                draft.arrays = ()
                shutil.rmtree(draft.folder, ignore_errors=True)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, the most recently used first."""
        return tuple(entry for _, entry in disk_entries.entries(self.folder))

    def prune(
        self, *, to_bytes: int | None = None, kind: CacheKind | None = None, older_than: timedelta | None = None
    ) -> tuple[Entry, ...]:
        """Remove entries, the least recently used first. What stopped processes left behind goes too.

        Args:
            to_bytes: Until those that are considered have at most so many bytes; if not given, all of them go.
            kind: Consider only these.
            older_than: Consider only those not used for so long.

        Returns:
            What was removed. On Windows an entry in use stays.
        """
        self._sweep()
        now, chosen = time.time(), []
        for folder, entry in disk_entries.entries(self.folder):
            age = now - datetime.fromisoformat(entry.last_used).timestamp()
            if (kind is None or entry.kind == kind) and (older_than is None or age > older_than.total_seconds()):
                chosen.append((folder, entry))
        return _remove_oldest(chosen, to_bytes)

    def _place(self, key: str) -> Path:
        return self.folder / hashlib.sha256(f"{FORMAT}:{key}".encode()).hexdigest()[:40]

    def _has_room(self, needed: int, kind: CacheKind) -> bool:
        """Whether so many bytes may be written, after entries have made room for them."""
        if needed > self.limit:
            self._tell(
                f"The {kind} take {figures.amount(needed)}, more than the {figures.amount(self.limit)} that the cache "
                "on disk may hold: they are not kept for later calls. `--cache-limit` sets another limit.",
                reason=f"{kind} over the limit",
            )
            return False
        self._sweep()
        kept, begun = disk_entries.entries(self.folder), disk_entries.begun(self.folder)
        held = sum(entry.bytes for _, entry in kept)
        try:
            room = disk_space.free(self.folder)
        except OSError as error:
            self._tell_failed(kind, error)
            return False
        surplus = max(held + begun + needed - self.limit, needed - room)
        if surplus > held:
            self._tell(
                f"The {kind} take {figures.amount(needed)}, for which there is no room in the cache in {self.folder}: "
                "they are not kept for later calls. Free some space on that disk.",
                reason=f"no room for {kind}",
            )
            return False
        if surplus > 0:
            _remove_oldest(kept, held - surplus)
        return True

    def _begin(self, arrays: Sequence[tuple[tuple[int, ...], Any]], kind: CacheKind) -> Draft | None:
        folder = self.folder / f"{DRAFT}{uuid.uuid4().hex}"
        try:
            disk_entries.claim(folder, sum(disk_entries.volume(*one) for one in arrays))
            maps = tuple(disk_entries.new(folder, index, *one) for index, one in enumerate(arrays))
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._tell_failed(kind, error)
            return None
        return Draft(folder, maps)

    def _keep(self, draft: Draft, key: str, kind: CacheKind, about: Mapping[str, Any]) -> None:
        described = disk_entries.describe(draft.arrays, key=key, kind=kind, about=about)
        draft.arrays = ()  # Windows renames no folder with a mapped file in it
        place = self._place(key)
        try:
            disk_entries.publish(draft.folder, place, described)
        except OSError as error:
            # somebody was faster, with the same content, which a third may have removed by now
            if error.errno not in _TAKEN and not (place / DESCRIPTION).exists():
                self._tell_failed(kind, error)
            return
        self._checked.add(described["token"])

    def _sweep(self) -> None:
        """Remove what processes that are no more have begun, or not finished removing."""
        for folder in disk_entries.leftovers(self.folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _tell_failed(self, kind: CacheKind, error: OSError) -> None:
        self._tell(
            f"The cache in {self.folder} cannot be written ({error.strerror or error}): the {kind} are not kept for "
            "later calls.",
            reason="cannot be written",
        )

    def _tell(self, text: str, *, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            self._observe(Note(text))


def open_cache(limit: int | str | None = None, *, observe: Observer = ignore) -> DiskCache:
    """The cache of this person, in `zoo.cache_folder`.

    Args:
        limit: Most bytes, a number or a text such as `20G`; by default what `ZOO_CACHE_LIMIT` says, else 10 GiB or a
            tenth of what the disk could give, whichever is less.
        observe: Told in a note when something is not kept.

    Raises:
        UsageError: The limit is no amount.
    """
    folder = cache_folder()
    return DiskCache(folder, limit=cache_limit(limit, folder), observe=observe)


def cache_limit(limit: int | str | None, folder: Path) -> int:
    """The limit in bytes of a cache in a folder, as `open_cache` finds it.

    Raises:
        UsageError: What was given, or stands in `ZOO_CACHE_LIMIT`, is no amount.
    """
    if limit is not None:
        return disk_space.read_amount(limit, what="The limit of the cache")
    given = os.environ.get(LIMIT_VARIABLE)
    if given:
        return disk_space.read_amount(given, what=LIMIT_VARIABLE)
    held = sum(entry.bytes for _, entry in disk_entries.entries(folder))
    try:
        return min(DEFAULT_LIMIT, max(0, disk_space.free(folder) + held) // 10)
    except OSError:  # the folder cannot be looked at; that is said when something is to be kept
        return DEFAULT_LIMIT


def _remove_oldest(chosen: Sequence[tuple[Path, Entry]], to_bytes: int | None) -> tuple[Entry, ...]:
    """Remove from the end of a list until the rest has at most so many bytes; None removes all."""
    left, removed = sum(entry.bytes for _, entry in chosen), []
    for folder, entry in reversed(chosen):
        if to_bytes is not None and left <= to_bytes:
            break
        if disk_entries.remove(folder):
            left -= entry.bytes
            removed.append(entry)
    return tuple(removed)
