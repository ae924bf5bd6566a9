"""Trivial cues: does the file format, the size of a picture, its border or its brightness tell the class already?

A regularised logistic regression (see `zoo.logistic`) is fitted on such figures of the training pictures and asked
about the validation pictures. Where it comes near the score of a network, nobody knows what the network has learned.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from zoo import logistic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo.values import IntArray, Picture, UInt8Array

Array = np.ndarray[Any, Any]

PENALTY = 1e-2
"""Of the regression; there are few figures, so it hardly matters."""

_STRIDE = 4
_LEAST = 1e-3


_CHUNK = 64

Side = tuple["Sequence[Picture]", "UInt8Array", "IntArray"]
"""Pictures as the source lists them; decoded ones, uint8 (n, side, side, channels); and the rows that these are in."""


def cues_of(train: Side, validation: Side) -> dict[str, tuple[Array, Array]]:
    """Figures that have nothing to do with what pictures show, float64 (n, figures) of both sides, by cue.

    Of files only the header is read. Arrays have no format and no file size.
    """
    sides = (train, validation)
    found = {
        "brightness and colour": _pair([_by_chunks(_tones, *side[1:]) for side in sides]),
        "border": _pair([_by_chunks(_border, *side[1:]) for side in sides]),
    }
    heads = [_head(picture) for pictures, _, _ in sides for picture in pictures]
    known = [head for head in heads if head is not None]
    if len(known) == len(heads):
        cut = len(train[0])
        sizes = np.log(np.array([[head.width, head.height] for head in known], np.float64))
        shapes = np.column_stack([sizes, sizes[:, 0] - sizes[:, 1]])
        found["picture size"] = shapes[:cut], shapes[cut:]
        weights = np.log(np.array([[head.size] for head in known], np.float64))
        found["file size"] = weights[:cut], weights[cut:]
        kinds = _one_hot([head.kind for head in known])
        found["file format"] = kinds[:cut], kinds[cut:]
    return found


def _pair(tables: Sequence[Array]) -> tuple[Array, Array]:
    return tables[0], tables[1]


class _Head(NamedTuple):
    """What the header of a file says: format, colours and ending; width and height in pixels; bytes of the file."""

    kind: str
    width: int
    height: int
    size: int


def _head(picture: Picture) -> _Head | None:
    """Of the file; None for an array or a file that does not open any more."""
    if picture.path is None or picture.pixels is not None:
        return None
    path = Path(picture.path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                kind = f"{image.format} {image.mode} {path.suffix}"
                return _Head(kind, max(1, image.width), max(1, image.height), max(1, path.stat().st_size))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _one_hot(kinds: Sequence[str]) -> Array:
    names = sorted(set(kinds))
    table: Array = np.array([[kind == name for name in names] for kind in kinds], np.float64)
    return table


def _by_chunks(figures: Callable[[UInt8Array], Array], pixels: UInt8Array, rows: IntArray) -> Array:
    """Figures of pictures, few of which are held as full arrays at a time."""
    return np.concatenate([figures(pixels[rows[at : at + _CHUNK]]) for at in range(0, len(rows), _CHUNK)])


def _tones(pixels: UInt8Array) -> Array:
    """Mean and deviation of every channel, from every fourth pixel."""
    return _spread(pixels[:, ::_STRIDE, ::_STRIDE].reshape(len(pixels), -1, pixels.shape[-1]))


def _border(pixels: UInt8Array) -> Array:
    """Mean and deviation of every channel along the outermost pixels."""
    return _spread(np.concatenate([pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1))


def _spread(pixels: UInt8Array) -> Array:
    """Mean and deviation of every channel of (n, pixels, channels): sums of whole numbers, channel by channel."""
    values = np.ascontiguousarray(np.moveaxis(pixels, -1, 1))
    mean = values.mean(axis=2, dtype=np.float64)
    squares = np.square(values, dtype=np.uint16).mean(axis=2, dtype=np.float64)
    return np.column_stack([mean, np.sqrt(np.maximum(squares - np.square(mean), 0.0))])


def reached(
    cues: Mapping[str, tuple[Array, Array]], labels: IntArray, truth: IntArray, *, classes: int
) -> dict[str, float]:
    """Validation accuracy by each cue alone, and by `all of them` together, in [0, 1].

    Args:
        cues: Of `cues_of`.
        labels: int (m,), of the training pictures.
        truth: int (n,), of the validation pictures.
        classes: Number of classes.
    """
    targets = np.eye(classes)[labels]
    answers = {name: _accuracy(*sides, targets, truth) for name, sides in cues.items()}
    if len(cues) > 1:
        train, validation = (np.column_stack(column) for column in zip(*cues.values(), strict=True))
        answers["all of them"] = _accuracy(train, validation, targets, truth)
    return answers


def _accuracy(train: Array, validation: Array, targets: Array, truth: IntArray) -> float:
    scale = logistic.Scale.of(train)
    if float(train.std(axis=0).max(initial=0.0)) < _LEAST:  # a cue that does not vary
        return float((truth == targets.sum(axis=0).argmax()).mean())
    (fitted,) = logistic.path(scale.apply(train), targets, (PENALTY,))
    scores = scale.apply(validation) @ fitted.kernel + fitted.bias
    return float((scores.argmax(axis=1) == truth).mean())
