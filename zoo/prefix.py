"""Frozen work is done once: what the closed blocks make of the pictures, kept and handed out by index."""

from __future__ import annotations

import contextlib
import hashlib
import math
import statistics
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.edges import inputs_of, maker_of
from zoo.errors import TrainingError
from zoo.events import Note, Progress, ignore
from zoo.forward import BATCH, batches, forward, forward_batch, value_of
from zoo.memory import default_limit
from zoo.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo.contracts import KerasModel
    from zoo.disk_cache import DiskCache
    from zoo.events import Observer

    Arrays = tuple[np.ndarray[Any, Any], ...]

GIB = 1 << 30

FROZEN, HEAD = "computing frozen features", "the head's part"
"""What the work is called, and what of it is that of the head's fixed front."""

_IDLE = frozenset({"name", "seed", "trainable"})  # what in a configuration changes nothing in inference mode

_WARM = 3  # batches that are too few to time


@dataclass(frozen=True)
class Features:
    """The tensors at a boundary, for all pictures of one side.

    Attributes:
        stored: Arrays with one row for each picture, or None when they are computed whenever they are asked for.
        pixels: uint8 (n, size, size, channels), the pictures.
        path: Models that lead from pictures to the tensors, each from what the one before makes; none where the
            pictures are the tensors.
    """

    stored: tuple[np.ndarray[Any, Any], ...] | None
    pixels: np.ndarray[Any, Any] = field(repr=False)
    path: tuple[KerasModel, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: np.ndarray[Any, Any] | slice) -> list[np.ndarray[Any, Any]]:
        """The tensors of some pictures."""
        if self.stored is not None:
            return [tensor[rows] for tensor in self.stored]
        return pass_through(self.path, self.pixels[rows])


