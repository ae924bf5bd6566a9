"""Training a network phase by phase, keeping the best epoch over all of them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.augmenting import Augmenter
from zoo.averaging import averaged
from zoo.batching import order, step_plan
from zoo.compiling import compile_tail, purpose
from zoo.contracts import PRECISE_PICTURES
from zoo.errors import DivergedError, ReceiptError, TrainingError
from zoo.events import EpochEnded, RateTested, Stage, ignore
from zoo.forward import value_of
from zoo.keeping import Best
from zoo.optimiser import block_factors
from zoo.range_test import range_test, unchanged
from zoo.reestimation import re_estimate
from zoo.scaling import inner_of
from zoo.schedules import Pace, scaled_by, stepped
from zoo.settings import AUTO
from zoo.solving import solve_head
from zoo.stepping import Task, probabilities, train_epoch
from zoo.values import EpochRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.assembly import Assembly
    from zoo.contracts import KerasModel, Phase
    from zoo.events import Observer
    from zoo.prefix import FeatureCache, Features
    from zoo.stepping import Solver
    from zoo.values import Recipe, Scores, Side

    Array = np.ndarray[Any, Any]
    Judge = Callable[[Array, Array], Scores]


MEASURED = 4
"""Batches whose gradients set the first rates of blocks."""


@dataclass(frozen=True)
class Trained:
    """What a training left; the network itself holds the weights of the best epoch.

    Attributes:
        history: One record for each epoch.
        best_epoch: 1-based, over all phases.
        probabilities: float32 (n, classes) of the validation pictures in that epoch, in inference mode.
        given: Positions in `Assembly.weights` of those that some optimiser was given.
        trainable_weights: Scalar weights given to an optimiser, most over the phases.
        steps: Steps of the optimiser, all phases.
        adapting_steps: Batches in which some moving statistic adapted; as many as steps unless gradients accumulate.
        notes: Sentences for the person.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    probabilities: Array = field(repr=False)
    given: frozenset[int]
    trainable_weights: int
    steps: int
    adapting_steps: int
    notes: tuple[str, ...]


def train(
    assembly: Assembly,
    phases: Sequence[Phase],
    recipe: Recipe,
    *,
    sides: tuple[Side, Side],
    augment: Augmenter | None = None,
    solve: Solver | None = None,
    cache: FeatureCache,
    judge: Judge,
    observe: Observer = ignore,
) -> Trained:
    """Trains a network by a policy's phases and leaves it with the weights of the best epoch over all of them.

    Each phase has an optimiser (see `zoo.optimiser`) of its own and starts from the best epoch so far. It ends
    early after `recipe.patience` epochs that were no better than the best of the phase.

    Args:
        assembly: The network; changed in place.
        phases: Of the policy.
        recipe: Batch size, smoothing, patience, metric and seed.
        sides: Training and validation pictures.
        augment: Changes training pictures.
        solve: Solves the head in phases that open no block, which then count as one epoch.
        cache: Keeps what the closed blocks make of the pictures.
        judge: Probabilities and labels to scores.
        observe: Told about every epoch.

    Raises:
        DivergedError: If a loss is not finite.
        ReceiptError: If a phase moved a weight that it had fixed.
        TrainingError: If there are fewer than two training pictures.
    """
    learner, validation = sides
    _check_size(len(learner.labels))
    batch, parts = step_plan(len(learner.labels), batch_size=recipe.batch_size, accumulate=recipe.accumulate)
    epochs = order(len(learner.labels), batch_size=batch * parts, seed=recipe.seed)
    best = Best(assembly, phases, recipe.metric)
    history: list[EpochRecord] = []
    given: set[int] = set()

    def task_of(phase: Phase, tail: KerasModel) -> Task:
        names = (len(recipe.classes), augment or Augmenter(), cache, parts, recipe.views, recipe.seed)
        return Task(assembly, phase, tail, learner, validation, *names, str(recipe.backbone))

    assembly.forget_rests([purpose(phase, recipe, accumulate=parts) for phase in phases])
    phases, notes = _with_rate(assembly, phases, recipe, task_of, solves=solve is not None, observe=observe)
    most = steps = adapting = 0
    for phase in phases:
        before, earlier = best.key, len(history)
        fixed = _settled(assembly, phase, learner, cache, recipe)
        with assembly.opened(phase, of=purpose(phase, recipe, accumulate=parts)) as tail:
            solved = solve if not phase.open_blocks else None
            if solved is None:
                compile_tail(tail, assembly, phase, recipe, accumulate=parts)
            given |= _given(assembly, tail)
            most = max(most, sum(math.prod(one.shape) for one in tail.trainable_variables))
            log = _Log(task_of(phase, tail), recipe, best, history, judge, observe)
            try:
                taken = _solve_phase(log, solved) if solved else _run_phase(log, epochs)
            except DivergedError as error:
                if not earlier:
                    raise
                notes.append(f"diverged in phase {phase.name!r}, so an earlier phase's epoch is kept: {error.message}")
                taken = None
        if taken is None:
            best.restore()
            break
        steps += taken
        adapting += taken * parts if assembly.momenta(phase) else 0
        _check_fixed(fixed, phase)
        if earlier and best.key == before:
            notes.append(f"degraded in phase {phase.name!r}: the kept epoch is {best.epoch}, from an earlier phase")
        best.restore()
    predicted = np.asarray(best.probabilities, np.float32)
    return Trained(tuple(history), best.epoch, predicted, frozenset(given), most, steps, adapting, tuple(notes))


