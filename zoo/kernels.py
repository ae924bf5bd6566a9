"""Which kernels TensorFlow computes with."""

from __future__ import annotations


def computes_on_cpu() -> bool:
    """Whether the backend is TensorFlow on a CPU."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")


def computes_with_onednn() -> bool:
    """Whether the backend is TensorFlow on a CPU with oneDNN's kernels, for which replacements here were measured."""
    if not computes_on_cpu():
        return False
    from tensorflow.python.util import _pywrap_util_port as port  # TensorFlow tells this nowhere else

    return bool(port.IsMklEnabled())
