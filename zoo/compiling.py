"""The open part of a network made ready for training: optimiser, loss and metric, fresh for each phase of each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from zoo.optimiser import optimiser_of
from zoo.scaling import with_scaled_loss

if TYPE_CHECKING:
    from zoo.assembly import Assembly
    from zoo.contracts import KerasModel, Phase
    from zoo.values import Recipe


def compile_tail(tail: KerasModel, assembly: Assembly, phase: Phase, recipe: Recipe, *, accumulate: int = 1) -> None:
    """A fresh optimiser, loss and metric; nothing is shared between phases or runs.

    With float16 its loss is scaled, see `zoo.scaling`.

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
        optimiser = with_scaled_loss(optimiser)
    tail.compile(
        optimizer=optimiser,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # XLA on a CPU compiles for minutes under TensorFlow
        auto_scale_loss=False,
    )
    # Slots that are first made inside a traced function keep its graph alive for good: 11 MB a run under TensorFlow.
    tail.optimizer.build(tail.trainable_variables)
