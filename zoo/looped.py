"""All steps of an epoch in one call of the backend, where a step takes less time than asking for it.

A head on features of closed blocks is small: of a step of a millisecond more than half is spent on the way into
TensorFlow and back. So the steps of an epoch run in a loop of the backend, each with Keras' own `train_step`, on rows
of features that it is given as a whole. Weights, losses and accuracies are equal, to the last bit, to those of
`train_on_batch` step by step, which tests hold; so which of the two is taken decides nothing but the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.scaling import inner_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasModel

    Array = np.ndarray[Any, Any]

MOST = 64 << 20
"""Most bytes of features that are handed over as a whole."""


def can_loop(tail: KerasModel, tensors: Sequence[Array]) -> bool:
    """Whether a compiled model can be trained this way on these features: under TensorFlow on a CPU, if they are few.

    A loss that is scaled is not: its scale is set in Python.
    """
    if keras.backend.backend() != "tensorflow" or sum(one.nbytes for one in tensors) > MOST:
        return False
    import tensorflow as tf

    plain = not tail.run_eagerly and inner_of(tail.optimizer) is tail.optimizer
    return plain and not tf.distribute.has_strategy() and not tf.config.get_visible_devices("GPU")


def train_in_loop(
    tail: KerasModel, tensors: Sequence[Array], targets: Array, rows: Sequence[Array], rates: Sequence[float]
) -> Array:
    """Takes the steps of an epoch.

    Args:
        tail: Compiled; `can_loop` has said yes.
        tensors: Features of all pictures, float32 (n, …).
        targets: float32 (n, classes).
        rows: Row numbers of each step, all equally many.
        rates: Learning rate of each step.

    Returns:
        float64 (steps, 2), loss and accuracy of each step.
    """
    loop = getattr(tail, "epoch_loop", None)
    if loop is None:
        loop = tail.epoch_loop = _Loop(tail, classes=targets.shape[1])
    return loop.run(tensors, targets, np.stack(rows).astype(np.int32), np.asarray(rates, np.float32))


class _Loop:
    """The traced loops of a model, one for each size of batches. They stay with it as its other functions do."""

    def __init__(self, tail: KerasModel, *, classes: int) -> None:
        self._functions: dict[int, Any] = {}
        # Keras makes the variables of metrics when it first sees something; in a loop that would be too late.
        nothing = np.zeros((1, classes), np.float32)
        tail.compute_metrics(None, nothing, nothing)
        tail.reset_metrics()
        self._tail = tail

    def run(self, tensors: Sequence[Array], targets: Array, rows: Array, rates: Array) -> Array:
        """See `train_in_loop`."""
        batch = rows.shape[1]
        if batch not in self._functions:
            self._functions[batch] = _traced(self._tail, tensors, targets, batch)
        figures = self._functions[batch]([np.asarray(one) for one in tensors], targets, rows, rates)
        return np.asarray(figures, np.float64)


def _traced(tail: KerasModel, tensors: Sequence[Array], targets: Array, batch: int) -> Any:  # noqa: ANN401 - a tf.function
    import tensorflow as tf

    spec = tf.TensorSpec
    signature = (
        [spec((None, *one.shape[1:]), one.dtype) for one in tensors],
        spec((None, *targets.shape[1:]), targets.dtype),
        spec((None, batch), tf.int32),
        spec((None,), tf.float32),
    )

    def epoch(tensors: list[Any], targets: Any, rows: Any, rates: Any) -> Any:  # noqa: ANN401 - tensors
        count = tf.shape(rows)[0]

        def step(number: Any, figures: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            chosen = [tf.gather(one, rows[number]) for one in tensors]
            tail.optimizer.learning_rate.assign(rates[number])
            tail.reset_metrics()
            logs = tail.train_step((chosen if len(chosen) > 1 else chosen[0], tf.gather(targets, rows[number])))
            return number + 1, figures.write(number, tf.stack([logs["loss"], logs["accuracy"]]))

        first = tf.constant(0), tf.TensorArray(tf.float32, count, element_shape=(2,))
        return tf.while_loop(lambda number, _: number < count, step, first, parallel_iterations=1)[1].stack()

    return tf.function(epoch, input_signature=signature, autograph=False)
