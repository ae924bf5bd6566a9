"""Frozen work is done once: what the closed blocks make of the pictures, kept and handed out by index."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.events import Note, Progress, ignore
from zoo.forward import BATCH, batches, forward, forward_batch, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasModel
    from zoo.events import Observer

GIB = 1 << 30


@dataclass(frozen=True)
class Features:
    """The tensors at a boundary, for all pictures of one side.

    Attributes:
        stored: Arrays with one row for each picture, or None when they are computed whenever they are asked for.
        pixels: uint8 (n, size, size, 3), the pictures.
        prefix: The closed blocks; None where there are none, and the pictures are the tensors.
    """

    stored: tuple[np.ndarray[Any, Any], ...] | None
    pixels: np.ndarray[Any, Any] = field(repr=False)
    prefix: KerasModel | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: np.ndarray[Any, Any] | slice) -> list[np.ndarray[Any, Any]]:
        """The tensors of some pictures."""
        if self.stored is not None:
            return [tensor[rows] for tensor in self.stored]
        if self.prefix is None:
            return [self.pixels[rows]]
        return forward(self.prefix, [self.pixels[rows]])


@dataclass
class FeatureCache:
    """Features in memory, the least recently used leaving first.

    The key holds the bytes of the prefix's weights and the digest of the pixels, so a hit is equal to the last bit
    to what would be computed, whatever ran before.

    Attributes:
        limit: Most bytes kept, all entries together. Features of one side that are larger are never kept.
        observe: Told about progress and about features that are too large.
    """

    limit: int = 4 * GIB
    observe: Observer = ignore
    _entries: OrderedDict[str, tuple[np.ndarray[Any, Any], ...]] = field(default_factory=OrderedDict, repr=False)

    def features(self, prefix: KerasModel | None, pixels: np.ndarray[Any, Any], *, key: str) -> Features:
        """What a prefix makes of pictures, from the cache where it is there.

        Args:
            prefix: Model from pictures to one or more tensors, or None for the pictures themselves.
            pixels: uint8 (n, size, size, 3).
            key: Names the pictures: digest of the split, side and size.
        """
        if prefix is None:
            return Features(stored=(pixels,), pixels=pixels, prefix=None)
        name = f"{key}:{fingerprint(prefix)}"
        if name in self._entries:
            self._entries.move_to_end(name)
            return Features(stored=self._entries[name], pixels=pixels, prefix=prefix)
        size = len(pixels) * _bytes_per_picture(prefix)
        if size > self.limit:
            text = (
                f"The features of {len(pixels)} pictures would take {size / GIB:.1f} GiB, more than the limit of "
                f"{self.limit / GIB:.1f} GiB: they are computed anew in every epoch."
            )
            self.observe(Note(text, level="warning"))
            return Features(stored=None, pixels=pixels, prefix=prefix)
        stored = self._compute(prefix, pixels)
        self._keep(name, stored)
        return Features(stored=stored, pixels=pixels, prefix=prefix)

    @staticmethod
    def pass_through(prefix: KerasModel | None, pixels: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """What a prefix makes of pictures that are never seen again, such as augmented ones; nothing is kept."""
        return [pixels] if prefix is None else forward(prefix, [pixels])

    def _compute(self, prefix: KerasModel, pixels: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
        stored: list[np.ndarray[Any, Any]] = []
        for rows in batches(len(pixels)):
            parts = forward_batch(prefix, [pixels[rows]])
            if not stored:
                stored = [np.empty((len(pixels), *part.shape[1:]), part.dtype) for part in parts]
            for tensor, part in zip(stored, parts, strict=True):
                tensor[rows] = part
            self.observe(Progress("computing frozen features", rows.stop, len(pixels)))
        return tuple(stored)

    def _keep(self, name: str, stored: tuple[np.ndarray[Any, Any], ...]) -> None:
        self._entries[name] = stored
        while sum(tensor.nbytes for entry in self._entries.values() for tensor in entry) > self.limit:
            self._entries.popitem(last=False)


def fingerprint(prefix: KerasModel) -> str:
    """Hex SHA-256 over the graph's layers and the bytes of all weights of a model."""
    digest = hashlib.sha256()
    for operation in prefix.operations:
        digest.update(type(operation).__name__.encode())
    digest.update(repr([tuple(output.shape) for output in prefix.outputs]).encode())
    for variable in prefix.weights:
        value = value_of(variable)
        digest.update(f"{value.shape}{value.dtype}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _bytes_per_picture(prefix: KerasModel) -> int:
    def volume(shape: Sequence[int | None]) -> int:
        return int(np.prod([side or BATCH for side in shape[1:]]))

    return sum(volume(output.shape) * 4 for output in prefix.outputs)
