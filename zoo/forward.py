"""One way to run a model in inference mode, for features, validation and prediction alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.contracts import KerasModel

BATCH = 32
"""Pictures in a forward pass. Always this many: the shape of a batch changes the last bits of its results."""


def value_of(variable: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401 - a Keras variable
    """A copy of what a variable holds now, whatever the backend."""
    import keras

    if isinstance(variable, keras.Variable) and keras.backend.backend() == "tensorflow":
        return np.asarray(variable.value.numpy())  # a copy, as below, without what Keras' conversion takes besides
    return np.array(keras.ops.convert_to_numpy(variable), copy=True)


def batches(count: int) -> Iterator[slice]:
    """Consecutive slices of at most `BATCH` over `count` rows."""
    for start in range(0, count, BATCH):
        yield slice(start, min(start + BATCH, count))


def forward_batch(model: KerasModel, tensors: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """Runs a model on at most `BATCH` rows; a short batch is filled up and cut again.

    Args:
        model: Functional model with as many inputs as there are tensors.
        tensors: Arrays with equal first side n, 1 ≤ n ≤ `BATCH`.

    Returns:
        The model's outputs as arrays of their own types (float32 unless in mixed precision) with first side n.
    """
    count = len(tensors[0])
    full = [np.concatenate([t, np.repeat(t[-1:], BATCH - count, axis=0)]) if count < BATCH else t for t in tensors]
    from zoo.folded import folded

    with folded(model, tuple((tensor.dtype, tensor.shape) for tensor in full)):
        outputs = model.predict_on_batch(full if len(full) > 1 else full[0])
    many = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output)[:count] for output in many]


def forward(model: KerasModel, tensors: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """Runs a model on any number of rows in batches of one shape; see `forward_batch`."""
    parts = [forward_batch(model, [tensor[rows] for tensor in tensors]) for rows in batches(len(tensors[0]))]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
