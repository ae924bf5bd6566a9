"""Keras and its backend: whether they are there, and a clean, seeded state for one run."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
_EXTRAS = {"tensorflow": "cpu", "jax": "jax", "torch": "torch"}


def require_keras() -> Any:  # noqa: ANN401 - the module
    """Imports Keras with its backend.

    Raises:
        UsageError: If no backend is installed, or Keras is set to a data format or backend that cannot be used.
    """
    try:
        import keras
    except ImportError as error:
        raise UsageError(f"Keras cannot start: {error}.", hint=_install_hint()) from error
    backend = keras.backend.backend()
    if backend not in _PACKAGES:
        raise UsageError(
            f"The Keras backend {backend!r} cannot train.", hint="Set KERAS_BACKEND to tensorflow, jax or torch."
        )
    if keras.config.image_data_format() != "channels_last":
        raise UsageError(
            f"Keras is set to image_data_format={keras.config.image_data_format()!r}.",
            hint="keras-zoo works on channels last: call keras.config.set_image_data_format('channels_last').",
        )
    return keras


def _install_hint() -> str:
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    there = sorted(name for name, package in _PACKAGES.items() if importlib.util.find_spec(package))
    hint = f"Install the backend with: pip install 'keras-zoo[{_EXTRAS.get(wanted, 'cpu')}]'"
    return hint + (f", or set KERAS_BACKEND={there[0]}, which is installed." if there and wanted not in there else ".")


@contextlib.contextmanager
def clean_state(seed: int) -> Iterator[None]:
    """Seeds Python, NumPy and Keras and sets float32 for the time of one run; gives the person's own state back.

    Args:
        seed: In [0, 2**32).
    """
    keras = require_keras()
    python, numpy, policy = random.getstate(), np.random.get_state(), keras.config.dtype_policy()  # noqa: NPY002 - Keras draws from it
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above


def reseed(seed: int) -> None:
    """Seeds again, so that what comes next does not depend on how much was drawn before."""
    require_keras().utils.set_random_seed(seed)
