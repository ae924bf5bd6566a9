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
_NATIVE = {"avx512_bf16", "amx_bf16", "bf16"}


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


def precision_note(precision: Precision, *, accelerated: bool, instructions: object) -> str:
    """A sentence where a precision gains nothing on this machine, else an empty text.

    Args:
        precision: What is asked for.
        accelerated: Whether the backend works on something other than a CPU.
        instructions: Names of instruction sets of the CPU, as `zoo.environment` tells them.
    """
    known = set(instructions) if isinstance(instructions, list | tuple | set) else set()
    if precision == "float32" or accelerated or (precision == "bfloat16" and known & _NATIVE):
        return ""
    return (
        f"Precision {precision} on this CPU saves memory at most: without instructions for it each operation converts "
        f"to float32 and back, which makes training slower. It is meant for GPUs."
    )
