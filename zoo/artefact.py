"""What leaves the library: a model file that plain Keras loads, and a card that says what it is."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

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
        raise cannot_write(draft, error) from error
    return draft


def cannot_write(draft: Path, error: OSError) -> StoreError:
    """What is said where a draft cannot be written."""
    return StoreError(f"The model cannot be written to {draft}: {error}.", hint="Is the disk full?")


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
            raise other_weight(mine)
    return again


def check_draft(draft: Path, model: KerasModel, places: Sequence[str]) -> None:
    """Reads every weight from a draft again, and compares it with the model's, bit for bit. Raises: TrainingError.

    Args:
        draft: Of `write_draft`.
        model: Whose weights it must hold.
        places: Path in the file of each weight, as in `zoo.template.Template.names`.
    """
    with open_weights(draft) as tensors:
        for mine, place in zip(model.weights, places, strict=True):
            if tensors[place][()].tobytes() != value_of(mine).tobytes():
                raise other_weight(mine)


def graph_of(draft: Path) -> bytes:
    """The graph in a file: kinds, configurations and wiring of its layers. Raises: RunFormatError."""
    try:
        with zipfile.ZipFile(draft) as archive:
            return archive.read("config.json")
    except _UNREADABLE as error:
        raise RunFormatError(f"{draft} cannot be read: {error}.", hint="Run the recipe again.") from error


def publish(draft: Path, folder: Path) -> None:
    """Gives a draft the name of a finished model."""
    os.replace(draft, folder / MODEL)  # noqa: PTH105 - atomic on every system


@contextlib.contextmanager
def open_weights(path: Path) -> Iterator[Any]:
    """The weights in a file of Keras, an open HDF5 file."""
    with zipfile.ZipFile(path) as archive, open_hdf5(io.BytesIO(archive.read(WEIGHTS))) as file:
        yield file


def open_hdf5(source: Any) -> Any:  # noqa: ANN401 - a path or a stream; an HDF5 file
    """An HDF5 file, open to be read."""
    import h5py

    return h5py.File(source, "r")


def hdf5_arrays(file: Any) -> dict[str, Any]:  # noqa: ANN401 - an HDF5 file and its data sets
    """All arrays in an HDF5 file, by path, as h5py gives them."""
    found: dict[str, Any] = {}
    file.visititems(lambda name, item: found.__setitem__(name, item) if hasattr(item, "dtype") else None)
    return found


def other_weight(mine: Any) -> TrainingError:  # noqa: ANN401 - a Keras variable
    """What is said where a file holds another weight than the network."""
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
