"""Keras and its backend: whether they are there, and a clean, seeded state for one run."""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import UsageError
from zoo.greeting import without_greeting

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

_PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
_EXTRAS = {"tensorflow": "cpu", "jax": "jax", "torch": "torch"}


def require_keras() -> Any:  # noqa: ANN401 - the module
    """Imports Keras with its backend.

    Raises:
        UsageError: If no backend is installed, or Keras is set to a data format or backend that cannot be used.
    """
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    if wanted not in _PACKAGES:
        known = ", ".join(_PACKAGES)
        raise UsageError(
            f"There is no Keras backend {wanted!r} that can train.", hint=f"Set KERAS_BACKEND to: {known}."
        )
    try:
        with _prepared(), uncollected():
            import keras
    except ImportError as error:
        raise UsageError(f"Keras cannot start: {error}.", hint=_install_hint()) from error
    except (ValueError, OSError) as error:  # a keras.json with a word that Keras does not know
        place = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "keras.json"
        raise UsageError(
            f"Keras cannot start: {' '.join(str(error).split()).rstrip('.')}.", hint=f"Mend or remove {place}."
        ) from error
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


@contextlib.contextmanager
def _prepared() -> Iterator[None]:
    """Sets, before TensorFlow is imported, what it reads only then; what the person set stays.

    Its oneDNN kernels are on by default only where the processor has AVX512-VNNI. Without, they were measured to make a
    forward pass of efficientnet-lite0 1.6 times and a step of `bn-trainable` 2.5 times as fast.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    wordy = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") in {"0", "1"}  # its start is told on stderr otherwise
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with contextlib.nullcontext() if wordy else without_greeting():
        yield


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """A time in which nobody searches for garbage, where much is made that stays, and next to no garbage.

    Searching again and again among what it makes took a quarter of the time of importing a backend.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _install_hint() -> str:
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    there = sorted(name for name, package in _PACKAGES.items() if importlib.util.find_spec(package))
    hint = f"Install the backend with: pip install 'keras-zoo[{_EXTRAS.get(wanted, 'cpu')}]'"
    return hint + (f", or set KERAS_BACKEND={there[0]}, which is installed." if there and wanted not in there else ".")


def is_accelerated() -> bool:
    """Whether the backend computes on something other than a CPU."""
    keras = require_keras()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))
    if backend == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    from keras.src.backend.torch.core import get_device

    return bool(get_device() != "cpu")


def rounds_products() -> bool:
    """Whether float32 products may be computed with fewer than 23 bits of mantissa, as accelerators do if they may.

    TensorFloat-32 of NVIDIA's GPUs keeps 10 bits: on by default under TensorFlow and JAX, and in torch's convolutions.
    TPUs keep 7. Which kernel is taken depends on the shape of the batch, so the same picture may get another
    probability in another batch.
    """
    if not is_accelerated():
        return False
    backend = require_keras().backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.experimental.tensor_float_32_execution_enabled())
    if backend == "jax":
        import jax

        return jax.config.jax_default_matmul_precision not in {"float32", "highest"}
    import torch

    return bool(torch.backends.cudnn.allow_tf32 or torch.get_float32_matmul_precision() != "highest")


@contextlib.contextmanager
def clean_state(seed: int) -> Iterator[None]:
    """Seeds Python, NumPy and Keras and sets float32 for the time of one run; gives the person's own state back.

    Args:
        seed: In [0, 2**32).
    """
    keras = require_keras()
    with without_tensorflow(), quiet(), _released_gradients(), _own_state(keras):
        keras.config.set_dtype_policy("float32")
        keras.utils.set_random_seed(seed)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TensorFlow from warning that functions are traced again: each run has its own, on purpose."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _released_gradients() -> Iterator[None]:
    """Lets go of the graphs that TensorFlow would keep for good: 4 MB for each run of the smallest network.

    Every traced `custom_gradient` is entered into a global table under a name of its own and never taken out.
    """
    known: dict[str, Any] = {}
    with contextlib.suppress(ImportError, AttributeError):
        if "tensorflow" in sys.modules:
            from tensorflow.python.framework import ops

            known = ops.gradient_registry._registry  # noqa: SLF001 - there is no public way to it
    before = set(known)
    try:
        yield
    finally:
        for name in [name for name in known if name.startswith("CustomGradient-") and name not in before]:
            del known[name]


@contextlib.contextmanager
def _own_state(keras: Any) -> Iterator[None]:  # noqa: ANN401 - the module
    python, numpy, policy = random.getstate(), np.random.get_state(), keras.config.dtype_policy()  # noqa: NPY002 - Keras draws from it
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above


class _Closed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets TensorFlow be found and not be imported: who only asks whether it is installed gets the usual answer."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:  # noqa: ARG002 - the protocol
        if name != "tensorflow" or importlib.machinery.PathFinder.find_spec(name) is None:
            return None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        raise ImportError(f"{spec.name} is not imported during a run under another backend")

    def exec_module(self, module: types.ModuleType) -> None:
        """Never reached."""


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Keeps Keras from importing TensorFlow under another backend, where that costs seconds and all GPU memory.

    Keras asks whether TensorFlow is there when it seeds, saves and loads, and the question imports it. Nothing happens
    under the TensorFlow backend, or where the person has imported it already.
    """
    keras = require_keras()
    if keras.backend.backend() == "tensorflow" or "tensorflow" in sys.modules:
        yield
        return
    from keras.src.utils import module_utils

    closed = _Closed()
    sys.meta_path.insert(0, closed)
    try:
        yield
    finally:
        sys.meta_path.remove(closed)
        for name in ("tensorflow", "gfile"):
            with contextlib.suppress(AttributeError):
                getattr(module_utils, name)._available = None  # noqa: SLF001 - Keras remembers the answer for good


def reseed(seed: int) -> None:
    """Seeds again, so that what comes next does not depend on how much was drawn before."""
    require_keras().utils.set_random_seed(seed)
