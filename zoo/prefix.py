"""Frozen work is done once: what the closed blocks make of the pictures, kept and handed out by index."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.events import Note, Progress, ignore
from zoo.forward import BATCH, batches, forward, forward_batch, value_of
from zoo.graph import inputs_of, maker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasModel
    from zoo.events import Observer

GIB = 1 << 30


def _default_limit() -> int:
    """A quarter of the memory there is, at most 4 GiB."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no such call
        return 4 * GIB
    return min(4 * GIB, memory // 4)


@dataclass(frozen=True)
class Features:
    """The tensors at a boundary, for all pictures of one side.

    Attributes:
        stored: Arrays with one row for each picture, or None when they are computed whenever they are asked for.
        pixels: uint8 (n, size, size, channels), the pictures.
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

    The key holds the prefix's graph, configuration and weights, and the digest of the pixels, so a hit is equal to the
    last bit to what would be computed, whatever ran before.

    Attributes:
        limit: Most bytes kept, all entries together. Features of one side that are larger are never kept.
        observe: Told about progress and about features that are too large.
    """

    limit: int = field(default_factory=_default_limit)
    observe: Observer = ignore
    _entries: OrderedDict[str, tuple[np.ndarray[Any, Any], ...]] = field(default_factory=OrderedDict, repr=False)

    def features(self, prefix: KerasModel | None, pixels: np.ndarray[Any, Any], *, key: str) -> Features:
        """What a prefix makes of pictures, from the cache where it is there.

        Args:
            prefix: Model from pictures to one or more tensors, or None for the pictures themselves.
            pixels: uint8 (n, size, size, channels).
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
    """Hex SHA-256 over the graph (kinds, configurations and wiring of its layers) and the bytes of all weights.

    Names and seeds are left out: they depend on what was built before, and change nothing in inference mode.
    """
    digest = hashlib.sha256()
    place = {operation.name: str(index) for index, operation in enumerate(prefix.operations)}
    for operation in prefix.operations:
        config = operation.get_config() if hasattr(operation, "get_config") else {}
        digest.update(f"{type(operation).__module__}.{type(operation).__name__}{_plain(config)}".encode())
    for operation, tensors in inputs_of(prefix).items():
        edges = [_place_of(tensor, place) for tensor in tensors]
        digest.update(f"{place[operation]}<{edges}".encode())
    digest.update(repr([_place_of(output, place) for output in prefix.outputs]).encode())
    for variable in prefix.weights:
        value = value_of(variable)
        digest.update(f"{value.shape}{value.dtype}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _place_of(tensor: Any, place: dict[str, str]) -> str:  # noqa: ANN401 - a KerasTensor
    """Which output of which operation a tensor is, without names."""
    name, index = maker_of(tensor)
    return f"{place[name]}:{index}"


def _plain(config: Any) -> str:  # noqa: ANN401 - any configuration
    """A configuration as text, without names and seeds."""
    if isinstance(config, dict):
        kept = sorted((str(key), _plain(value)) for key, value in config.items() if key not in {"name", "seed"})
        return repr(kept)
    if isinstance(config, list | tuple):
        return repr([_plain(value) for value in config])
    return repr(config)


def _bytes_per_picture(prefix: KerasModel) -> int:
    def volume(shape: Sequence[int | None]) -> int:
        return int(np.prod([side or BATCH for side in shape[1:]]))

    return sum(volume(output.shape) * (2 if "16" in str(output.dtype) else 4) for output in prefix.outputs)
