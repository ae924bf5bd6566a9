"""Converted models on disk: made once for each variant and Keras version, verified at each use, rebuilt if damaged."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import WeightsError
from zoo_efficientnet_lite.convert import CONVERTER
from zoo_efficientnet_lite.released import verified_bytes

if TYPE_CHECKING:
    from zoo_efficientnet_lite.variants import Variant

SECONDS = 900.0
"""Longest time that a conversion may take. It takes about 20 s on two cores."""

LINES = 6
"""Lines of a failed conversion that are shown."""

NEEDED = {"tensorflow": "pip install 'keras-zoo[cpu]'", "keras_cv": "pip install 'keras-cv>=0.9,<1'"}
"""Modules that a conversion imports, and how to get them."""


def cache_folder() -> Path:
    """`efficientnet-lite` in the folder that `ZOO_CACHE` names, else in the platform's folder for caches."""
    given = os.environ.get("ZOO_CACHE")
    if given:
        return Path(given).expanduser() / "efficientnet-lite"
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "keras-zoo" / "efficientnet-lite"


def converted_model(variant: Variant, *, seconds: float = SECONDS) -> Path:
    """A verified `.keras` file of the variant with its released weights, converted now if the cache has none.

    The name of the file ends with its digest, and a small file beside it, replaced in one step, says which digest is
    valid. So processes that convert at the same time never see half of each other's work.

    Args:
        variant: Which member of the family.
        seconds: Longest time that a conversion may take.

    Raises:
        WeightsError: If there is no converted model and none can be made; says why, and what to do.
    """
    folder = cache_folder()
    key = hashlib.sha256(f"{variant.sha256} {CONVERTER} {metadata.version('keras')}".encode()).hexdigest()[:12]
    sidecar = folder / f"{variant.name}-{key}.sha256"
    try:
        cached = _cached(sidecar)
        if cached is None:
            _check_needs(variant)
            folder.mkdir(parents=True, exist_ok=True)
            cached = _convert_into(sidecar, variant, seconds=seconds)
    except OSError as error:
        raise WeightsError(
            f"The cache of converted models cannot be used: {folder} ({error.strerror or error}).",
            hint="Set the environment variable ZOO_CACHE to a folder that can be written.",
        ) from error
    return cached


def _cached(sidecar: Path) -> Path | None:
    """The file that a sidecar vouches for, if both are there and intact. A damaged one is removed."""
    try:
        digest = sidecar.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        return None
    path = _path(sidecar, digest)
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path
    except FileNotFoundError:
        return None
    path.unlink(missing_ok=True)
    return None


def _path(sidecar: Path, digest: str) -> Path:
    return sidecar.with_name(f"{sidecar.stem}-{digest[:12]}.keras")


def _check_needs(variant: Variant) -> None:
    """Raises before a process is started in vain."""
    for module, command in NEEDED.items():
        if importlib.util.find_spec(module) is None:
            raise WeightsError(
                f"{variant.name} must be converted once, and that needs {module}, which is not installed.",
                hint=f"Install it: {command}. Afterwards {variant.name} runs on every backend, without it.",
            )
    verified_bytes(variant)


def _convert_into(sidecar: Path, variant: Variant, *, seconds: float) -> Path:
    """Converts in a process of its own, then publishes the model and its digest."""
    with tempfile.TemporaryDirectory(prefix=".converting-", dir=sidecar.parent) as workplace:
        out = Path(workplace) / "model.keras"
        _run_converter(variant, out, seconds=seconds)
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        path = _path(sidecar, digest)
        out.replace(path)
        note = Path(workplace) / "digest"
        note.write_text(f"{digest}\n", encoding="ascii")
        note.replace(sidecar)
    return path


def _run_converter(variant: Variant, out: Path, *, seconds: float) -> None:
    """Runs `zoo_efficientnet_lite.convert`.

    Raises:
        WeightsError: If it fails or takes too long; holds its last lines.
    """
    short = variant.name.removeprefix("efficientnet-")
    # -P: a folder of the user's may hold a random.py or keras.py, which must not be imported instead.
    command = [sys.executable, "-P", "-m", "zoo_efficientnet_lite.convert", short, "--out", str(out)]
    # The graphics card belongs to the parent, whose backend may have taken it already.
    own = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **own, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failure(variant, f"took longer than {seconds:g} s and was stopped", error.stderr) from error
    if done.returncode != 0 or not out.is_file():
        raise _failure(variant, f"failed (exit status {done.returncode})", done.stderr)


def _failure(variant: Variant, what: str, output: str | bytes | None) -> WeightsError:
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()][-LINES:]
    said = "\n".join(lines) or "It said nothing."
    return WeightsError(
        f"The conversion of {variant.name} by keras_cv {what}. Its last lines:\n{said}",
        hint="keras_cv is no longer developed and may not fit this TensorFlow or Keras. Other backbones still work.",
    )
