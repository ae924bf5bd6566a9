"""Pixels of many pictures as one array, and of one for prediction: decoded and resized by the same functions."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zoo import decoding, figures, folders
from zoo.channels import of_image
from zoo.decoding import RGB
from zoo.disk_space import reserve
from zoo.errors import SourceError
from zoo.events import Note, ignore
from zoo.memory import default_limit
from zoo.values import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.events import Observer
    from zoo.handover import Handover
    from zoo.values import FloatArray, ImageTable, UInt8Array

    Notice = Callable[[int, UInt8Array], None]

THUMBNAIL = 16
"""Side of a thumbnail in pixels."""

_COLOUR, _GREY = 3, 2  # dimensions of a picture's array
_FEW = 4  # most channels of an array whose channels are known to be grey or RGB, and alpha


def load_pixels(
    table: ImageTable,
    indices: Sequence[int],
    *,
    size: int,
    channels: int = RGB,
    limit_bytes: int | None = None,
    observe: Observer = ignore,
    workers: int | None = None,
    directory: Path | None = None,
    ready: Handover | None = None,
    notice: Notice | None = None,
) -> UInt8Array:
    """Decode pictures and stretch them to squares. Each is `prepare` of the same picture, bit for bit.

    The size is known before anything is allocated. Above `limit_bytes` the array lies in a nameless temporary file,
    which the operating system removes with the array, however the process ends.

    Args:
        table: Where the pictures are.
        indices: Which of them, in the order wanted.
        size: Side in pixels, at least 1.
        channels: Of each picture, by the rules of `zoo.channels`.
        limit_bytes: Most that is held in memory; by default a quarter of the memory there is, at most 4 GiB.
        observe: Gets progress of `reading pictures`, and a note if a file is used.
        workers: Number of threads; as many as processors by default.
        directory: Folder for the temporary file; the system's own if not given, which on some systems is memory.
        ready: Pictures that are resized already; they are taken from there.
        notice: See `decode_into`.

    Returns:
        uint8 array of shape (len(indices), size, size, channels), 0–255. A memory map where it is above the limit.

    Raises:
        SourceError: A file vanished or broke since it was scanned, cannot be had with so many channels, or there is no
            room on the disk.
    """
    _check_size(size)
    shape = (len(indices), size, size, channels)
    limit = default_limit() if limit_bytes is None else limit_bytes
    pixels = _allocate(shape, limit=limit, directory=directory, observe=observe)
    decode_into(pixels, table, indices, observe=observe, workers=workers, ready=ready, notice=notice)
    return pixels


def decode_into(
    pixels: UInt8Array,
    table: ImageTable,
    indices: Sequence[int],
    *,
    observe: Observer = ignore,
    workers: int | None = None,
    ready: Handover | None = None,
    notice: Notice | None = None,
) -> None:
    """Fill an array with pictures, as `load_pixels` does.

    Args:
        pixels: uint8 (len(indices), size, size, channels), to be filled.
        table: Where the pictures are.
        indices: Which of them.
        observe: Gets progress of `reading pictures`.
        workers: Number of threads; as many as processors by default.
        ready: Pictures that are resized already; they are taken from there.
        notice: Called with an index into the table and each picture that is decoded, before it is resized; uint8
            (height, width, channels). On the worker's thread.

    Raises:
        SourceError: As in `load_pixels`.
    """
    size, channels = pixels.shape[2:]
    missing: list[int] = []
    for row, index in enumerate(indices):
        known = ready.take(table.pictures[index].id, size) if ready is not None and channels == RGB else None
        if known is None:
            missing.append(row)
        else:
            pixels[row] = known

    def keep(position: int, outcome: UInt8Array | Skipped) -> None:
        row = missing[position]
        if isinstance(outcome, Skipped):
            raise SourceError(
                f"{outcome.id} of {table.location} can no longer be read: {outcome.reason}.",
                hint="It was whole when the pictures were checked. Put it back, or check the data again.",
            )
        if notice is not None:
            notice(indices[row], outcome)
        pixels[row] = decoding.resize(outcome, size)

    pictures = [table.pictures[indices[row]] for row in missing]
    decoding.decode_all(pictures, keep, task="reading pictures", channels=channels, observe=observe, workers=workers)


def prepare(item: object, *, size: int, channels: int = RGB) -> UInt8Array:
    """One picture as training saw its kind: decoded and resized by the very functions of `load_pixels`.

    Args:
        item: Path of a file, a Pillow image, or an array of 0–255 values: (height, width), or (height, width, own
            channels) with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels, or with as many as are wanted,
            of any number type. Floats are rounded. In RGB and grey, alpha is laid on white, as in files.
        size: Side in pixels, at least 1.
        channels: As in `load_pixels`.

    Returns:
        uint8 array of shape (size, size, channels), 0–255.

    Raises:
        SourceError: It cannot be decoded, has another shape or other values, or was divided by 255 already.
    """
    _check_size(size)
    if isinstance(item, str | os.PathLike):
        return decoding.resize(decoding.decode(item, channels=channels), size)
    picture = item if isinstance(item, Image.Image) else _whole_numbers(item, channels)
    try:
        whole = of_image(picture, channels) if isinstance(picture, Image.Image) else picture
    except ValueError as error:
        raise SourceError(f"A {type(item).__name__} is not such a picture: {error}.") from error
    return decoding.resize(whole, size)


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """All picture files in a folder and below, sorted by their path within it, as sources of folders find them.

    Raises:
        SourceError: A folder may not be opened.
    """
    return tuple(Path(path) for _, path in folders.walk(folder, folder.name).pictures)


def thumbnails(pixels: UInt8Array) -> FloatArray:
    """Area averages of 16 × 16 fields of equal size, whatever the pictures' side.

    Args:
        pixels: uint8 (n, size, size, channels).

    Returns:
        float32 array of shape (n, 256 · channels), 0–255: rows, columns, channels.
    """
    small = np.empty((len(pixels), THUMBNAIL, THUMBNAIL, pixels.shape[-1]), np.float32)
    for row, picture in enumerate(pixels):
        bands = _field_means(picture.astype(np.float32))
        small[row] = _field_means(bands.transpose(1, 0, 2)).transpose(1, 0, 2)
    return small.reshape(len(pixels), -1)


def _field_means(lines: FloatArray) -> FloatArray:
    """Means over 16 fields of equal height; a line on the border of two fields counts in part for each."""
    side = len(lines)
    if side % THUMBNAIL == 0:  # the quick way
        return np.asarray(lines.reshape(THUMBNAIL, -1, *lines.shape[1:]).mean(axis=1))
    sums = np.concatenate([np.zeros_like(lines[:1]), lines.cumsum(axis=0)])
    edges = np.arange(THUMBNAIL + 1) * side / THUMBNAIL
    whole = np.minimum(edges.astype(np.int64), side - 1)
    parts = (edges - whole).astype(np.float32)[:, None, None]
    means: FloatArray = np.diff(sums[whole] + parts * lines[whole], axis=0) * np.float32(THUMBNAIL / side)
    return means


def _allocate(shape: tuple[int, int, int, int], *, limit: int, directory: Path | None, observe: Observer) -> UInt8Array:
    count, size = shape[:2]
    needed = math.prod(shape)
    if needed <= limit:
        return np.empty(shape, np.uint8)
    folder = Path(directory or tempfile.gettempdir())
    observe(
        Note(
            f"{count:,} pictures of {size} × {size} pixels take {figures.amount(needed)}, more than the "
            f"{figures.amount(limit)} that may be held in memory: they are kept in a temporary file in {folder}."
        )
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix="zoo-pixels-") as file:
            reserve(file, needed, folder=folder)
            return np.memmap(file, np.uint8, mode="w+", shape=shape)
    except OSError as error:
        raise SourceError(
            f"{figures.amount(needed)} for pixels cannot be written to {folder}: {error.strerror or error}.",
            hint="Free some space, give another folder, or use a smaller picture size.",
        ) from error


def _check_size(size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise SourceError(f"Pictures cannot be {size!r} pixels wide.", hint="Give a whole number of at least 1.")


def _whole_numbers(item: object, wanted: int) -> UInt8Array | Image.Image:
    """An array of 0–255 values with its own channels where those are wanted, else as an image."""
    values = _values(item)
    if values.ndim == _COLOUR and values.shape[2] == 1:
        values = values[:, :, 0]
    own = 1 if values.ndim == _GREY else values.shape[2] if values.ndim == _COLOUR else 0
    if not values.size or not (own == wanted or 1 <= own <= _FEW):
        raise SourceError(
            f"An array of shape {values.shape} is not one picture.",
            hint=f"Give (height, width), or (height, width, channels) with {'1 to 4' if wanted <= _FEW else wanted} "
            "channels; one picture at a time.",
        )
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # noqa: PLR2004 - the range of 8 bits; written so that NaN fails too
        raise SourceError(
            f"The array holds values from {low:g} to {high:g}; a picture has 0 to 255.",
            hint="Give the raw picture: no mean subtracted, not standardised, 8 bits for each channel.",
        )
    if values.dtype.kind == "f" and 0 < high <= 1:
        raise SourceError(
            f"The array holds fractions up to {high:g}: it looks already divided by 255.",
            hint="Give values from 0 to 255; the model scales them itself.",
        )
    whole = np.rint(values).astype(np.uint8)
    return whole.reshape(*whole.shape[:2], own) if own == wanted else Image.fromarray(whole)


def _values(item: object) -> np.ndarray[Any, Any]:
    try:
        values = np.asarray(item)
    except (ValueError, TypeError, RuntimeError) as error:
        raise SourceError(f"A {type(item).__name__} is not a picture: {error}") from error
    if values.dtype.kind not in "uif":
        raise SourceError(
            f"A {type(item).__name__} of {values.dtype} values is not a picture.",
            hint="Give the path of a file, or an array of numbers from 0 to 255.",
        )
    return values
