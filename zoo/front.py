"""The part of a head that no training changes: what comes before its first weights and its first random layer.

Where a phase opens no block, that part is frozen work like the backbone itself. Of a head with global average pooling
it leaves one number for each channel to be kept, and to be trained on, instead of a feature map.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.edges import inputs_of

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


def fixed_front(head: KerasModel) -> tuple[Any, ...]:
    """The tensors in a head's graph at which its fixed part ends.

    Args:
        head: Functional model, features to logits.

    Returns:
        Tensors that all the rest of the head can be computed from. Empty where nothing is fixed, or where they would
        be no smaller than the features themselves.
    """
    if not hasattr(head, "operations"):
        return ()
    reads = inputs_of(head)
    fixed = {id(tensor) for tensor in head.inputs}
    for operation in head.operations:
        if reads[operation.name] and _is_fixed(operation) and all(id(one) in fixed for one in reads[operation.name]):
            fixed |= {id(tensor) for tensor in keras.tree.flatten(operation.output)}
    ends: dict[int, Any] = {}
    for operation in head.operations:
        made = keras.tree.flatten(operation.output)
        if any(id(tensor) in fixed for tensor in made):
            continue
        for tensor in reads[operation.name]:
            if id(tensor) in fixed:
                ends.setdefault(id(tensor), tensor)
    if any(id(tensor) in fixed for tensor in head.outputs) or _volume(ends.values()) >= _volume(head.inputs):
        return ()
    return tuple(ends.values())


def _is_fixed(operation: Any) -> bool:  # noqa: ANN401 - a Keras operation
    """Whether it always makes the same of the same: no variables, no other behaviour in training."""
    if getattr(operation, "variables", None) or isinstance(operation, keras.layers.InputLayer):
        return False
    return "training" not in inspect.signature(operation.call).parameters


def _volume(tensors: Any) -> int:  # noqa: ANN401 - KerasTensors
    return sum(int(np.prod([side or 1 for side in tensor.shape[1:]])) for tensor in tensors)
