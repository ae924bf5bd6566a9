"""What the cache on disk is made of: folders with arrays and a description, their drafts, and what is left of both."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import uuid
import zlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.disk_space import reserve
from zoo.process import Process, this_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo.choices import CacheKind

    Array = np.ndarray[Any, Any]

FORMAT = "1"
"""Raise it when files of an entry change; entries of other formats are not found any more, but listed and removed."""

DESCRIPTION, OWNER = "entry.json", "owner.json"
DRAFT, GONE = "draft-", "gone-"

ABANDONED = 7 * 86_400
"""Seconds after which a draft of another machine, or of nobody, is given up."""

_CHUNK = 2**22
_OWN_TYPE = 2  # `numpy.dtype.isbuiltin` of types that other packages register, such as bfloat16


@dataclass(frozen=True)
class Entry:
    """What is kept under one key.

    Attributes:
        key: What it was made from.
        kind: `pixels`, `features` or `checks`.
        bytes: Of its arrays.
        last_used: When it was made or last found, UTC, as `2026-11-26T02:40:00+00:00`.
        about: What it is, for people: text and numbers under short names.
    """

    key: str
    kind: CacheKind
    bytes: int
    last_used: str
    about: Mapping[str, Any]


def volume(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Bytes of an array."""
    return math.prod(shape) * dtype.itemsize


def claim(folder: Path, needed: int) -> None:
    """Make the folder of a draft of this process, and of so many bytes."""
    folder.mkdir(parents=True)
    text = json.dumps({**asdict(this_process()), "bytes": needed})
    (folder / OWNER).write_text(text, encoding="utf-8")


def new(folder: Path, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A writable memory map of a new file, with its space reserved."""
    needed = volume(shape, dtype)
    path = _file(folder, index)
    with path.open("wb", buffering=0) as file:
        reserve(file, needed, folder=folder)
    return np.memmap(path, dtype, mode="r+", shape=shape) if needed else np.empty(shape, dtype)


def describe(arrays: Sequence[Array], *, key: str, kind: CacheKind, about: Mapping[str, Any]) -> dict[str, Any]:
    """The description of an entry, with the checksums of its arrays."""
    files = [
        {
            "shape": one.shape,
            "dtype": one.dtype.name if one.dtype.isbuiltin == _OWN_TYPE else one.dtype.str,
            "crc32": zlib.crc32(one.reshape(-1).view(np.uint8).data),
        }
        for one in arrays
    ]
    return {
        "format": FORMAT,
        "token": uuid.uuid4().hex,
        "key": key,
        "kind": kind,
        "bytes": sum(one.nbytes for one in arrays),
        "about": dict(about),
        "arrays": files,
    }


def publish(draft: Path, place: Path, description: Mapping[str, Any]) -> None:
    """Make an entry of a draft, in one step.

    Raises:
        OSError: There is one in its place already, or it cannot be written.
    """
    (draft / DESCRIPTION).write_text(json.dumps(description, indent=1), encoding="utf-8")
    (draft / OWNER).unlink()
    draft.rename(place)


def described(folder: Path) -> dict[str, Any]:
    """The description of an entry.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no description.
    """
    found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"{folder} is no entry")
    return found


def opened(folder: Path, index: int, one: Mapping[str, Any]) -> Array:
    """An array of an entry as a read-only memory map.

    Raises:
        OSError: The file cannot be read.
        ValueError: It has not the size that it should have.
    """
    shape, dtype = tuple(one["shape"]), _dtype(one["dtype"])
    path, needed = _file(folder, index), volume(shape, dtype)
    if path.stat().st_size != needed:
        raise ValueError(f"{path} has {path.stat().st_size} bytes and not {needed}")
    if needed:
        return np.memmap(path, dtype, mode="r", shape=shape)
    empty = np.empty(shape, dtype)
    empty.flags.writeable = False
    return empty


def compare(folder: Path, description: Mapping[str, Any]) -> None:
    """Read all files of an entry and compare their checksums.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file has changed.
    """
    buffer = memoryview(bytearray(_CHUNK))
    for index, one in enumerate(description["arrays"]):
        path, found = _file(folder, index), 0
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                found = zlib.crc32(buffer[:count], found)
        if found != one["crc32"]:
            raise ValueError(f"{path} has changed")


def entries(folder: Path) -> list[tuple[Path, Entry]]:
    """All entries in a folder and where they lie, the most recently used first."""
    found = []
    for place in _folders(folder):
        if place.name.startswith((DRAFT, GONE)):
            continue
        try:
            fields = described(place)
            used = (place / DESCRIPTION).stat().st_mtime
            last_used = datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds")
            entry = Entry(fields["key"], fields["kind"], int(fields["bytes"]), last_used, dict(fields["about"]))
        except (OSError, ValueError, TypeError, LookupError):  # on its way out, or damaged
            continue
        found.append((used, place, entry))
    found.sort(key=lambda one: (-one[0], one[1].name))
    return [(place, entry) for _, place, entry in found]


def remove(place: Path) -> bool:
    """Remove an entry: first from its place, in one step, then from the disk. False where it is in use, on Windows."""
    gone = place.with_name(f"{GONE}{uuid.uuid4().hex}")
    try:
        place.rename(gone)
    except OSError:
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def begun(folder: Path) -> int:
    """Bytes of all drafts."""
    return sum(int(_owner(one).get("bytes", 0)) for one in _folders(folder) if one.name.startswith(DRAFT))


def leftovers(folder: Path) -> Iterator[Path]:
    """Drafts of processes that are no more, and entries whose removal was not finished."""
    for one in _folders(folder):
        if one.name.startswith(GONE) or (one.name.startswith(DRAFT) and _is_abandoned(one)):
            yield one


def _is_abandoned(draft: Path) -> bool:
    owner = _owner(draft)
    if owner:
        alive = Process(int(owner["pid"]), str(owner["host"]), str(owner["born"])).alive()
        if alive is not None:
            return not alive
    try:
        return time.time() - draft.stat().st_mtime > ABANDONED
    except OSError:
        return False


def _owner(draft: Path) -> dict[str, Any]:
    """Who writes a draft; nothing where that is not said, or not yet."""
    try:
        found = json.loads((draft / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"pid", "host", "born", "bytes"} <= found.keys() else {}


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as inside:
            return [folder / one.name for one in inside if one.is_dir()]
    except OSError:
        return []


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index}.bin"


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:  # bfloat16 and its like, known to NumPy once this package is imported
        import ml_dtypes

        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return found
