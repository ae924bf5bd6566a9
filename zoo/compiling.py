"""The open part of a network made ready for training: optimiser, loss and metric, as new for each phase of each run.

To trace a training step takes longer than many steps. So a tail that was compiled for the same thing in an earlier run
of the same network is set back instead: its optimiser gets the values of a new one, variable by variable, and the
functions that were traced for it are used again.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from zoo.forward import value_of
from zoo.optimiser import optimiser_of
from zoo.scaling import with_scaled_loss

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from zoo.assembly import Assembly
    from zoo.contracts import KerasModel, Phase
    from zoo.values import Recipe


def purpose(phase: Phase, recipe: Recipe, *, accumulate: int) -> Hashable:
    """What a tail is compiled for: equal purposes make the same training step, whatever rate and seed.

    With low-rank adapters, which are other weights each time, no two are equal.
    """
    if phase.open_weights == "low-rank":
        return object()
    same = dataclasses.replace(phase, name="", epochs=1, learning_rate=1.0, schedule="constant", re_estimated_blocks=0)
    return (
        same,
        recipe.optimiser,
        recipe.weight_decay,
        accumulate,
        recipe.ema,
        recipe.precision,
        recipe.label_smoothing,
    )


def compile_tail(tail: KerasModel, assembly: Assembly, phase: Phase, recipe: Recipe, *, accumulate: int = 1) -> None:
    """A fresh optimiser, loss and metric; no value is shared between phases or runs.

    With float16 its loss is scaled, see `zoo.scaling`. A tail that is compiled already must have been for the same
    `purpose`.

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
    # Slots that are first made inside a traced function keep its graph alive for good: 11 MB a run under TensorFlow.
    optimiser.build(tail.trainable_variables)
    if getattr(tail, "optimizer", None) is not None:
        _set_back(tail, optimiser)
        return
    tail.compile(
        optimizer=optimiser,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # XLA on a CPU compiles for minutes under TensorFlow
        auto_scale_loss=False,
    )


def _set_back(tail: KerasModel, fresh: Any) -> None:  # noqa: ANN401 - a Keras optimiser
    """Gives a compiled tail's optimiser and metrics the values of new ones."""
    for old, new in zip(tail.optimizer.variables, fresh.variables, strict=True):
        old.assign(value_of(new))
    tail.reset_metrics()