def _check_size(count: int) -> None:
    if count < 2:  # noqa: PLR2004 - a batch of one has no variance
        raise TrainingError(
            f"{count} training picture is too few.", hint="Give more pictures, or a larger training share."
        )


def _given(assembly: Assembly, tail: KerasModel) -> set[int]:
    """Positions of the weights that an optimiser is given, or a low-rank adapter of theirs."""
    chosen = {id(variable) for variable in tail.trainable_variables}
    return {i for i, w in enumerate(assembly.weights) if all(id(one) in chosen for one in w.trained)}


def _with_rate(
    assembly: Assembly,
    phases: Sequence[Phase],
    recipe: Recipe,
    task_of: Callable[[Phase, KerasModel], Task],
    *,
    solves: bool,
    observe: Observer,
) -> tuple[tuple[Phase, ...], list[str]]:
    """Phases with the rate of a range test, if it is asked for, in the phase that has the highest; sentences on it.

    The network is as it was before, to the last bit; the phases keep their proportion, as with a rate that is given.
    """
    if recipe.learning_rate != AUTO:
        return tuple(phases), []
    counted = stepped(phases, solves=solves)
    if not counted:
        return tuple(phases), ["no learning rate was needed: the head is solved, and nothing else is trained"]
    phase = max(counted, key=lambda one: one.learning_rate)  # the first of several
    observe(Stage("testing learning rates"))
    closed = task_of(phase, None)
    use = purpose(phase, recipe, accumulate=closed.parts)
    with unchanged(assembly, closed.augment.layers, seed=recipe.seed), assembly.opened(phase, of=use) as tail:
        task = task_of(phase, tail)
        compile_tail(tail, assembly, phase, recipe, accumulate=task.parts)
        if phase.re_estimated_blocks:
            boundary = len(assembly.blocks) - phase.re_estimated_blocks
            _re_estimate(assembly, task.learner, task.cache, recipe, boundary=boundary)
        test = range_test(task, recipe)
    observe(RateTested(test))
    tried = f"a range test of {len(test.rates)} steps in phase {phase.name!r}"
    if test.chosen is None:
        return tuple(phases), [f"{tried} found no rate at which the loss falls: the policy's own rates were used"]
    return scaled_by(phases, test.chosen / phase.learning_rate), [
        f"the learning rate {test.chosen:.3g} was chosen by {tried}"
    ]


def _re_estimate(
    assembly: Assembly,
    learner: Side,
    cache: FeatureCache,
    recipe: Recipe,
    *,
    boundary: int,
    most: int | None = None,
) -> None:
    """Replaces the statistics of the blocks above a boundary by those of the training pictures, not augmented."""
    boundary, batch = max(0, boundary), min(recipe.batch_size, len(learner.labels))
    below = assembly.prefix(boundary)
    pictures = cache.features((below,) if below else (), learner.pixels, key=learner.key)
    re_estimate(assembly, boundary=boundary, pictures=pictures, batch_size=batch, seed=recipe.seed, most=most)


