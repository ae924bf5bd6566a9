"""What a scan keeps of a picture: a fingerprint of its pixels, its size, its look, whether it shows anything at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import PIL

from zoo import decoding
from zoo.events import ignore
from zoo.likeness import look_of
from zoo.values import Skipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.events import Observer
    from zoo.handover import Handover
    from zoo.values import Picture, UInt8Array

_RULES = "3"
"""Raise it when `Facts` or the rules of `decoding` or `likeness` change, so that nothing of the old is used."""


class FingerprintCache(Protocol):
    """Remembers what scans found, so that files which have not changed need not be decoded again. Text to text."""

    def get(self, key: str, /) -> str | None:
        """What was put for a key, or None."""

    def put(self, key: str, value: str, /) -> None:
        """Remember a value."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the scan keeps of a picture that decodes.

    Attributes:
        fingerprint: Hex SHA-256 over height, width and the decoded RGB bytes, or those of all channels of an array that
            is not RGB.
        width: In pixels, upright.
        height: In pixels, upright.
        constant: Whether all pixels have one colour.
        look: Perceptual hashes, see `zoo.likeness`.
        channels: What limits its number of channels, as in `zoo.channels.fits`.
        alpha: Hex SHA-256 over RGB as it is stored, and alpha; empty for a picture without transparent parts.
    """

    fingerprint: str
    width: int
    height: int
    constant: bool
    look: str
    channels: int = 0
    alpha: str = ""


def examine(
    pictures: Sequence[Picture],
    *,
    observe: Observer = ignore,
    workers: int | None = None,
    cache: FingerprintCache | None = None,
    ready: Handover | None = None,
) -> list[Facts | Skipped]:
    """Decode each picture once, or recall what was found last time, and keep its facts or why it has none.

    What is decoded is offered to `ready`, unless it is known to be for the test part.

    A recalled file is one whose path, size and time of change (and Pillow's version) are the same. Failures are not
    remembered: a broken file is looked at again.
    """
    keys = [_key(picture) if cache is not None else None for picture in pictures]
    recalled = [_recall(cache, key) for key in keys]
    missing = [index for index, facts in enumerate(recalled) if facts is None]

    def look(position: int, outcome: UInt8Array | Skipped) -> Facts | Skipped:
        if isinstance(outcome, Skipped):
            return outcome
        facts, picture = facts_of(outcome), pictures[missing[position]]
        if ready is not None and picture.part != "test":
            ready.offer(picture.id, outcome)
        if decoding.is_short(picture):
            return replace(facts, channels=decoding.RGB)
        whole = decoding.transparent(picture)
        return facts if whole is None else replace(facts, alpha=hashlib.sha256(whole.data).hexdigest())

    def remember(position: int, outcome: Facts | Skipped) -> None:
        key = keys[missing[position]]
        if cache is not None and key is not None and isinstance(outcome, Facts):
            cache.put(key, json.dumps(list(astuple(outcome))))

    found = decoding.decode_all(
        [pictures[index] for index in missing],
        look,
        task="checking pictures",
        channels=None,
        observe=observe,
        workers=workers,
        done=remember,  # at once: what stops a long scan costs the pictures since the last batch, not all
    )
    fresh = dict(zip(missing, found, strict=True))
    return [fresh[index] if facts is None else facts for index, facts in enumerate(recalled)]


def facts_of(pixels: UInt8Array) -> Facts:
    """The facts of a decoded picture, uint8 (height, width, 3), or of an array with another number of channels."""
    height, width, own = pixels.shape
    first = pixels[0, 0]
    constant = bool((pixels[::8, ::8] == first).all() and (pixels == first).all())  # the sparse look settles most
    look = look_of(pixels)
    return Facts(fingerprint_of(pixels), width, height, constant, look, channels=0 if own == decoding.RGB else own)


def fingerprint_of(pixels: UInt8Array) -> str:
    """The fingerprint in `Facts` of a decoded picture, uint8 (height, width, channels)."""
    height, width, own = pixels.shape
    simple = own == decoding.RGB
    digest = hashlib.sha256((f"{height}x{width}:" if simple else f"{height}x{width}x{own}:").encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _key(picture: Picture) -> str | None:
    if picture.path is None or picture.pixels is not None:
        return None
    path = Path(picture.path)
    try:
        status = path.stat()
    except OSError:
        return None
    return json.dumps([_RULES, PIL.__version__, str(path.absolute()), status.st_size, status.st_mtime_ns])


def _recall(cache: FingerprintCache | None, key: str | None) -> Facts | None:
    text = cache.get(key) if cache is not None and key is not None else None
    try:
        return None if text is None else Facts(*json.loads(text))
    except (ValueError, TypeError):  # not written by us: look at the file instead
        return None
