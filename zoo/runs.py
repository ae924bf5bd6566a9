"""A finished run as a person holds it: scores, receipt, model, predictions."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import quiet, require_keras
from zoo.errors import DataError, RunFormatError, RunNotFoundError, SourceError
from zoo.folders import is_file_path, is_folder_path
from zoo.pixels import list_pictures, prepare
from zoo.rate_curve import read_curve
from zoo.specs import channels_of
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.contracts import KerasModel
    from zoo.explanations import Explanation
    from zoo.rate_curve import RangeTest
    from zoo.values import EpochRecord, Receipt, Recipe, RunRecord, Scores, Status

CHUNK = 256
"""Pictures decoded at a time for prediction, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one picture.

    Attributes:
        item: The path as given, or `array 0`, `array 1`, …
        label: Name of the most probable class, or None where the picture cannot be read.
        probability: Of that class, in [0, 1].
        probabilities: Of every class, by name.
        error: Why the picture cannot be read, or an empty text.
    """

    item: str
    label: str | None
    probability: float
    probabilities: dict[str, float]
    error: str = ""


class Run:
    """A finished run. Light until `model` or `predict` is used.

    Args:
        record: What the store knows.
        folder: Where `model.keras` and `card.json` are.
    """

    def __init__(self, record: RunRecord, folder: Path) -> None:
        self.record = record
        self.folder = folder

    def __repr__(self) -> str:
        accuracy = f"{self.scores.accuracy:.3f}" if self.scores else "none"
        return f"<Run {self.id}: {self.recipe.title}, {self.status}, validation accuracy {accuracy}>"

    @property
    def id(self) -> str:
        """Name in the store."""
        return self.record.id

    @property
    def recipe(self) -> Recipe:
        """What was run."""
        return self.record.recipe

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.record.status

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.record.recipe.classes

    @property
    def scores(self) -> Scores | None:
        """Validation scores of the delivered model."""
        return self.record.validation

    @property
    def receipt(self) -> Receipt | None:
        """Proof of what moved."""
        return self.record.receipt

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        """One record for each epoch, over all phases."""
        return self.record.history

    @property
    def explanation(self) -> Explanation | None:
        """Why it did not learn, or why it is too good, with measurements; None where nothing asks for it."""
        return self.record.explanation

    @property
    def range_test(self) -> RangeTest | None:
        """Rates, losses and choice of the learning-rate range test; None where the run made none."""
        return read_curve(self.folder)

    @functools.cached_property
    def model(self) -> KerasModel:
        """The delivered `keras.Model`: pictures (batch, size, size, channels) in, probabilities (batch, classes) out.

        Pictures are raw: 0–255, RGB where `channels` is 3.
        """
        from zoo.artefact import load_model

        require_keras()
        return load_model(self.folder)

    @property
    def size(self) -> int:
        """Side of the pictures the model takes, in pixels."""
        return int(self.recipe.backbone.values()["size"])

    @property
    def channels(self) -> int:
        """Channels of the pictures the model takes: 3 for RGB; `zoo.channels` says what others are."""
        return channels_of(self.recipe.backbone)

    def predict(self, items: object) -> tuple[Prediction, ...]:
        """Predicts the class of pictures, read exactly as training pictures are.

        Args:
            items: A path, a folder (all pictures in it), an array (height, width, channels), a batch of such arrays, or
                a sequence of paths and arrays. Arrays are 0–255, uint8 or float; RGB for a model that takes RGB.

        Returns:
            One prediction for each picture, in order. One that cannot be read has an `error` and no label.
        """
        found: list[Prediction] = []
        named = _named(items)
        for start in range(0, len(named), CHUNK):
            found.extend(self._predict(named[start : start + CHUNK]))
        return tuple(found)

    def _predict(self, named: Sequence[tuple[str, object]]) -> list[Prediction]:
        from zoo.evaluation import predict

        errors: dict[int, str] = {}
        pixels = []
        for position, (_, item) in enumerate(named):
            try:
                pixels.append(prepare(item, size=self.size, channels=self.channels))
            except DataError as error:
                errors[position] = error.message
        with quiet():
            rows = iter(predict(self.model, np.stack(pixels)).probabilities if pixels else ())
        return [
            Prediction(name, None, 0.0, {}, errors[position])
            if position in errors
            else self._named_row(name, next(rows))
            for position, (name, _) in enumerate(named)
        ]

    def _named_row(self, name: str, row: Any) -> Prediction:  # noqa: ANN401 - a row of an array
        best = int(np.argmax(row))
        return Prediction(
            name, self.classes[best], float(row[best]), dict(zip(self.classes, map(float, row), strict=True))
        )


def _named(items: object) -> list[tuple[str, object]]:
    """Every picture with a name for it."""
    if isinstance(items, str | os.PathLike):
        if not os.fspath(items):
            raise SourceError("'' is no path.", hint="Name pictures or folders; the folder one is in is '.'.")
        path = Path(items)
        if is_folder_path(path):
            inside = list_pictures(path)
            if not inside:
                raise SourceError(f"There are no pictures in {str(path)!r}.", hint="Give a folder with pictures.")
            return [(str(item), item) for item in inside]
        return [(str(items), path)]
    if hasattr(items, "convert"):  # a Pillow image
        return [("picture 0", items)]
    items = _as_array(items)
    if isinstance(items, np.ndarray) and items.ndim <= 3 and not _is_column(items):  # noqa: PLR2004 - height, width, channels
        return [("array 0", items)]
    if isinstance(items, bytes | bytearray | memoryview) or not hasattr(items, "__iter__"):
        raise SourceError(f"A {type(items).__name__} is no picture.", hint="Give paths, folders or arrays RGB 0-255.")
    pairs: list[tuple[str, object]] = []
    parts: Iterable[object] = items
    for position, item in enumerate(parts):
        pairs.extend(_named(item) if isinstance(item, str | os.PathLike) else [(f"array {position}", item)])
    return pairs


def _is_column(items: np.ndarray[Any, Any]) -> bool:
    """Whether it is a list of paths or pictures."""
    return items.ndim == 1 and items.dtype.kind in "OUT"


def _as_array(items: object) -> object:
    """A tensor of any backend as an array: its rows are no pictures. Columns of paths, and all else, stay."""
    if isinstance(items, np.ndarray) or not (hasattr(items, "__array__") and hasattr(items, "shape")):
        return items
    if len(items.shape) < 2:  # noqa: PLR2004 - a column of a table, which may hold paths
        return items
    detached = items.detach().cpu() if hasattr(items, "detach") else items  # torch refuses while it keeps gradients
    return np.asarray(detached)


def load(run: str | Path, *, store: str | Path = "zoo-runs") -> Run:
    """A finished run by its id (or the beginning of one), or by its folder.

    Args:
        run: Id, unique beginning of an id, or path of a run's folder.
        store: Folder of the store, where `run` is an id.

    Raises:
        RunNotFoundError: If there is no such run or store.
        RunFormatError: If the run has no model.
    """
    path = Path(run)
    if is_folder_path(path) and is_file_path(path / "card.json"):
        home, name = path.resolve().parent.parent, path.resolve().name
    else:
        home, name = Path(store), str(run)
    if not is_file_path(home / "zoo.sqlite"):
        raise RunNotFoundError(f"There is no store in {str(home)!r}.", hint="Give the store's folder with --store.")
    with Store(home, reading=True) as opened:
        record = opened.get(name)
        folder = opened.folder(record.id)
    if record.status == "finished" and not (folder / "model.keras").is_file():
        message = f"The model of run {record.id!r} is gone: there is no {str(folder / 'model.keras')!r}."
        raise RunFormatError(message, hint="Run the recipe again, or put the file back.")
    if not (folder / "model.keras").is_file():
        raise RunFormatError(
            f"Run {record.id!r} has no model: it ended as {record.status!r} ({record.reason or 'no reason given'}).",
            hint="Run the recipe again.",
        )
    return Run(record, folder)
