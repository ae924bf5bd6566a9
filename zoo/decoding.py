"""From a file to pixels: the one way that scanning, training, evaluation and prediction share.

Rules of `decode`, fixed so that a picture is the same array wherever it is used:

- It is turned upright after its EXIF orientation; a broken EXIF block counts as none.
- Of animated and multi-page files it is the first frame.
- It has as many channels as are wanted, RGB if nothing else is said; `zoo.channels` has the rules. In RGB and grey,
  transparent parts are laid on white.
- 16-bit grey is scaled to 8 bits (65535 becomes 255), never cut off at 255.
- 32-bit float grey: values within 0–1 are scaled by 255, within 0–255 taken as they are, else stretched from least to
  greatest. 32-bit integer grey: within 0–65535 as 16-bit grey, else stretched.
- CMYK, CIE LAB, YCbCr and palettes become RGB; embedded colour profiles are not applied.
- NumPy's files (`.npy`) hold pictures as arrays; those of 1 (grey) and 3 channels (RGB) are as other pictures are.
- Damaged, truncated and oversized files are refused. Nothing is guessed, and no Pillow setting is touched.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image, ImageOps

from zoo import arrays
from zoo.channels import array_fault, has_unread_bands, of_array, of_image
from zoo.errors import SourceError
from zoo.events import Progress, ignore
from zoo.unreadable import FAILURES, reason
from zoo.values import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from zoo.events import Observer
    from zoo.values import Picture, UInt8Array

T = TypeVar("T")

RGB = 3
"""Channels of a picture where nothing else is said."""

_RGBA, _OPAQUE = 4, 255
_JPEG = b"\xff\xd8\xff"

MAX_PIXELS = 178_956_970
"""Largest picture that is decoded, width × height: 512 MiB as RGB, and where Pillow's own default refuses too."""

FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "HEIF", "PPM", "JPEG2000"),
    *("QOI", "DDS", "PSD", "SGI", "PCX", "ICO", "ICNS", "TGA"),
)
"""Formats that are tried, in this order. Left out: those that run other programs (EPS), documents and films.

HEIF is read only where a plugin for Pillow is registered. TGA has no signature, so it is asked last.
"""


