"""The pictures of one side of the split: from the cache on disk, or decoded once, and then kept there."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from typing import TYPE_CHECKING

import numpy as np
import PIL

from zoo import decoding
from zoo.channels import has_alpha
from zoo.events import Note, ignore
from zoo.fingerprints import fingerprint_of
from zoo.pixels import decode_into, load_pixels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo.disk_cache import DiskCache
    from zoo.events import Observer
    from zoo.handover import Handover
    from zoo.values import HealthReport, UInt8Array

_RULES = "1"
"""Raise it when `decoding.resize` or the rules of `zoo.channels` change, so that no pixels of the old are used."""


def pixels_key(report: HealthReport, indices: Sequence[int], *, size: int, channels: int) -> str:
    """Hex SHA-256 over all that decides the bits of a side's pixels, and nothing else: no names, no folders.

    That is the fingerprints of the decoded pictures in their order, the size, the channels (alpha, where they have it),
    Pillow's version, which resizes them, and a number for our own rules.
    """
    alpha = report.alpha if has_alpha(channels) else ""
    digest = hashlib.sha256(json.dumps([_RULES, PIL.__version__, size, channels, alpha]).encode())
    for index in indices:
        digest.update(bytes.fromhex(report.fingerprints[index]))
    return digest.hexdigest()


def side_pixels(
    report: HealthReport,
    indices: Sequence[int],
    *,
    size: int,
    channels: int = decoding.RGB,
    cache: DiskCache | None = None,
    about: Mapping[str, str | int] | None = None,
    ready: Handover | None = None,
    also: Sequence[int] = (),
    observe: Observer = ignore,
    directory: Path | None = None,
) -> tuple[UInt8Array, str]:
    """The pixels of some pictures and a key that names them: the same for the same pixels only.

    Args:
        report: Of the scan; its fingerprints are compared with what is decoded, and pictures that have changed since
            are pointed out and not kept in the cache.
        indices: Which pictures of its table, in the order wanted.
        size: Side in pixels.
        channels: Of each picture.
        cache: Where pixels are looked for and kept; None for memory, or a temporary file above its limit.
        about: What they are, for people who list the cache.
        ready: RGB pictures that are resized already, and what is decoded here goes there in the sizes of `also`.
        also: Sizes that will be asked for of the same pictures.
        observe: Gets progress of `reading pictures`, and notes.
        directory: For the temporary file.

    Returns:
        uint8 (len(indices), size, size, channels), equal to what `load_pixels` gives; read-only from the cache.

    Raises:
        SourceError: As in `load_pixels`.
    """
    key = pixels_key(report, indices, size=size, channels=channels)
    found = cache.find(key) if cache is not None else None
    if found is not None:
        return found[0], key
    shape = (len(indices), size, size, channels)
    watch = _Watch(report, channels=channels, ready=ready, also=also)
    if cache is not None:
        details = {**(about or {}), "size": size, "channels": channels, "pictures": len(indices)}
        try:
            with cache.create(key, kind="pixels", shapes=[shape], dtypes=[np.uint8], about=details) as draft:
                if draft is not None:
                    decode_into(draft.arrays[0], report.table, indices, observe=observe, ready=ready, notice=watch)
                    watch.check()
        except _ChangedError:
            pass
        else:
            found = cache.find(key)
        if found is not None:
            return found[0], key
    pixels = load_pixels(
        report.table,
        indices,
        size=size,
        channels=channels,
        observe=observe,
        directory=directory,
        ready=ready,
        notice=watch,
    )
    if watch.changed:
        observe(Note(watch.words(), level="warning"))
        key = f"{key}:{uuid.uuid4().hex}"
    return pixels, key


class _ChangedError(Exception):
    """Pictures are not what the scan saw."""


class _Watch:
    """Sees each picture that is decoded: compares it with the scan, and hands it over in the other sizes."""

    def __init__(self, report: HealthReport, *, channels: int, ready: Handover | None, also: Sequence[int]) -> None:
        self.changed: set[str] = set()
        self._report, self._channels, self._ready, self._also = report, channels, ready, also
        self._lock = threading.Lock()

    def __call__(self, index: int, decoded: UInt8Array) -> None:
        picture = self._report.table.pictures[index]
        seen = decoded if self._channels == decoding.RGB else decoding.attempt(picture, None)
        if not isinstance(seen, np.ndarray) or fingerprint_of(seen) != self._report.fingerprints[index]:
            with self._lock:
                self.changed.add(picture.id)
        elif self._ready is not None and self._also and self._channels == decoding.RGB:
            self._ready.offer(picture.id, decoded, sizes=self._also)

    def check(self) -> None:
        """Raises `_ChangedError` if a picture has changed."""
        if self.changed:
            raise _ChangedError

    def words(self) -> str:
        """A sentence about those that have changed."""
        first, rest = min(self.changed), len(self.changed) - 1
        more = f" and {rest:,} more" if rest else ""
        return (
            f"{first}{more} changed after the pictures were checked: what is known of them is no longer true. "
            "Start again when the data are at rest."
        )
