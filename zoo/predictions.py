"""The predictions of a run as a file, so that boards and reports can be drawn again without the model."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.errors import RunFormatError, RunNotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.values import FloatArray, IntArray, Part


@dataclass(frozen=True, slots=True)
class StoredPredictions:
    """What a run predicted for one part of the split.

    Attributes:
        ids: Of the pictures.
        labels: True labels, int64 of shape (n,).
        probabilities: float32 of shape (n, classes).
    """

    ids: tuple[str, ...]
    labels: IntArray = field(repr=False)
    probabilities: FloatArray = field(repr=False)


def predictions_path(folder: Path, part: Part) -> Path:
    """Where the predictions for a part lie in a run's folder."""
    return folder / f"predictions-{part}.npz"


def write_predictions(path: Path, predictions: StoredPredictions) -> None:
    """Writes predictions, all of them or none.

    Raises:
        StoreError: If the arrays do not belong together, or the file cannot be written.
    """
    import numpy as np

    n = len(predictions.ids)
    labels = np.asarray(predictions.labels, np.int64)
    probabilities = np.asarray(predictions.probabilities, np.float32)
    if labels.shape != (n,) or probabilities.ndim != 2 or len(probabilities) != n:  # noqa: PLR2004 - a table
        raise StoreError(
            f"{n} ids, labels of shape {labels.shape} and probabilities of shape {probabilities.shape} do not fit.",
            hint="Give one label and one row of probabilities for each id.",
        )
    with replacing(path) as temporary, temporary.open("wb") as file:
        # As JSON: in an array of texts each takes the room of the longest.
        ids = np.frombuffer(json.dumps(list(predictions.ids)).encode("ascii"), np.uint8)
        np.savez_compressed(file, ids=ids, labels=labels, probabilities=probabilities)


def read_predictions(path: Path) -> StoredPredictions:
    """Reads what `write_predictions` wrote.

    Raises:
        RunNotFoundError: If there is no such file.
        RunFormatError: If it is damaged.
    """
    import numpy as np

    try:
        # Opened here, because NumPy leaves a file open that turns out not to be an archive.
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            ids = arrays["ids"]
            names = json.loads(ids.tobytes()) if ids.dtype == np.uint8 else ids.tolist()  # texts: an earlier version's
            return StoredPredictions(tuple(names), arrays["labels"], arrays["probabilities"])
    except FileNotFoundError as error:
        raise RunNotFoundError(
            f"There are no stored predictions at {path}.", hint="Run the recipe again, or evaluate the run's model."
        ) from error
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunFormatError(
            f"The predictions {path} cannot be read: {error}.", hint="Delete the file and run the recipe again."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside a file that takes the file's place if all goes well.

    Raises:
        StoreError: If the disk does not take it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error}.", hint="Free some space, or choose a folder that can be written to."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