def pass_through(path: Sequence[KerasModel], pixels: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """What models, one after the other, make of pictures; nothing is kept."""
    tensors = [pixels]
    for model in path:
        tensors = forward(model, tensors)
    return tensors


@dataclass
class FeatureCache:
    """Features in memory, the least recently used leaving first, and on disk where there is a cache for it.

    The key holds the graph, configuration, weights and code of the prefix, and the digest of the pixels, and on disk
    the surroundings too, so a hit is equal to the last bit to what would be computed, whatever ran before.

    Attributes:
        limit: Most bytes kept in memory, all entries together. Features of one side that are larger are never kept
            there.
        disk: Keeps features for later calls and other processes, read back as memory maps; None keeps them in memory
            only.
        observe: Told about progress and about features that are too large.
        surroundings: What else decides the bits of features: backend, versions, processor, threads. Other processes
            may have others, so it is part of the key on disk.
    """

    limit: int = field(default_factory=default_limit)
    disk: DiskCache | None = None
    observe: Observer = ignore
    surroundings: str = ""
    paces: WeakKeyDictionary[KerasModel, float] = field(default_factory=WeakKeyDictionary, repr=False)
    _entries: OrderedDict[str, Arrays] = field(default_factory=OrderedDict, repr=False)

    def features(
        self,
        path: Sequence[KerasModel],
        pixels: np.ndarray[Any, Any],
        *,
        key: str,
        prints: Sequence[str] | None = None,
        about: Mapping[str, str | int] | None = None,
    ) -> Features:
        """What models make of pictures, from the cache where it is there.

        Args:
            path: The closed blocks, from pictures to one or more tensors, and the fixed front of the head, from these
                to smaller ones; either may be missing.
            pixels: uint8 (n, size, size, channels).
            key: Names the pictures: digest of the split, side and size.
            prints: Fingerprint of each model, where it is known to be the same still; made anew if not given.
            about: What they are, for people who look at the cache on disk.
        """
        path = tuple(path)
        if not path:
            return Features(stored=(pixels,), pixels=pixels, path=())
        names = [key]
        for mark in prints or [fingerprint(model) for model in path]:
            names.append(f"{names[-1]}:{mark}")
        new = names[-1] not in self._entries
        stored = self._known(names[-1])
        if stored is None:
            stored = self._derived(path, pixels, names[1:], about)
        if new and about is not None:
            self._share_pace(names[1], path[0], about)
        if stored is None:
            self._tell_too_large(path, pixels)
        return Features(stored=stored, pixels=pixels, path=path)

    def peek(self, prints: Sequence[str], *, key: str) -> Arrays | None:
        """What `features` would give for models of these fingerprints, all rows; None where it is not there."""
        return self._known(":".join([key, *prints]))

    def view(
        self,
        path: Sequence[KerasModel],
        change: Callable[[np.ndarray[Any, Any]], tuple[Any, Any]],
        *,
        order: np.ndarray[Any, Any],
        key: str,
    ) -> Arrays:
        """What models make of one augmented version of all pictures, and its targets; kept in memory only.

        Args:
            path: As in `features`, at least one model.
            change: Called with row numbers of at most a batch; gives augmented pictures and targets (rows, classes).
            order: Of the pictures: those of one batch may be mixed with one another.
            key: Names the pictures, the augmentation with its seed, and the fingerprints of the models.

        Returns:
            The tensors and, as the last one, the targets.

        Raises:
            TrainingError: If they are too large to be kept.
        """
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        stored: Arrays = ()
        for rows in batches(len(order)):
            pictures, targets = change(order[rows])
            parts = [*pass_through(path, pictures), targets]
            if not stored:
                shapes = [(len(order), *part.shape[1:]) for part in parts]
                size = _bytes(shapes, [part.dtype for part in parts])
                if size > self.limit:  # new versions instead would make the numbers depend on the memory there is
                    raise TrainingError(
                        f"A view of {len(order)} pictures takes {size / GIB:.2g} GiB, more than the "
                        f"{self.limit / GIB:.2g} GiB that features may take in memory.",
                        hint="Leave --views at 0, or close more blocks, or use a smaller picture size.",
                    )
                stored = tuple(np.empty(shape, part.dtype) for shape, part in zip(shapes, parts, strict=True))
            for tensor, part in zip(stored, parts, strict=True):
                tensor[order[rows]] = part
            self.observe(Progress(f"{FROZEN}, train", rows.stop, len(order)))
        self._entries[key] = stored
        self._make_room()
        return stored

    def _derived(
        self,
        path: tuple[KerasModel, ...],
        pixels: np.ndarray[Any, Any],
        names: list[str],
        about: Mapping[str, str | int] | None,
    ) -> Arrays | None:
        """Computes features; where they lie behind the front of a head, from the backbone's, which other heads share.

        If the backbone's features are too large to be kept, pictures go through both, batch by batch.
        """
        task = f"{FROZEN}, {about['part']}" if about and "part" in about else FROZEN
        if len(path) == 1:
            return self._made(names[0], path, [pixels], about, task=task)
        first = self._known(names[0])
        if first is None:
            first = self._made(names[0], path[:1], [pixels], about, task=task)
        if first is None:
            return self._made(names[1], path, [pixels], about, task=task)
        small = about and {**about, "boundary": f"{about.get('boundary', 'all blocks')}, {HEAD}"}
        return self._made(names[1], path[1:], first, small, task=f"{task}, {HEAD}")

    def _disk_key(self, name: str) -> str:
        return hashlib.sha256(f"{name}\n{self.surroundings}".encode()).hexdigest()

    def _known(self, name: str) -> Arrays | None:
        if name in self._entries:
            self._entries.move_to_end(name)
            return self._entries[name]
        found = self.disk.find(self._disk_key(name)) if self.disk is not None else None
        if found is not None:
            self._entries[name] = found
        return found

    def _made(
        self,
        name: str,
        path: Sequence[KerasModel],
        source: Sequence[np.ndarray[Any, Any]],
        about: Mapping[str, str | int] | None,
        *,
        task: str,
    ) -> Arrays | None:
        """Features of all rows: on disk if they are described and may be there, else in memory; None if too large."""
        shapes, kinds = _signature(path[-1])
        shapes = [(len(source[0]), *shape) for shape in shapes]
        disk = self.disk if about is not None and all(np.dtype(kind).kind == "f" for kind in kinds) else None
        if disk is not None:
            told = {**about, "pictures": len(source[0])} if about else {}
            with disk.create(self._disk_key(name), kind="features", shapes=shapes, dtypes=kinds, about=told) as draft:
                if draft is not None:
                    self._fill(draft.arrays, path, source, task)
            found = disk.find(self._disk_key(name)) if draft is not None else None
            if found is not None:
                self._entries[name] = found
                return found
        if _bytes(shapes, kinds) > self.limit:
            return None
        stored = tuple(np.empty(shape, kind) for shape, kind in zip(shapes, kinds, strict=True))
        self._fill(stored, path, source, task)
        self._entries[name] = stored
        self._make_room()
        return stored

    def _fill(
        self, stored: Arrays, path: Sequence[KerasModel], source: Sequence[np.ndarray[Any, Any]], task: str
    ) -> None:
        count, seconds = len(source[0]), []
        self.observe(Progress(task, 0, count))
        with Writer() as writer:
            for rows in batches(count):
                parts = [tensor[rows] for tensor in source]
                began = time.perf_counter()
                for model in path:
                    parts = forward_batch(model, parts)
                seconds.append(time.perf_counter() - began)
                writer.write(stored, rows, parts)
                self.observe(Progress(task, rows.stop, count))
        if len(seconds) > _WARM:
            self.paces[path[0]] = statistics.median(seconds[1:]) / BATCH  # the first pass traces the graph

    def _share_pace(self, name: str, model: KerasModel, about: Mapping[str, str | int]) -> None:
        """Tells later calls, which find features, what they took, or is told: to measure it takes passes of its own."""
        key, pace = self._disk_key(f"{name}:pace"), self.paces.get(model)
        known = self.disk.find(key) if self.disk is not None else None
        if known is not None:
            self.paces.setdefault(model, float(known[0][0]))
        elif pace is not None and self.disk is not None:
            with self.disk.create(key, kind="checks", shapes=[(1,)], dtypes=[np.float64], about=about) as draft:
                if draft is not None:
                    draft.arrays[0][0] = pace

    def _make_room(self) -> None:
        def held() -> int:
            return sum(t.nbytes for entry in self._entries.values() for t in entry if not isinstance(t, np.memmap))

        while held() > self.limit:
            self._entries.popitem(last=False)

    def _tell_too_large(self, path: Sequence[KerasModel], pixels: np.ndarray[Any, Any]) -> None:
        size = len(pixels) * _bytes(*_signature(path[-1]))
        text = (
            f"The features of {len(pixels)} pictures would take {size / GIB:.1f} GiB, more than the limit of "
            f"{self.limit / GIB:.1f} GiB: they are computed anew in every epoch."
        )
        self.observe(Note(text, level="warning"))


def _bytes(shapes: Sequence[tuple[int, ...]], kinds: Sequence[Any]) -> int:
    return sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in zip(shapes, kinds, strict=True))


