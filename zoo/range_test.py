"""The learning-rate range test: how the training loss answers to a rate that grows from step to step.

The rate rises by a constant factor from 1e-6 to 10 over at most 100 steps, and stops where the loss diverges (Smith
2017, arXiv:1506.01186, section 3.3; exponential steps as in fastai's `lr_find`). Chosen is the rate in the middle of
the longest falling subsequence of the smoothed losses, after the rule that fastai calls `valley` (which leaves out the
first tenth and the last five steps, and measures the middle without the gaps): it is far from the rate at which the
loss diverges, and depends less on noise than the steepest point.
"""

from __future__ import annotations

import contextlib
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import reseed
from zoo.batching import order
from zoo.forward import value_of
from zoo.rate_curve import RangeTest
from zoo.stepping import take_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.assembly import Assembly
    from zoo.stepping import Task
    from zoo.values import Recipe

STEPS = 100
"""Most steps of a test."""

FIRST, LAST = 1e-6, 10.0
"""Rates of the first and of the last step."""

SMOOTHING = 0.9
"""Decay of the exponential average of the losses."""

DIVERGED = 4.0
"""A smoothed loss of this many times the least one ends the test, as in fastai."""

LEAST = 5
"""Steps with falling loss that are too few to choose from."""


def range_test(task: Task, recipe: Recipe) -> RangeTest:
    """Trains with a growing rate and says which one to take. What it changes is the caller's to put back.

    The batches are the first ones of the training itself, so that the test is the same for the same seed.

    Args:
        task: A phase, compiled.
        recipe: Batch size and seed.
    """
    learner, targets = task.learner_in(0)
    count = len(task.learner.labels)
    epochs = order(count, batch_size=min(recipe.batch_size, count) * task.parts, seed=recipe.seed)
    steps = (rows for epoch in epochs for rows in epoch)
    rates, losses, smoothed = [], [], []
    total = 0.0
    for number, rows in zip(range(STEPS), steps, strict=False):
        rate = FIRST * (LAST / FIRST) ** (number / (STEPS - 1))
        task.tail.optimizer.learning_rate.assign(rate)
        loss = float(take_step(task, learner, rows, targets)[0])
        if not math.isfinite(loss):
            break
        total = SMOOTHING * total + (1 - SMOOTHING) * loss
        rates.append(rate)
        losses.append(loss)
        smoothed.append(total / (1 - SMOOTHING ** (number + 1)))
        if smoothed[-1] > DIVERGED * min(smoothed):
            break
    return RangeTest(task.phase.name, tuple(rates), tuple(losses), tuple(smoothed), middle_of_fall(rates, smoothed))


def middle_of_fall(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate in the middle of the longest falling subsequence of losses; None if it is shorter than `LEAST`."""
    lengths, before = [1] * len(losses), [-1] * len(losses)
    for later in range(len(losses)):
        for earlier in range(later):
            if losses[earlier] > losses[later] and lengths[earlier] + 1 > lengths[later]:
                lengths[later], before[later] = lengths[earlier] + 1, earlier
    place = int(np.argmax(lengths)) if lengths else -1
    fall = []
    while place >= 0:
        fall.append(place)
        place = before[place]
    return rates[fall[len(fall) // 2]] if len(fall) >= LEAST else None


def _generators(layers: Sequence[Any]) -> list[np.random.Generator]:
    """NumPy's generators that layers, or layers in them, hold as attributes."""
    parts = [part for layer in layers for part in layer._flatten_layers()]  # noqa: SLF001 - Keras has no public walk
    return [value for part in parts for value in vars(part).values() if isinstance(value, np.random.Generator)]


@contextlib.contextmanager
def unchanged(assembly: Assembly, layers: Sequence[Any], *, seed: int) -> Iterator[None]:
    """Network, random states of its layers and of others, and the seeds are afterwards what they were, bit for bit.

    Layers draw from Keras' seed generators, which are variables, or from NumPy's generators, which are attributes.

    Args:
        assembly: The network.
        layers: Of the augmentation.
        seed: That of the run, which training starts from.
    """
    variables = [*assembly.model.variables, *(variable for layer in layers for variable in layer.variables)]
    values = [value_of(variable) for variable in variables]
    draws = [(draw.bit_generator, draw.bit_generator.state) for draw in _generators([*layers, assembly.model])]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - a layer may draw from it
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for generator, state in draws:
            generator.state = state
        reseed(seed)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above
