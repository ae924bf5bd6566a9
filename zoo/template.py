"""A saved file without its weights: what all files of one network have in common, to be filled again and again.

Keras writes an HDF5 file into an archive, in which every weight lies in one piece at a place of its own. Once it is
known which piece is which weight, another file of the same network is the bytes between the pieces, with other pieces.
That takes a tenth of what Keras takes, and what was tried of the first file holds of the next one, because nothing but
the bytes of weights can differ.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artefact import MODEL, WEIGHTS, cannot_write, hdf5_arrays, open_hdf5, open_weights, other_weight
from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.contracts import KerasModel

    Array = np.ndarray[Any, Any]

LARGE = 1 << 29
"""Bytes of a file from which on it is left to Keras, which need not hold all of it in memory."""

_METADATA, _GRAPH = "metadata.json", "config.json"


@dataclass(frozen=True)
class Template:
    """What the files of a network have in common.

    Attributes:
        names: Path in the HDF5 file of each weight of the model.
        gaps: What lies before, between and behind the weights in the HDF5 file, one more than there are weights; empty
            where a file cannot be put together by hand, as one that is very large.
        order: Number in `names` of the weight behind each gap but the last.
        members: The other members of the archive, by name.
    """

    names: tuple[str, ...]
    gaps: tuple[bytes, ...] = ()
    order: tuple[int, ...] = ()
    members: tuple[tuple[str, bytes], ...] = ()

    def fill(self, model: KerasModel, folder: Path) -> Path | None:
        """Writes a draft with the weights that a model has now, and reads all of it again.

        Args:
            model: The one that the template was made of.
            folder: Of the draft.

        Returns:
            The draft; None where the template cannot be filled.

        Raises:
            TrainingError: If what is read is not what was to be written.
            StoreError: If the folder cannot be written.
        """
        if not self.gaps:
            return None
        draft = folder / f"draft-{MODEL}"
        pieces = self._pieces(model.weights)
        weights = b"".join(pieces)
        members = {name: _dated(part) if name == _METADATA else part for name, part in self.members}
        try:
            with zipfile.ZipFile(draft, "w") as archive:
                for name, part in members.items():
                    archive.writestr(name, part)
                archive.writestr(WEIGHTS, weights)
            with zipfile.ZipFile(draft) as archive:
                found = {name: archive.read(name) for name in (*members, WEIGHTS)}
        except OSError as error:
            raise cannot_write(draft, error) from error
        read = found.pop(WEIGHTS)
        if read != weights:
            raise other_weight(model.weights[self._differing(read, pieces)])
        return draft if found == members else None

    def _pieces(self, weights: Sequence[Any]) -> list[bytes]:
        """Gaps and weights as they follow each other in the file."""
        between = (value_of(weights[number]).tobytes() for number in self.order)
        woven = itertools.chain.from_iterable(zip(self.gaps[:-1], between, strict=True))
        return [*woven, self.gaps[-1]]

    def _differing(self, read: bytes, pieces: Sequence[bytes]) -> int:
        """Number of the weight that is the first to differ, or that comes behind what differs."""
        start = 0
        for place, piece in enumerate(pieces[:-1]):
            if read[start : start + len(piece)] != piece:
                return self.order[place // 2]
            start += len(piece)
        return self.order[-1]


def template_of(draft: Path, model: KerasModel, again: KerasModel) -> Template | None:
    """The template of a file that Keras wrote; None if it cannot be told which weight lies where.

    Args:
        draft: A file of the model.
        model: Whose weights the file holds.
        again: What was loaded from it, whose weights may be lost afterwards.
    """
    with open_weights(draft) as file:
        tensors = hdf5_arrays(file)
        held = {name: tensor[()] for name, tensor in tensors.items()}
        starts = {name: tensor.id.get_offset() for name, tensor in tensors.items()}  # None where it is in pieces
    told = _by_bytes(held, model) or _by_numbers(again, draft.parent)
    if told is None:
        return None
    return _cut(draft, told, [starts.get(name) for name in told], model) or Template(told)


def _cut(draft: Path, names: tuple[str, ...], starts: Sequence[int | None], model: KerasModel) -> Template | None:
    """A template that can be filled; None where weights are in several pieces, or the file holds more than weights."""
    if draft.stat().st_size > LARGE:
        return None
    with zipfile.ZipFile(draft) as archive:
        if set(archive.namelist()) != {_METADATA, _GRAPH, WEIGHTS}:  # assets of layers, which nobody knows here
            return None
        content = archive.read(WEIGHTS)
        members = tuple((name, archive.read(name)) for name in archive.namelist() if name != WEIGHTS)
    found = []
    for number, (start, weight) in enumerate(zip(starts, model.weights, strict=True)):
        value = value_of(weight).tobytes()
        if start is None or content[start : start + len(value)] != value:
            return None
        found.append((start, start + len(value), number))
    found.sort()
    ends = [0, *(end for _, end, _ in found)]
    begins = [*(start for start, _, _ in found), len(content)]
    if any(begin < end for begin, end in zip(begins, ends, strict=True)):
        return None
    gaps = tuple(content[end:begin] for end, begin in zip(ends, begins, strict=True))
    return Template(names, gaps, tuple(number for _, _, number in found), members)


def _by_bytes(held: dict[str, Array], model: KerasModel) -> tuple[str, ...] | None:
    """Where each weight lies, told by what lies there; None where two weights hold the same."""
    owners = {_mark(value_of(weight)): number for number, weight in enumerate(model.weights)}
    if len(owners) != len(model.weights):
        return None
    found = {owners.get(_mark(value)): name for name, value in held.items()}
    if len(found) != len(held) or None in found or len(found) != len(owners):
        return None
    return tuple(found[number] for number in range(len(found)))


def _mark(value: Array) -> tuple[tuple[int, ...], str, bytes]:
    return value.shape, str(value.dtype), hashlib.sha256(value.tobytes()).digest()


def _by_numbers(again: KerasModel, folder: Path) -> tuple[str, ...] | None:
    """As `_by_bytes`: every weight is given its number, and saved once more. What a place holds is whose it is."""
    trial = folder / "numbered.weights.h5"
    for number, variable in enumerate(again.weights):
        variable.assign(np.full(variable.shape, number, dtype=value_of(variable).dtype))
    found: dict[int, str] = {}
    try:
        again.save_weights(trial)
        with open_hdf5(trial) as file:
            for name, tensor in hdf5_arrays(file).items():
                values = tensor[()]
                if values.dtype.kind not in "fiub":  # bfloat16, which HDF5 does not know
                    return None
                if not values.size or int(values.flat[0]) in found or (values != values.flat[0]).any():
                    return None
                found[int(values.flat[0])] = name
    finally:
        trial.unlink(missing_ok=True)
    known = sorted(found) == list(range(len(again.weights)))
    return tuple(found[number] for number in range(len(found))) if known else None


def _dated(metadata: bytes) -> bytes:
    """What Keras says of a file, with the time that it is now."""
    told = json.loads(metadata)
    told["date_saved"] = dt.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")  # noqa: DTZ005 - as Keras writes it
    return json.dumps(told).encode()
