"""A saved file without its weights: what all files of one network have in common, to be filled again and again.

Keras writes an HDF5 file into an archive, in which every weight is contiguous. Once it is known which bytes are which
weight, another file of the same network is the bytes between the weights, with other weights. To write it and read it
again takes a fifth of what Keras takes to write it, and what was tried of the first file holds of the next one, because
nothing but the bytes of weights differs.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artefact import MODEL, WEIGHTS, cannot_write, hdf5_arrays, open_hdf5, other_weight
from zoo.errors import TrainingError
from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo.contracts import KerasModel

    Array = np.ndarray[Any, Any]
    Mark = tuple[tuple[int, ...], str, int]

LARGE = 1 << 29
"""Bytes of a file from which on it is left to Keras, which need not hold all of it in memory."""

_DISK = "Check the disk, or give another folder with --store."

_METADATA, _GRAPH = "metadata.json", "config.json"


@dataclass(frozen=True)
class Template:
    """What the files of a network have in common.

    Attributes:
        names: Path in the HDF5 file of each weight of the model.
        kinds: Path in the model, shape and type of each weight.
        gaps: What lies before, between and behind the weights in the HDF5 file, one more than there are weights; empty
            where a file cannot be put together by hand, as one that is very large.
        order: Number in `names` of the weight behind each gap but the last.
        members: The other members of the archive, by name.
    """

    names: tuple[str, ...]
    kinds: tuple[Hashable, ...] = ()
    gaps: tuple[bytes, ...] = ()
    order: tuple[int, ...] = ()
    members: tuple[tuple[str, bytes], ...] = ()

    def fill(self, model: KerasModel, folder: Path) -> Path | None:
        """Writes a draft with the weights that a model has now, and reads all of it again.

        Args:
            model: The one that the template was made of.
            folder: Of the draft.

        Returns:
            The draft; None where the template cannot be filled, or the model has other weights than it had.

        Raises:
            TrainingError: If what is read is not what was to be written.
            StoreError: If the folder cannot be written.
        """
        if not self.gaps or _kinds(model) != self.kinds:
            return None
        draft = folder / f"draft-{MODEL}"
        members = {name: _dated(part) if name == _METADATA else part for name, part in self.members}
        try:
            with zipfile.ZipFile(draft, "w") as archive:
                for name, part in members.items():
                    archive.writestr(name, part)
                with archive.open(WEIGHTS, "w") as member:
                    for piece in self._pieces(model.weights):
                        member.write(piece)
        except OSError as error:
            raise cannot_write(draft, error) from error
        try:
            with zipfile.ZipFile(draft) as archive:
                right = all(archive.read(name) == part for name, part in members.items())
                right = right and self._holds(archive, model.weights)
        except (OSError, zipfile.BadZipFile) as error:
            raise TrainingError(f"{draft} was written and cannot be read again: {error}.", hint=_DISK) from error
        if not right:
            raise TrainingError(f"{draft} holds something else than was written.", hint=_DISK)
        return draft

    def _pieces(self, weights: Sequence[Any]) -> Iterator[bytes]:
        """Gaps and weights as they follow each other in the file, one at a time."""
        for gap, number in zip(self.gaps[:-1], self.order, strict=True):
            yield gap
            yield value_of(weights[number]).tobytes()
        yield self.gaps[-1]

    def _holds(self, archive: zipfile.ZipFile, weights: Sequence[Any]) -> bool:
        """Whether an archive has these weights and gaps, and no more. Raises: TrainingError, for a weight."""
        with archive.open(WEIGHTS) as member:
            for place, piece in enumerate(self._pieces(weights)):
                if member.read(len(piece)) == piece:
                    continue
                if place % 2:
                    raise other_weight(weights[self.order[place // 2]])
                return False
            return not member.read(1)


def template_of(draft: Path, model: KerasModel, again: KerasModel) -> Template | None:
    """The template of a file that Keras wrote; None if it cannot be told which weight lies where.

    Args:
        draft: A file of the model.
        model: Whose weights the file holds.
        again: What was loaded from it, whose weights may be lost afterwards.
    """
    with zipfile.ZipFile(draft) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = members.pop(WEIGHTS)
    with open_hdf5(io.BytesIO(content)) as file:
        tensors = hdf5_arrays(file)
        starts = {name: tensor.id.get_offset() for name, tensor in tensors.items()}  # None where not contiguous
        marks = {name: _mark(_stored(tensor, content, starts[name])) for name, tensor in tensors.items()}
    told = _by_bytes(marks, model) or _by_numbers(again, model, draft.parent)
    if told is None:
        return None
    # Nothing else may be there, which would be that of the first file in all others: assets of layers, other arrays.
    if len(content) > LARGE or set(members) != {_METADATA, _GRAPH} or set(told) != set(marks):
        return Template(told)
    return _cut(content, told, [starts[name] for name in told], members, model) or Template(told)


def _stored(tensor: Any, content: bytes, start: int | None) -> Array:  # noqa: ANN401 - an HDF5 data set
    """What a data set holds, without a copy where it is contiguous."""
    if start is None:
        held: Array = tensor[()]
        return held
    return np.frombuffer(content, tensor.dtype, tensor.size, start).reshape(tensor.shape)


def _cut(
    content: bytes,
    names: tuple[str, ...],
    starts: Sequence[int | None],
    members: Mapping[str, bytes],
    model: KerasModel,
) -> Template | None:
    """A template that can be filled; None where weights are not contiguous."""
    found = []
    for number, (start, weight) in enumerate(zip(starts, model.weights, strict=True)):
        value = value_of(weight).tobytes()
        if start is None or content[start : start + len(value)] != value:
            return None
        found.append((start, start + len(value), number))
    found.sort()
    ends = [0, *(end for _, end, _ in found)]
    begins = [*(start for start, _, _ in found), len(content)]
    gaps = tuple(content[end:begin] for end, begin in zip(ends, begins, strict=True))
    return Template(names, _kinds(model), gaps, tuple(number for _, _, number in found), tuple(members.items()))


def _kinds(model: KerasModel) -> tuple[Hashable, ...]:
    return tuple((weight.path, tuple(weight.shape), str(weight.dtype)) for weight in model.weights)


def _by_bytes(marks: Mapping[str, Mark], model: KerasModel) -> tuple[str, ...] | None:
    """Where each weight lies, told by what lies there; None where two weights hold the same."""
    owners = {_mark(value_of(weight)): number for number, weight in enumerate(model.weights)}
    found = {owners.get(mark): name for name, mark in marks.items()}
    if not len(owners) == len(model.weights) == len(found) == len(marks) or None in found:
        return None
    return tuple(found[number] for number in range(len(found)))


def _mark(value: Array) -> Mark:
    """Tells most arrays apart. Whether the right one was found is seen when all its bytes are compared."""
    return value.shape, str(value.dtype), zlib.crc32(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)


def _by_numbers(again: KerasModel, model: KerasModel, folder: Path) -> tuple[str, ...] | None:
    """As `_by_bytes`: every weight is given its number, and saved once more. What a place holds is whose it is."""
    # By layer, since what comes before it, and the number of a weight without a name, depend on how it was built.
    places = [[(one.path.split("/")[-2:-1], one.shape) for one in side.weights] for side in (again, model)]
    if places[0] != places[1]:
        return None
    trial = folder / "numbered.weights.h5"
    for number, variable in enumerate(again.weights):  # in a type that is too small for it, it is taken for another's
        variable.assign(np.full(variable.shape, number).astype(value_of(variable).dtype))
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
