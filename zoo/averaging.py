"""The moving average of the weights: validated and delivered in place of the weights that are trained.

After step t (counted from 1 in a phase) the average a of a weight w becomes a + (1 - d) · (w - a), with the decay
d = min(ema, (1 + t) / (10 + t)), so that the start is soon forgotten (as in TensorFlow's ExponentialMovingAverage with
`num_updates`; for averages of weights see Polyak & Juditsky 1992 and Izmailov et al. 2018, arXiv:1803.05407). A weight
that does not move keeps its bits.

Only weights that a phase trains are averaged. Moving statistics of BatchNorm are running averages already, with a
momentum of their own, and go with the averaged weights as they are.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import keras

from zoo.forward import value_of
from zoo.scaling import inner_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import KerasModel

_SOON = 10.0


def decay_at(ema: float, step: Any) -> Any:  # noqa: ANN401 - a tensor
    """The decay at a step, counted from 1."""
    return keras.ops.minimum((1.0 + step) / (_SOON + step), ema)


def moved_average(average: Any, value: Any, decay: Any) -> Any:  # noqa: ANN401 - tensors
    """The average after one more value."""
    return average + (value - average) * (1.0 - decay)


@contextlib.contextmanager
def averaged(tail: KerasModel) -> Iterator[None]:
    """The open weights hold their averages for a while, and then again what they held, bit for bit.

    Args:
        tail: A compiled model. Nothing happens where its optimiser keeps no averages.
    """
    optimiser = inner_of(tail.optimizer)
    averages = optimiser.averages() if hasattr(optimiser, "averages") else []
    if not averages:
        yield
        return
    raw = [value_of(variable) for variable in tail.trainable_variables]
    for variable, average in zip(tail.trainable_variables, averages, strict=True):
        held = keras.ops.convert_to_tensor(value_of(average))
        # An average of weights that keep a constraint, such as length 1, need not keep it.
        variable.assign(held if variable.constraint is None else variable.constraint(held))
    try:
        yield
    finally:
        for variable, value in zip(tail.trainable_variables, raw, strict=True):
            variable.assign(value)
