"""Why a file is no picture, in words: the failures of Pillow's decoders, and what the file seems to be instead."""

from __future__ import annotations

import os
import re
import string
import struct
import zlib
from pathlib import Path

from PIL import Image, UnidentifiedImageError

FAILURES = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError),
    *(SyntaxError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for a damaged file: its decoders do not agree on one kind of error."""

_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the picture; `git lfs pull` fetches it"),
    (b"<!doctype html", "an HTML page, not a picture"),
    (b"<html", "an HTML page, not a picture"),
    (b"<svg", "an SVG drawing, not a picture made of pixels"),
    (b"<?xml", "an XML file, not a picture made of pixels"),
    (b"\x93numpy", "an array of NumPy; name it .npy"),
    (b"%pdf", "a PDF document, not a picture"),
)

_HEIF_BRANDS = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypmif1", b"ftypmsf1")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # `pathlib` makes one slash of two; a drive has one letter

_CONTROL = frozenset(range(32)) - frozenset(string.whitespace.encode()) | {127}


def reason(path: str | os.PathLike[str], error: BaseException) -> str:
    """One line that says why Pillow's failure `error` happened to a file, without the file's name or a full stop."""
    if isinstance(error, UnidentifiedImageError):
        return _content(path)
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: {_line(error)}"
    if isinstance(error, FileNotFoundError) and _ADDRESS.match(os.fspath(path)):
        return "it is an address, not a file; download the picture first"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return _line(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _content(path: str | os.PathLike[str]) -> str:
    try:
        with Path(path).open("rb") as file:
            head = file.read(512)
    except OSError as error:
        return _line(error)
    if not any(head):
        return "it begins with zero bytes only" if head else "the file is empty"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, meaning in _STARTS:
        if start.startswith(signature):
            return meaning
    if head[4:12] in _HEIF_BRANDS:
        return "a HEIF picture, which Pillow cannot read without a plugin; convert it to JPEG"
    return "not a picture that Pillow can read" if _CONTROL.intersection(head) else "text, not a picture"