class _Silence:
    """Keeps Pillow's warnings in while a picture is decoded, from any number of threads.

    `warnings.catch_warnings` alone is not safe with threads: the last to leave may restore the filters of another.
    So only the first to enter sets the filter and only the last to leave takes it away. It hides what modules of
    Pillow warn of, nothing else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._depth:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self._caught.__exit__(kind, error, trace)


_PILLOW_SILENCE = _Silence()


def decode(path: str | os.PathLike[str], *, channels: int = RGB) -> UInt8Array:
    """Decode one file by the rules of this module. Safe to call from several threads.

    Args:
        path: The file.
        channels: How many channels are wanted, 1 to 16.

    Returns:
        uint8 array of shape (height, width, channels), 0–255.

    Raises:
        SourceError: The file cannot be read or decoded, or not with so many channels; the message names it and says
            why, in one line.
    """
    try:
        return _decode(path, channels)
    except FAILURES as error:
        raise SourceError(f"{os.fspath(path)} cannot be used: {reason(path, error)}.") from error


def attempt(picture: Picture, channels: int | None = RGB) -> UInt8Array | Skipped:
    """The pixels of a picture, uint8 (height, width, channels), or why it has none. Files and arrays alike.

    Args:
        picture: A file or an array.
        channels: How many channels are wanted; None for RGB where it can be had so, else as many as it has.
    """
    if picture.pixels is None and picture.path is None:
        return Skipped(picture.id, "it has neither a path nor pixels")
    try:
        if picture.path is not None and picture.pixels is None:
            return _decode(picture.path, channels)
        pixels = np.asarray(picture.pixels)
        fault = array_fault(pixels.dtype, pixels.shape)
        return Skipped(picture.id, fault) if fault else of_array(pixels, channels)
    except FAILURES as error:
        return Skipped(picture.id, reason(picture.path or "", error))


def is_short(picture: Picture) -> bool:
    """Whether a picture that decodes is a TIFF with more bands than are read; only files with such names are asked."""
    if picture.path is None or picture.pixels is not None or not picture.path.lower().endswith((".tif", ".tiff")):
        return False
    try:
        with _PILLOW_SILENCE, Image.open(picture.path, formats=["TIFF"]) as image:
            return has_unread_bands(image)
    except FAILURES:  # of another format, in spite of its name
        return False


def transparent(picture: Picture) -> UInt8Array | None:
    """RGB as it is stored, and alpha, of a file that is transparent somewhere: what its RGB on white does not tell.

    Returns:
        uint8 (height, width, 4); None for a picture that is opaque, is an array, or cannot be decoded.
    """
    if picture.path is None or picture.pixels is not None:
        return None
    try:
        if arrays.is_array(picture.path) or _is_jpeg(picture.path):
            return None
        with _PILLOW_SILENCE, Image.open(picture.path, formats=_formats()) as image:
            if not image.has_transparency_data:
                return None
        whole = _decode(picture.path, _RGBA)
    except FAILURES:
        return None
    return None if (whole[:, :, RGB:] == _OPAQUE).all() else whole


def _is_jpeg(path: str) -> bool:
    """Whether a file begins as JPEG, which has no alpha, does: much cheaper than to open it as a picture once more."""
    with Path(path).open("rb") as file:
        return file.read(len(_JPEG)) == _JPEG


def decode_all(
    pictures: Sequence[Picture],
    use: Callable[[int, UInt8Array | Skipped], T],
    *,
    task: str,
    channels: int | None = RGB,
    observe: Observer = ignore,
    workers: int | None = None,
    done: Callable[[int, T], None] | None = None,
) -> list[T]:
    """Decode many pictures in threads (Pillow works outside the interpreter lock) and keep what `use` makes of each.

    Args:
        pictures: What to decode.
        use: Called on the worker's thread with a position in `pictures` and the outcome of `attempt`.
        task: Name of the work in progress events.
        channels: As in `attempt`.
        observe: Gets about a hundred progress events, on the calling thread.
        workers: Number of threads; as many as there are processors by default, at most 16.
        done: Called on the calling thread with each position and its result, in order, as soon as it is there.

    Returns:
        The results of `use`, in the order of `pictures`. An error in `use` ends the work.
    """
    total = len(pictures)
    step = max(1, total // 100)
    results: list[T] = []

    def work(index: int) -> T:
        return use(index, attempt(pictures[index], channels))

    with _PILLOW_SILENCE:
        for result in _in_order(work, total, workers=workers or min(16, processors())):
            if done is not None:
                done(len(results), result)
            results.append(result)
            if len(results) % step == 0 or len(results) == total:
                observe(Progress(task, len(results), total))
    return results


def _in_order(work: Callable[[int], T], total: int, *, workers: int) -> Iterator[T]:
    """Results for 0 … total − 1 in order; only a few wait at a time, so that a million pictures cost no memory."""
    executor = ThreadPoolExecutor(workers, thread_name_prefix="zoo-decode")
    pending: deque[Callable[[], T]] = deque()
    try:
        for index in range(total):
            pending.append(executor.submit(work, index).result)
            if len(pending) >= 8 * workers:
                yield pending.popleft()()
        while pending:
            yield pending.popleft()()
    finally:
        executor.shutdown(cancel_futures=True)


def processors() -> int:
    """Number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def resize(array: UInt8Array, size: int) -> UInt8Array:
    """The whole picture stretched to a square: bilinear, antialiased by Pillow's triangle filter over the full support.

    Stretched and not cropped, because what a class is told by may lie at the edge. Each channel on its own: alpha is a
    channel like the others.

    Args:
        array: uint8 (height, width, channels).
        size: Side of the result in pixels, at least 1.

    Returns:
        uint8 (size, size, channels). The array itself where it has that size already.
    """
    return array if array.shape[:2] == (size, size) else resize_all(array, [size])[0]


def resize_all(array: UInt8Array, sizes: Sequence[int]) -> list[UInt8Array]:
    """A picture in several sizes, each as `resize` gives it, in less time than by calling it for each."""
    if array.shape[2] == RGB:
        image = Image.fromarray(array)
        return [array if array.shape[:2] == (size, size) else _stretch(image, size) for size in sizes]
    planes = [Image.fromarray(np.ascontiguousarray(array[:, :, index])) for index in range(array.shape[2])]
    return [
        array if array.shape[:2] == (size, size) else np.stack([_stretch(plane, size) for plane in planes], axis=2)
        for size in sizes
    ]


def _stretch(image: Image.Image, size: int) -> UInt8Array:
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def _decode(path: str | os.PathLike[str], channels: int | None) -> UInt8Array:
    if arrays.is_array(path):
        return of_array(arrays.read(path), channels)
    with _PILLOW_SILENCE, Image.open(path, formats=_formats()) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width}×{image.height} pixels, the limit is {MAX_PIXELS:,}")
        if channels not in {None, 1, RGB} and has_unread_bands(image):
            raise ValueError(f"it is a TIFF with more bands than can be read, not a picture of {channels} channels")
        image.load()
        return of_image(_upright(image), channels or RGB)


def _formats() -> list[str]:
    """Those of `FORMATS` that this Pillow can read."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _upright(image: Image.Image) -> Image.Image:
    try:
        ImageOps.exif_transpose(image, in_place=True)  # else it copies what is upright already
    except MemoryError:
        raise
    except FAILURES:  # the pixels are sound, only the EXIF block is not
        pass
    return image
