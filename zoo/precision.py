"""Mixed precision: which policy of data types a backbone is built under, and what to expect of it on this machine.

Layers of the backbone compute in the chosen type; their weights stay float32 and are rounded as they are used
(Micikevicius et al. 2018, arXiv:1710.03740). BatchNorm computes in float32 and rounds its result, as Keras does. The
head, augmentations, loss and scores are float32.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.values import Precision

_POLICIES: dict[Precision, str] = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def dtype_policy(precision: Precision) -> str:
    """Keras' name of the policy of data types that the backbone's layers have, also in the saved model."""
    return _POLICIES[precision]


@contextlib.contextmanager
def building_in(precision: Precision) -> Iterator[None]:
    """Layers made meanwhile have this precision; afterwards Keras' global policy is what it was, whatever happens."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy(precision))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def precision_note(precision: Precision, *, accelerated: bool) -> str:
    """A sentence where a precision gains nothing, else an empty text.

    A step of `unfreeze-all` on efficientnet-lite0 was measured to take 1.75 times (bfloat16) and 4 times (float16) as
    much processor time as with float32, under TensorFlow on a CPU with instructions for bfloat16.

    Args:
        precision: What is asked for.
        accelerated: Whether the backend works on something other than a CPU.
    """
    if precision == "float32" or accelerated:
        return ""
    return f"Precision {precision} makes training on a CPU slower and saves memory at most; it is meant for GPUs."
