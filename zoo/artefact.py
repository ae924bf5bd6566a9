"""What leaves the library: a model file that plain Keras loads, and a card that says what it is."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import json
import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import without_tensorflow
from zoo.errors import RunFormatError, StoreError, TrainingError
from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo.contracts import KerasModel

MODEL = "model.keras"
CARD = "card.json"
WEIGHTS = "model.weights.h5"
"""Where a file of Keras has its weights."""

LARGE = 1 << 29
"""Bytes of a file from which on it is left to Keras, which need not hold all of it in memory."""


_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What loading a file raises that is damaged, or holds what plain Keras does not know."""


def save_model(model: KerasModel, folder: Path) -> KerasModel:
    """Writes `model.keras` and proves that what plain Keras loads from it has the same weights, bit for bit.

    Returns:
        The loaded model: what a person gets.

    Raises:
        TrainingError: If the file cannot be loaded again with equal weights.
        StoreError: If the folder cannot be written.
    """
    draft = write_draft(model, folder)
    again = load_draft(draft, model)
    publish(draft, folder)
    return again


def write_draft(model: KerasModel, folder: Path) -> Path:
    """Writes the model under a name that nobody takes for a finished file. Raises: StoreError."""
    draft = folder / f"draft-{MODEL}"
    try:
        model.save(draft)
    except OSError as error:
        raise StoreError(f"The model cannot be written to {draft}: {error}.", hint="Is the disk full?") from error
    return draft


def load_draft(draft: Path, model: KerasModel) -> KerasModel:
    """What plain Keras loads from a draft, which must have the weights of the model. Raises: TrainingError."""
    import keras

    try:
        again = keras.models.load_model(draft, compile=False, safe_mode=True)
    except _UNREADABLE as error:
        draft.unlink(missing_ok=True)
        raise TrainingError(
            f"The saved model cannot be loaded again: {error}.",
            hint="The backbone or head has a layer that plain Keras cannot load (a Lambda, or an unregistered class).",
        ) from error
    for mine, loaded in zip(model.weights, again.weights, strict=True):
        if value_of(mine).tobytes() != value_of(loaded).tobytes():
            raise _other_weight(mine)
    return again


def check_draft(draft: Path, model: KerasModel, places: Sequence[str]) -> None:
    """Reads every weight from a draft again, and compares it with the model's, bit for bit. Raises: TrainingError.

    Args:
        draft: Of `write_draft`.
        model: Whose weights it must hold.
        places: Path in the file of each weight, of `places_of`.
    """
    with _tensors(draft) as tensors:
        for mine, place in zip(model.weights, places, strict=True):
            if tensors[place][()].tobytes() != value_of(mine).tobytes():
                raise _other_weight(mine)


def graph_of(draft: Path) -> bytes:
    """The graph in a file: kinds, configurations and wiring of its layers. Raises: RunFormatError."""
    try:
        with zipfile.ZipFile(draft) as archive:
            return archive.read("config.json")
    except _UNREADABLE as error:
        raise RunFormatError(f"{draft} cannot be read: {error}.", hint="Run the recipe again.") from error


def places_of(draft: Path, model: KerasModel, again: KerasModel) -> tuple[str, ...] | None:
    """Where a saved file has each weight of a model; None if that cannot be told.

    Mostly no two weights hold the same, and the bytes in a place say whose it is. If some do, every weight is given its
    number and the weights are saved once more: what a place holds is the number of its weight.

    Args:
        draft: A file of the model.
        model: Whose weights the file holds.
        again: A model of `load_draft`, whose weights may be lost afterwards.
    """
    owners = {_mark(value_of(weight)): number for number, weight in enumerate(model.weights)}
    if len(owners) == len(model.weights):
        with _tensors(draft) as tensors:
            found = {owners.get(_mark(tensors[place][()])): place for place in _names(tensors)}
            told = len(found) == len(_names(tensors)) and sorted(found, key=str) == sorted(owners.values(), key=str)
        if told:
            return tuple(found[number] for number in range(len(found)))
    return _numbered(again, draft.parent)


def _mark(value: Any) -> tuple[tuple[int, ...], str, bytes]:  # noqa: ANN401 - an array
    return value.shape, str(value.dtype), hashlib.sha256(value.tobytes()).digest()


def _numbered(again: KerasModel, folder: Path) -> tuple[str, ...] | None:
    """As `places_of`, by numbers instead of weights."""
    trial = folder / "numbered.weights.h5"
    for number, variable in enumerate(again.weights):
        variable.assign(np.full(variable.shape, number, dtype=value_of(variable).dtype))
    found: dict[int, str] = {}
    try:
        again.save_weights(trial)
        with _open_hdf5(trial) as tensors:
            for place in _names(tensors):
                values = tensors[place][()]
                if values.dtype.kind not in "fiub":  # bfloat16, which HDF5 does not know
                    return None
                if not values.size or int(values.flat[0]) in found or (values != values.flat[0]).any():
                    return None
                found[int(values.flat[0])] = place
    finally:
        trial.unlink(missing_ok=True)
    known = sorted(found) == list(range(len(again.weights)))
    return tuple(found[number] for number in range(len(found))) if known else None


