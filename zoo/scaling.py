"""Scaling of the loss for float16, whose smallest numbers are larger than many gradients.

The loss is multiplied by a factor before gradients are taken, and gradients are divided by it before a step. A batch
whose gradients are not finite is left out and halves the factor; after 2,000 batches without one it doubles
(Micikevicius et al. 2018, arXiv:1710.03740, section 3.2; Keras' LossScaleOptimizer).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.forward import value_of


def with_scaled_loss(optimiser: Any) -> Any:  # noqa: ANN401 - a Keras optimiser
    """An optimiser whose loss is scaled."""
    return keras.optimizers.LossScaleOptimizer(optimiser)


def inner_of(optimiser: Any) -> Any:  # noqa: ANN401 - a Keras optimiser
    """The optimiser that takes the steps, where the loss is scaled around it."""
    return getattr(optimiser, "inner_optimizer", optimiser)


def drop_partial_step(optimiser: Any) -> None:  # noqa: ANN401 - a Keras optimiser
    """Forgets gradients that make no whole step: where one batch was left out, its step is left out with it."""
    inner = inner_of(optimiser)
    if inner is optimiser:  # without scaling no batch is left out
        return
    taken = int(value_of(inner._iterations))  # noqa: SLF001 - counts batches; `iterations` counts steps
    over = taken % inner.gradient_accumulation_steps
    if over:
        inner._iterations.assign(taken - over)  # noqa: SLF001 - as above
        for gradient in inner._accumulated_gradients:  # noqa: SLF001 - there is no public way to them
            gradient.assign(np.zeros(gradient.shape, np.float32))