@dataclass(frozen=True)
class _Log:
    """One phase, and where its epochs are judged and written down."""

    task: Task
    recipe: Recipe
    best: Best
    history: list[EpochRecord]
    judge: Judge
    observe: Observer

    @property
    def epoch(self) -> int:
        """Number of the epoch in the making, 1-based, over all phases."""
        return len(self.history) + 1

    def close_epoch(
        self, known: Features, loss: float, accuracy: float, *, learning_rate: float, began: float
    ) -> Scores:
        """Validates the network as it is now."""
        predicted = probabilities(self.task.tail, known)
        scores = self.judge(predicted, self.task.validation.labels)
        self.history.append(
            EpochRecord(
                phase=self.task.phase.name,
                epoch=self.epoch,
                loss=loss,
                accuracy=accuracy,
                val_loss=scores.loss,
                val_accuracy=scores.accuracy,
                val_balanced_accuracy=scores.balanced_accuracy,
                learning_rate=learning_rate,
                seconds=time.perf_counter() - began,
            )
        )
        self.best.offer(scores, len(self.history), predicted)
        self.observe(EpochEnded(self.history[-1], self.recipe.epochs))
        return scores


def _solve_phase(log: _Log, solve: Solver) -> int:
    """Solves the head: one epoch without a step."""
    known = log.task.known()
    log.observe(Stage("solving the head"))
    began = time.perf_counter()
    loss, accuracy = solve_head(log.task, solve, label_smoothing=log.recipe.label_smoothing)
    log.close_epoch(known, loss, accuracy, learning_rate=0.0, began=began)
    return 0


def _run_phase(log: _Log, epochs: Iterator[list[Array]]) -> int:
    """Trains one phase by steps; returns their number. Averages of weights, where they are kept, are what is judged."""
    task, recipe = log.task, log.recipe
    known = task.known()
    task.learner_in(0)  # computed now, so that what is told next is true
    log.observe(Stage("compiling the first training step"))
    peak, stale, steps = (-math.inf, -math.inf), 0, 0
    batch = min(recipe.batch_size, len(task.learner.labels)) * task.parts
    pace = Pace(task.tail, task.phase, total=task.phase.epochs * len(task.learner.labels) / batch)
    for number in range(task.phase.epochs):
        began = time.perf_counter()
        rows, (learner, targets) = next(epochs), task.learner_in(number)
        if task.phase.block_rates == "auto-rgn":
            _set_block_rates(task, learner, targets, rows, first=not steps)
        loss, accuracy = train_epoch(task, learner, targets, rows, epoch=log.epoch, pace=pace, observe=log.observe)
        steps += len(rows)
        with averaged(task.tail):
            if task.phase.statistics == "precise":
                boundary = task.assembly.boundary(task.phase)
                _re_estimate(task.assembly, task.learner, task.cache, recipe, boundary=boundary, most=PRECISE_PICTURES)
            rank = log.best.rank(log.close_epoch(known, loss, accuracy, learning_rate=pace.rate, began=began))
        stale = 0 if rank > peak else stale + 1
        peak = max(peak, rank)
        if recipe.patience is not None and stale >= recipe.patience:
            break
    return steps


def _set_block_rates(
    task: Task, learner: Features | None, targets: Array, rows: Sequence[Array], *, first: bool
) -> None:
    """Rates of the blocks after the gradients of the epoch before; before the first, after a few batches' gradients."""
    optimiser, variables = inner_of(task.tail.optimizer), task.tail.trainable_variables
    if first:
        optimiser.set_factors(variables, {id(variable): 0.0 for variable in variables})
        still = Pace(task.tail, task.phase, total=1.0)
        train_epoch(task, learner, targets, rows[:MEASURED], epoch=0, pace=still)
        optimiser.set_factors(variables, {id(variable): 1.0 for variable in variables})
    optimiser.set_factors(variables, block_factors(task.assembly, task.phase, optimiser.take_measures(variables)))


def _settled(
    assembly: Assembly, phase: Phase, learner: Side, cache: FeatureCache, recipe: Recipe
) -> list[tuple[Any, Array]]:
    """Re-estimates what a phase begins with, and gives what it must leave alone from then on, with its value now."""
    if phase.re_estimated_blocks:
        _re_estimate(assembly, learner, cache, recipe, boundary=len(assembly.blocks) - phase.re_estimated_blocks)
    return [
        (weight, value_of(weight.variable))
        for weight in assembly.weights
        if not assembly.is_open(weight, phase) and not assembly.may_adapt(weight, phase)
    ]


def _check_fixed(fixed: Sequence[tuple[Any, Array]], phase: Phase) -> None:
    for weight, value in fixed:
        if value_of(weight.variable).tobytes() != value.tobytes():
            raise ReceiptError(
                f"Phase {phase.name!r} moved {weight.path!r} ({type(weight.layer).__name__}), which it had fixed.",
                hint="That layer changes its weights by itself. Report it to the author of the backbone.",
            )
