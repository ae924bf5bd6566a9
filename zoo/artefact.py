"""What leaves the library: a model file that plain Keras loads, and a card that says what it is."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from zoo.backend import without_tensorflow
from zoo.errors import RunFormatError, StoreError, TrainingError
from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.contracts import KerasModel

MODEL = "model.keras"
CARD = "card.json"


_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What loading a file raises that is damaged, or holds what plain Keras does not know."""


def save_model(model: KerasModel, folder: Path) -> KerasModel:
    """Writes `model.keras` and proves that what plain Keras loads from it has the same weights, bit for bit.

    Returns:
        The loaded model: what a person gets, so it is what should be evaluated.

    Raises:
        TrainingError: If the file cannot be loaded again with equal weights.
        StoreError: If the folder cannot be written.
    """
    import keras

    target, draft = folder / MODEL, folder / f"draft-{MODEL}"
    try:
        model.save(draft)
    except OSError as error:
        raise StoreError(f"The model cannot be written to {target}: {error}.", hint="Is the disk full?") from error
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
            raise TrainingError(f"The saved model has another {mine.path!r} than the trained one.", hint="Report this.")
    os.replace(draft, target)  # noqa: PTH105 - atomic on every system
    return again


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