def rewrite_draft(model: KerasModel, folder: Path, *, like: Path, places: Sequence[str]) -> Path | None:
    """As `write_draft`, with all but the weights taken from a file of the same graph; None if that cannot be done.

    Args:
        model: Whose weights are written.
        folder: Of the draft.
        like: A file that Keras wrote of this model, with other weights.
        places: Path in the file of each weight, of `places_of`.
    """
    draft = folder / f"draft-{MODEL}"
    try:
        if like.stat().st_size > LARGE:
            return None
        with zipfile.ZipFile(like) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        if set(parts) != {"metadata.json", "config.json", WEIGHTS}:  # assets of layers, which nobody knows here
            return None
        weights = io.BytesIO(parts.pop(WEIGHTS))
        with _open_hdf5(weights, "r+") as tensors:
            for mine, place in zip(model.weights, places, strict=True):
                value, tensor = value_of(mine), tensors[place]
                if (tensor.shape, tensor.dtype) != (value.shape, value.dtype):
                    return None
                if tensor[()].tobytes() != value.tobytes():
                    tensor[...] = value
        told = json.loads(parts["metadata.json"])
        told["date_saved"] = dt.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")  # noqa: DTZ005 - as Keras writes it
        parts["metadata.json"] = json.dumps(told).encode()
        with zipfile.ZipFile(draft, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
            archive.writestr(WEIGHTS, weights.getbuffer())
    except _UNREADABLE:
        return None
    return draft


def publish(draft: Path, folder: Path) -> None:
    """Gives a draft the name of a finished model."""
    os.replace(draft, folder / MODEL)  # noqa: PTH105 - atomic on every system


@contextlib.contextmanager
def _tensors(path: Path) -> Iterator[Any]:
    with zipfile.ZipFile(path) as archive, _open_hdf5(io.BytesIO(archive.read(WEIGHTS))) as file:
        yield file


def _open_hdf5(source: Any, mode: str = "r") -> Any:  # noqa: ANN401 - a path or a stream; an HDF5 file
    """An HDF5 file, open."""
    import h5py

    return h5py.File(source, mode)


def _names(file: Any) -> list[str]:  # noqa: ANN401 - an HDF5 file
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") else None)
    return names


def _other_weight(mine: Any) -> TrainingError:  # noqa: ANN401 - a Keras variable
    return TrainingError(f"The saved model has another {mine.path!r} than the trained one.", hint="Report this.")


def load_model(folder: Path) -> KerasModel:
    """The delivered model of a run: raw 0–255 (batch, size, size, channels) in, probabilities out.

    Raises:
        RunFormatError: If there is none, or it cannot be loaded.
    """
    import keras

    path = folder / MODEL
    if not path.is_file():
        raise RunFormatError(f"The run has no model: {path} is missing.", hint="Run the recipe again.")
    try:
        with without_tensorflow():
            return keras.models.load_model(path, compile=False, safe_mode=True)
    except _UNREADABLE as error:
        raise RunFormatError(f"{path} cannot be loaded: {error}.", hint="Run the recipe again.") from error


def load_models(folders: Sequence[Path]) -> Iterator[KerasModel]:
    """The delivered models of several runs, one at a time: each is good until the next one is asked for.

    Where a file has the same graph as the one before, the loaded model is given its weights, so that what was traced
    for it is used again. Raises: RunFormatError.
    """
    model, graph = None, b""
    for folder in folders:
        if model is None or graph_of(folder / MODEL) != graph:
            model, graph = load_model(folder), graph_of(folder / MODEL)
        else:
            try:
                with without_tensorflow():
                    model.load_weights(folder / MODEL)
            except _UNREADABLE as error:
                raise RunFormatError(
                    f"{folder / MODEL} cannot be loaded: {error}.", hint="Run the recipe again."
                ) from error
        yield model


def write_card(card: Mapping[str, Any], folder: Path) -> None:
    """Writes `card.json`, the record that stays with the model."""
    draft = folder / f"draft-{CARD}"
    draft.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, folder / CARD)  # noqa: PTH105 - atomic on every system


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a run's folder.

    Raises:
        RunFormatError: If it is missing or cannot be read.
    """
    path = folder / CARD
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFormatError(f"{path} cannot be read: {error}.", hint="Give the folder of a finished run.") from error
    return card
