"""The weights of keras_cv's presets, which are published at Kaggle only, and the two layouts of their files."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import AbsentWeightsError
from zoo.weights import offline, unanswered

if TYPE_CHECKING:
    from zoo.contracts import KerasModel

_PAGES = "https://www.kaggle.com/models"
_HOST = "https://api.kaggle.com"
"""Where kagglehub downloads from."""

_DESCRIPTION = "config.json"
_USUAL = "model.weights.h5"
"""Name of the file of weights, if the description does not say another."""


def fetch(handle: str, *, backbone: str) -> Path:
    """Path of the file of weights of a preset: from kagglehub's cache, else downloaded into it.

    Args:
        handle: As `owner/model/keras/variant/version`.
        backbone: Name of the backbone, for messages.

    Raises:
        AbsentWeightsError: If it is not in the cache and cannot be fetched: `ZOO_OFFLINE` is set, kagglehub is not
            there or fails, or Kaggle does not answer. The message names the handle.
    """
    cached = [_cached(handle, name) for name in (_DESCRIPTION, _USUAL)]
    cause = "ZOO_OFFLINE is set, so nothing is downloaded" if offline() else ""
    if not cause and not all(cached):
        cause = unanswered(_HOST)
    if cause and cached[1] is not None:
        return cached[1]
    if cause:
        raise _absent(handle, backbone, cause=cause)
    try:
        import kagglehub

        with contextlib.redirect_stdout(sys.stderr):  # a progress bar; stdout belongs to results
            description = Path(kagglehub.model_download(handle, _DESCRIPTION))
            return Path(kagglehub.model_download(handle, _weights_in(description)))
    except Exception as error:
        raise _absent(handle, backbone, cause=f"{type(error).__name__}: {error}") from error


def _weights_in(description: Path) -> str:
    return str(json.loads(description.read_text(encoding="utf-8")).get("weights") or _USUAL)


def _cached(handle: str, name: str) -> Path | None:
    """A file of a preset in kagglehub's cache, or put there by hand."""
    root = os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub"
    path = Path(root) / "models" / handle / name
    return path if path.is_file() else None


def _absent(handle: str, backbone: str, *, cause: str) -> AbsentWeightsError:
    return AbsentWeightsError(
        f"The weights {handle} of {backbone} are not in kagglehub's cache and cannot be fetched: {cause}.",
        hint=f"Download {_USUAL} from {_PAGES}/{handle} where there is a connection and give its path: "
        f"weights=/path/to/{_USUAL}. Or start from random weights with weights=none. "
        "KAGGLEHUB_CACHE names another cache.",
    )


def is_nested(path: Path, source: KerasModel) -> bool:
    """Whether a file was saved from keras_cv's own model, whose layers hold layers, not from the flat one.

    Keras names the groups of a `.weights.h5` by the classes of the layers. A file that cannot be read is no such file;
    what is wrong with it is told when it is loaded.

    Args:
        path: A file of weights.
        source: keras_cv's model.
    """
    import h5py

    from zoo.builtin._cv_parts import kind_of

    composite = {kind_of(layer) for layer in source.layers if list(layer._flatten_layers(include_self=False))}  # noqa: SLF001 - no public walk
    try:
        with h5py.File(path.expanduser(), "r") as file:
            groups = list(file.get("layers", ()))
    except (OSError, KeyError, ValueError, RuntimeError):
        return False
    return bool(composite & {re.sub(r"_\d+$", "", name) for name in groups})
