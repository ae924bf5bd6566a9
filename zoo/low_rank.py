"""Low-rank adapters in place of open kernels, for the time of a phase (LoRA).

A kernel W of a `Dense` or convolution layer stays as it is, and W + A·B is used, where only A (input side by rank) and
B (rank by output side) are trained; A starts random and B at 0, so that the phase starts from W. Keras' own adapters
do it. Afterwards the product is added to W, and the adapters go: the saved model has stock layers and no trace of them.

Reference: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv:2106.09685, section 4.1; the
factor in front of A·B is 1.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from zoo.contracts import KerasLayer

    Array = np.ndarray[Any, Any]


def takes_adapter(layer: KerasLayer, variable: Any) -> bool:  # noqa: ANN401 - a Keras variable
    """Whether a weight is a kernel that can have a low-rank adapter: one without a constraint, which Keras refuses."""
    free = getattr(layer, "kernel_constraint", None) is None
    return hasattr(layer, "enable_lora") and free and variable is getattr(layer, "_kernel", None)


def adapters_of(layer: KerasLayer, variable: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    """The two variables that are trained in place of a weight now, or none."""
    if takes_adapter(layer, variable) and getattr(layer, "lora_enabled", False):
        return (layer.lora_kernel_a, layer.lora_kernel_b)
    return ()


def value_with_adapter(layer: KerasLayer, variable: Any) -> Array:  # noqa: ANN401 - as above
    """What a weight amounts to now, an adapter's product included; a copy."""
    value = value_of(variable)
    factors = adapters_of(layer, variable)
    if not factors:
        return value
    one, other = (value_of(factor) for factor in factors)
    merged: Array = (value + one @ other).astype(value.dtype)
    return merged


@contextlib.contextmanager
def adapted(layers: Sequence[KerasLayer], rank: int) -> Iterator[None]:
    """Gives layers adapters, and afterwards adds their products to the kernels.

    Args:
        layers: Each built, with a kernel that `takes_adapter`.
        rank: At least 1.
    """
    with contextlib.ExitStack() as stack:
        for layer in layers:
            layer.enable_lora(rank)
            stack.callback(_merge, layer)
        yield


def _merge(layer: KerasLayer) -> None:
    kernel = layer._kernel  # noqa: SLF001 - Keras' name for the kernel without its adapter
    merged = value_with_adapter(layer, kernel)
    for factor in adapters_of(layer, kernel):
        layer._untrack_variable(factor)  # noqa: SLF001 - Keras has no public way back from enable_lora
    layer.lora_enabled = False
    layer.lora_kernel_a = layer.lora_kernel_b = layer.lora_rank = layer.lora_alpha = None
    kernel.trainable = True
    kernel.assign(merged)
