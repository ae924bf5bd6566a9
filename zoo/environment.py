"""The environment record: what outside a recipe and a process is known to change the bits of a result.

Read from metadata, variables and files; neither Keras nor a backend is imported. What a running Keras and its backend
are set to is in the record of `zoo.runtime`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGES = ("keras-zoo", "keras", "keras-cv", "numpy", "Pillow")
_BACKEND_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-metal", "tf-nightly"),
    "jax": ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin"),
    "torch": ("torch",),
    "openvino": ("openvino",),
}
_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_ENABLE_X64",
    "JAX_PLATFORMS",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_NUM_THREADS",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
_CPU_KEYS = ("vendor_id", "model name", "cpu family", "model", "stepping", "CPU implementer", "CPU part")
_INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


def environment(backend: str | None = None, *, more: Sequence[str] = ()) -> dict[str, object]:
    """Record what can change the numbers of a run besides its recipe, as JSON values.

    Args:
        backend: Name of Keras' backend. None reads `KERAS_BACKEND`, then Keras' configuration file. Where Keras is
            imported already, give `keras.config.backend()`: the variable has no effect any more.
        more: Further packages that the numbers depend on.

    Returns:
        `backend` of Keras; `packages`, their versions; `python`; `system`; `machine`; `cpu`
        and its `instructions`; `gpus`; `cores` that this process may use; `variables`, those of a fixed list that
        are set.
    """
    name = backend or _configured_backend()
    packages = (*_PACKAGES, *_BACKEND_PACKAGES.get(name, (name,)), *more)
    cpu = _cpu_facts()
    return {
        "backend": name,
        "packages": {package: version for package in packages if (version := _version(package))},
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": " ".join(cpu[key] for key in _CPU_KEYS if key in cpu) or platform.processor(),
        "instructions": sorted(set(_INSTRUCTIONS) & set((cpu.get("flags") or cpu.get("Features") or "").split())),
        "gpus": gpus(),
        "cores": cores(),
        "variables": {variable: os.environ[variable] for variable in _VARIABLES if variable in os.environ},
    }


def active_backend() -> str:
    """Name of Keras' backend: of the Keras that is imported, else of the one that would be. Imports nothing."""
    config = getattr(sys.modules.get("keras"), "config", None)
    return str(config.backend()) if config is not None else _configured_backend()


def _configured_backend() -> str:
    return os.environ.get("KERAS_BACKEND") or str(_keras_config().get("backend", "tensorflow"))


def _keras_config() -> dict[str, object]:
    """Keras' configuration, found and, where it is damaged, ignored as Keras itself does."""
    try:
        config = json.loads((_keras_home() / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _keras_home() -> Path:
    fallback = Path("/tmp/.keras")  # noqa: S108 — Keras looks there if it cannot write to the home folder
    try:
        if "KERAS_HOME" in os.environ:
            return Path(os.environ["KERAS_HOME"]).expanduser()
        home = Path.home()
    except RuntimeError:  # no home folder can be found
        return fallback
    return home / ".keras" if os.access(home, os.W_OK) else fallback


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _cpu_facts() -> dict[str, str]:
    """The first processor in /proc/cpuinfo; nothing where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def gpus() -> list[str]:
    """Models of NVIDIA's GPUs as their driver for Linux tells them."""
    models = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue  # gone or not ours to read
        models += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return models


def cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
