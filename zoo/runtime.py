"""The runtime record: what the running Keras and its backend are set to, as far as it changes the bits of a result.

A program may set threads, precision and determinism after the start, where no variable and no file tells of it. So
Keras and the backend are asked. Nothing is imported: who calls has imported Keras, and Keras its backend.
"""

from __future__ import annotations

import math
import sys
from typing import Any

_KERAS = {
    "floatx": "config.floatx",
    "epsilon": "config.epsilon",
    "flash_attention": "config.is_flash_attention_enabled",
    "nnx": "config.is_nnx_enabled",
    "max_epochs": "config.max_epochs",
    "max_steps_per_epoch": "config.max_steps_per_epoch",
}
_BACKENDS = {
    "tensorflow": {
        "devices": "tensorflow:config.get_visible_devices",
        "inter_op_threads": "tensorflow:config.threading.get_inter_op_parallelism_threads",
        "intra_op_threads": "tensorflow:config.threading.get_intra_op_parallelism_threads",
        # TensorFlow tells this nowhere else; Keras asks here as well.
        "deterministic": "tensorflow.python.framework.config:is_op_determinism_enabled",
        # Read from a variable when TensorFlow was imported, whatever the variable holds now.
        "onednn": "tensorflow.python.util._pywrap_util_port:IsMklEnabled",
        "tensor_float_32": "tensorflow:config.experimental.tensor_float_32_execution_enabled",
        "jit": "tensorflow:config.optimizer.get_jit",
        "optimizer": "tensorflow:config.optimizer.get_experimental_options",
        "eager": "tensorflow:config.functions_run_eagerly",
    },
    "torch": {
        "inter_op_threads": "torch:get_num_interop_threads",
        "intra_op_threads": "torch:get_num_threads",
        "deterministic": "torch:are_deterministic_algorithms_enabled",
        "deterministic_warn_only": "torch:is_deterministic_algorithms_warn_only_enabled",
        "matmul_precision": "torch:get_float32_matmul_precision",
        "fp32_precision": "torch:backends.fp32_precision",
        "cuda_matmul_fp32_precision": "torch:backends.cuda.matmul.fp32_precision",
        "cudnn": "torch:backends.cudnn.enabled",
        "cudnn_allow_tf32": "torch:backends.cudnn.allow_tf32",
        "cudnn_benchmark": "torch:backends.cudnn.benchmark",
        "cudnn_conv_fp32_precision": "torch:backends.cudnn.conv.fp32_precision",
        "cudnn_deterministic": "torch:backends.cudnn.deterministic",
        "mkldnn": "torch:backends.mkldnn.enabled",
        "mkldnn_conv_fp32_precision": "torch:backends.mkldnn.conv.fp32_precision",
        "mkldnn_deterministic": "torch:backends.mkldnn.deterministic",
        "mkldnn_matmul_fp32_precision": "torch:backends.mkldnn.matmul.fp32_precision",
    },
    "jax": {
        "default_device": "jax:config.jax_default_device",
        "dtype_promotion": "jax:config.jax_numpy_dtype_promotion",
        "eager": "jax:config.jax_disable_jit",
        "matmul_precision": "jax:config.jax_default_matmul_precision",
        "platforms": "jax:config.jax_platforms",
        "prng": "jax:config.jax_default_prng_impl",
        "threefry_partitionable": "jax:config.jax_threefry_partitionable",
        "x64": "jax:config.jax_enable_x64",
    },
}
"""By backend and name in the record: module and path of the attribute or function that knows."""


def runtime(keras: Any) -> dict[str, object]:  # noqa: ANN401 - the module
    """Ask Keras and its active backend for what changes the numbers of a run, as JSON values.

    The same process gives the same record as long as nobody sets anything: that a backend has begun to work does not
    show. The policy of data types is left out because each run sets its own (see `zoo.backend.clean_state`).

    Args:
        keras: The imported module.

    Returns:
        `floatx`, `epsilon` and more of Keras; of the backend threads (0 for its own choice), determinism, precision and
        compilation. What this version does not know is left out, and `unknown` is what it refuses to tell.
    """
    record = {name: _asked(keras, path) for name, path in _KERAS.items()}
    for name, place in _BACKENDS.get(keras.backend.backend(), {}).items():
        module, _, path = place.partition(":")
        record[name] = _asked(sys.modules.get(module), path)
    return {name: _plain(value) for name, value in sorted(record.items()) if value is not _ABSENT}


_ABSENT = object()


def _asked(module: object, path: str) -> object:
    """What an attribute is, or what a function of no arguments returns; `_ABSENT` where there is none."""
    found = module
    try:
        for name in path.split("."):
            found = getattr(found, name, _ABSENT)
        return found() if callable(found) else found
    except RuntimeError:  # PyTorch, once its old and its new way of setting the precision were mixed
        return "unknown"


def _plain(value: object) -> object:
    """The value as JSON has it; what JSON does not have as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
