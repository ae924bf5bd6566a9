"""Pictures that were resized while somebody had them decoded, kept until they are asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from zoo import decoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.values import UInt8Array


class Handover:
    """RGB pictures in squares of several sizes, by id. What would pass the limit is left out, and decoded again later.

    Args:
        sizes: Sides in pixels that will be asked for.
        limit: Most bytes that are held at a time.
    """

    def __init__(self, sizes: Iterable[int], *, limit: int) -> None:
        self.sizes = tuple(sorted(set(sizes)))
        self.limit = limit
        self.held = 0
        self._pictures: dict[tuple[str, int], UInt8Array] = {}
        self._lock = threading.Lock()

    def offer(self, name: str, picture: UInt8Array, *, sizes: Sequence[int] | None = None) -> None:
        """Keeps a picture in all sizes, or in some. Safe to call from several threads.

        Args:
            name: Its id.
            picture: uint8 (height, width, 3) as `decoding.attempt` gives it; others are not kept.
            sizes: Those that are still wanted; all if not given.
        """
        if picture.shape[2] != decoding.RGB:
            return
        room = self.limit - self.held
        wanted = []
        for size in sorted(self.sizes if sizes is None else sizes):  # thumbnails are small, and are asked for first
            room -= decoding.RGB * size * size
            if room >= 0:
                wanted.append(size)
        resized = decoding.resize_all(picture, wanted)
        with self._lock:
            for square in resized:
                self._put(name, square.copy() if square is picture else square)

    def _put(self, name: str, resized: UInt8Array) -> None:
        key = (name, len(resized))
        if key not in self._pictures:
            self._pictures[key] = resized
            self.held += resized.nbytes

    def take(self, name: str, size: int) -> UInt8Array | None:
        """The picture in a size, uint8 (size, size, 3), which is then no longer held; None if it was not kept."""
        with self._lock:
            found = self._pictures.pop((name, size), None)
            self.held -= 0 if found is None else found.nbytes
            return found

    def drop(self, names: Iterable[str] | None = None) -> None:
        """Lets pictures go in all sizes; all pictures if none are named."""
        gone = {name for name, _ in self._pictures} if names is None else set(names)
        for name in gone:
            for size in self.sizes:
                self.take(name, size)