def fingerprint(prefix: KerasModel) -> str:
    """Hex SHA-256 over the graph (kinds, configurations and wiring of its layers) and the bytes of all weights.

    Names, seeds and whether a layer is trained are left out: they change nothing in inference mode. Of layers
    that are not Keras' own the code counts too, so that a plugin in the making is not taken for its past: the bytes of
    the file that defines them, as in `building.codes_of`.
    """
    digest = hashlib.sha256()
    parts = [*prefix.operations, *prefix._flatten_layers()]  # noqa: SLF001 - Keras has no public walk
    for name in sorted({type(part).__module__ for part in parts}):
        if name.partition(".")[0] != "keras":
            digest.update(f"{name}:{_code_of(name)}".encode())
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


def _code_of(module: str) -> str:
    """Hex SHA-256 of the file of a module; empty where it has none, as in a notebook."""
    path = getattr(sys.modules.get(module), "__file__", None)
    with contextlib.suppress(OSError):
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    return ""


def _place_of(tensor: Any, place: dict[str, str]) -> str:  # noqa: ANN401 - a KerasTensor
    """Which output of which operation a tensor is, without names."""
    name, index = maker_of(tensor)
    return f"{place[name]}:{index}"


def _plain(config: Any) -> str:  # noqa: ANN401 - any configuration
    """A configuration as text, without names and seeds."""
    if isinstance(config, dict):
        kept = sorted((str(key), _plain(value)) for key, value in config.items() if key not in _IDLE)
        return repr(kept)
    if isinstance(config, list | tuple):
        return repr([_plain(value) for value in config])
    return repr(config)


def _signature(model: KerasModel) -> tuple[list[tuple[int, ...]], list[Any]]:
    """Shape of each output for one picture, and its type as an array has it."""
    one = [np.zeros((BATCH, *(side or 1 for side in entry.shape[1:])), np.float32) for entry in model.inputs]
    known = all(side is not None for output in model.outputs for side in output.shape[1:])
    if known and all(str(output.dtype) == "float32" for output in model.outputs):
        return [tuple(output.shape[1:]) for output in model.outputs], [np.float32] * len(model.outputs)
    made = forward_batch(model, one)  # bfloat16 is a type of another package, which the backend knows
    return [part.shape[1:] for part in made], [part.dtype for part in made]
