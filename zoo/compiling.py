"""The open part of a network made ready for training: optimiser, loss and metric, fresh for each phase of each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.forward import value_of
from zoo.optimiser import optimiser_of

if TYPE_CHECKING:
    from zoo.assembly import Assembly
    from zoo.contracts import KerasModel, Phase
    from zoo.values import Recipe


def compile_tail(tail: KerasModel, assembly: Assembly, phase: Phase, recipe: Recipe, *, accumulate: int = 1) -> None:
    """A fresh optimiser, loss and metric; nothing is shared between phases or runs.

    With float16 the loss is multiplied by a factor before gradients are taken, which halves after a step whose
    gradients are not finite; that step is left out (Micikevicius et al. 2018, section 3.2).

    Args:
        tail: Of the assembly, opened for the phase.
        assembly: The network.
        phase: Its rates.
        recipe: Optimiser, decay, average, precision and label smoothing.
        accumulate: Gradients whose mean makes one step.
    """
    optimiser = optimiser_of(
        assembly,
        phase,
        name=recipe.optimiser,
        weight_decay=recipe.weight_decay,
        accumulate=accumulate,
        ema=recipe.ema,
    )
    if recipe.precision == "float16":
        optimiser = keras.optimizers.LossScaleOptimizer(optimiser)
    tail.compile(
        optimizer=optimiser,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # XLA on a CPU compiles for minutes under TensorFlow
        auto_scale_loss=False,
    )
    # Slots that are first made inside a traced function keep its graph alive for good: 11 MB a run under TensorFlow.
    tail.optimizer.build(tail.trainable_variables)


def drop_partial_step(optimiser: Any) -> None:  # noqa: ANN401 - a Keras optimiser
    """Forgets gradients that make no whole step: with float16 a batch whose gradients are not finite is left out, and
    with it the step that it belongs to."""
    inner = getattr(optimiser, "inner_optimizer", None)
    if inner is None:
        return
    taken = int(value_of(inner._iterations))  # noqa: SLF001 - counts batches; `iterations` counts steps
    over = taken % inner.gradient_accumulation_steps
    if over:
        inner._iterations.assign(taken - over)  # noqa: SLF001 - as above
        for gradient in inner._accumulated_gradients:  # noqa: SLF001 - there is no public way to them
            gradient.assign(np.zeros(gradient.shape, np.float32))
