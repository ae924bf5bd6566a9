"""Training a network phase by phase, keeping the best epoch over all of them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.errors import DivergedError, ReceiptError, TrainingError
from zoo.events import EpochEnded, ignore
from zoo.forward import batches, forward_batch, value_of
from zoo.optimiser import block_factors, optimiser_of
from zoo.reestimation import re_estimate
from zoo.schedules import Pace
from zoo.values import EpochRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.assembly import Assembly
    from zoo.contracts import KerasLayer, KerasModel, Phase
    from zoo.events import Observer
    from zoo.prefix import FeatureCache, Features
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
        given: Positions in `Assembly.weights` of those that some optimiser was given.
        trainable_weights: Scalar weights given to an optimiser, most over the phases.
        steps: Training steps, all phases.
        adapting_steps: Training steps in which some moving statistic adapted.
        notes: Sentences for the person.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    given: frozenset[int]
    trainable_weights: int
    steps: int
    adapting_steps: int
    notes: tuple[str, ...]


class _Best:
    """The best epoch so far and the weights it had."""

    def __init__(self, assembly: Assembly, phases: Sequence[Phase], metric: str) -> None:
        self._free = [
            w for w in assembly.weights if any(assembly.is_open(w, p) or assembly.may_adapt(w, p) for p in phases)
        ]
        self._attribute = metric
        self._values: list[Array] = []
        self.key = (-math.inf, -math.inf)
        self.epoch = 0

    def rank(self, scores: Scores) -> tuple[float, float]:
        """Higher is better: the metric, and among equals the lower loss."""
        return (float(getattr(scores, self._attribute)), -scores.loss)

    def offer(self, scores: Scores, epoch: int) -> None:
        if self.rank(scores) > self.key:
            self.key, self.epoch = self.rank(scores), epoch
            self._values = [value_of(weight.variable) for weight in self._free]

    def restore(self) -> None:
        for weight, value in zip(self._free, self._values, strict=True):
            weight.variable.assign(value)


def order(count: int, *, batch_size: int, seed: int) -> Iterator[list[Array]]:
    """Epochs of batches of row numbers, without end.

    Every epoch is a new permutation. All batches are full: what is left at the end of one epoch opens the next (after
    the last epoch it is left out), so no batch of one ever reaches a BatchNorm layer, and a train function is traced
    once. An epoch without a full batch cannot occur, since `batch_size` is at most `count`.

    Args:
        count: Number of training pictures.
        batch_size: At most `count`.
        seed: The same seed gives the same order, whatever is trained.
    """
    draw = np.random.default_rng([seed, 0x0DE2])
    waiting = np.empty(0, np.int64)
    while True:
        waiting = np.concatenate([waiting, draw.permutation(count)])
        full = len(waiting) // batch_size
        yield [waiting[i * batch_size : (i + 1) * batch_size] for i in range(full)]
        waiting = waiting[full * batch_size :]


def train(
    assembly: Assembly,
    phases: Sequence[Phase],
    recipe: Recipe,
    *,
    sides: tuple[Side, Side],
    augment: Sequence[KerasLayer] = (),
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
        augment: Layers applied to training pictures only.
        cache: Keeps what the closed blocks make of the pictures.
        judge: Probabilities and labels to scores.
        observe: Told about every epoch.

    Raises:
        DivergedError: If a loss is not finite.
        ReceiptError: If a phase moved a weight that it had fixed.
        TrainingError: If there are fewer than two training pictures.
    """
    learner, validation = sides
    if len(learner.labels) < 2:  # noqa: PLR2004 - a batch of one has no variance
        raise TrainingError(
            f"{len(learner.labels)} training picture is too few.",
            hint="Give more pictures, or a larger training share.",
        )
    batch = min(recipe.batch_size, len(learner.labels))
    epochs = order(len(learner.labels), batch_size=batch, seed=recipe.seed)
    best = _Best(assembly, phases, recipe.metric)
    history: list[EpochRecord] = []
    given: set[int] = set()
    notes: list[str] = []
    most = steps = adapting = 0
    for phase in phases:
        before, earlier = best.key, len(history)
        _re_estimate(assembly, phase, learner, cache, batch=batch, seed=recipe.seed)
        fixed = _fixed(assembly, phase)
        with assembly.opened(phase) as tail:
            _compile(tail, optimiser_of(assembly, phase), recipe.label_smoothing)
            chosen = {id(variable) for variable in tail.trainable_variables}
            given |= {i for i, weight in enumerate(assembly.weights) if id(weight.variable) in chosen}
            most = max(most, sum(w.size for w in assembly.weights if id(w.variable) in chosen))
            task = _Task(assembly, phase, tail, learner, validation, augment, cache, judge)
            try:
                taken = _run_phase(task, recipe, epochs, best, history, observe)
            except DivergedError as error:
                if not earlier:
                    raise
                notes.append(f"diverged in phase {phase.name!r}, so an earlier phase's epoch is kept: {error.message}")
                best.restore()
                break
        steps += taken
        adapting += taken if assembly.momenta(phase) else 0
        _check_fixed(fixed, phase)
        if earlier and best.key == before:
            notes.append(f"degraded in phase {phase.name!r}: the kept epoch is {best.epoch}, from an earlier phase")
        best.restore()
    return Trained(tuple(history), best.epoch, frozenset(given), most, steps, adapting, tuple(notes))


def _re_estimate(
    assembly: Assembly, phase: Phase, learner: Side, cache: FeatureCache, *, batch: int, seed: int
) -> None:
    """Replaces the statistics that a phase wants replaced before it begins."""
    if phase.re_estimated_blocks:
        boundary = max(0, len(assembly.blocks) - phase.re_estimated_blocks)
        pictures = cache.features(assembly.prefix(boundary), learner.pixels, key=learner.key)
        re_estimate(assembly, boundary=boundary, pictures=pictures, batch_size=batch, seed=seed)


def _compile(tail: KerasModel, optimiser: Any, label_smoothing: float) -> None:  # noqa: ANN401 - a Keras optimiser
    """A fresh optimiser, loss and metric; nothing is shared between phases or runs."""
    tail.compile(
        optimizer=optimiser,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # XLA on a CPU compiles for minutes under TensorFlow
    )
    # Slots that are first made inside a traced function keep its graph alive for good: 11 MB a run under TensorFlow.
    tail.optimizer.build(tail.trainable_variables)


@dataclass(frozen=True)
class _Task:
    """What one phase works with."""

    assembly: Assembly
    phase: Phase
    tail: KerasModel
    learner: Side
    validation: Side
    augment: Sequence[KerasLayer]
    cache: FeatureCache
    judge: Judge

    def features(self) -> tuple[Features | None, Features]:
        """Of the training pictures (None if they are augmented anew each time) and of the validation pictures."""
        prefix = self.assembly.prefix(self.assembly.boundary(self.phase))
        known = self.cache.features(prefix, self.validation.pixels, key=self.validation.key)
        if self.augment:
            return None, known
        return self.cache.features(prefix, self.learner.pixels, key=self.learner.key), known


def _run_phase(
    task: _Task,
    recipe: Recipe,
    epochs: Iterator[list[Array]],
    best: _Best,
    history: list[EpochRecord],
    observe: Observer,
) -> int:
    """Trains one phase; returns the number of steps."""
    learner, known = task.features()
    peak, stale, steps = (-math.inf, -math.inf), 0, 0
    batch = min(recipe.batch_size, len(task.learner.labels))
    pace = Pace(task.tail, task.phase, total=task.phase.epochs * len(task.learner.labels) / batch)
    for _ in range(task.phase.epochs):
        began = time.perf_counter()
        rows = next(epochs)
        if task.phase.block_rates == "auto-rgn":
            _set_block_rates(task, learner, rows, len(recipe.classes), first=not steps)
        loss, accuracy = _train_epoch(task, learner, rows, len(recipe.classes), epoch=len(history) + 1, pace=pace)
        steps += len(rows)
        if task.phase.statistics == "precise":
            _make_precise(task, batch=batch, seed=recipe.seed)
        scores = task.judge(_probabilities(task.tail, known), task.validation.labels)
        history.append(
            EpochRecord(
                phase=task.phase.name,
                epoch=len(history) + 1,
                loss=loss,
                accuracy=accuracy,
                val_loss=scores.loss,
                val_accuracy=scores.accuracy,
                val_balanced_accuracy=scores.balanced_accuracy,
                learning_rate=pace.rate,
                seconds=time.perf_counter() - began,
            )
        )
        best.offer(scores, len(history))
        observe(EpochEnded(history[-1], recipe.epochs))
        stale = 0 if best.rank(scores) > peak else stale + 1
        peak = max(peak, best.rank(scores))
        if recipe.patience is not None and stale >= recipe.patience:
            break
    return steps


def _set_block_rates(
    task: _Task, learner: Features | None, rows: Sequence[Array], classes: int, *, first: bool
) -> None:
    """Rates of the blocks after the gradients of the epoch before; before the first, after a few batches' gradients."""
    optimiser, variables = task.tail.optimizer, task.tail.trainable_variables
    if first:
        optimiser.set_factors(variables, {id(variable): 0.0 for variable in variables})
        still = Pace(task.tail, task.phase, total=1.0)
        _train_epoch(task, learner, rows[:MEASURED], classes, epoch=0, pace=still)
        optimiser.set_factors(variables, {id(variable): 1.0 for variable in variables})
    optimiser.set_factors(variables, block_factors(task.assembly, task.phase, optimiser.take_measures(variables)))


def _make_precise(task: _Task, *, batch: int, seed: int) -> None:
    boundary = task.assembly.boundary(task.phase)
    pictures = task.cache.features(task.assembly.prefix(boundary), task.learner.pixels, key=task.learner.key)
    re_estimate(task.assembly, boundary=boundary, pictures=pictures, batch_size=batch, seed=seed)


def _train_epoch(
    task: _Task, learner: Features | None, rows: Sequence[Array], classes: int, *, epoch: int, pace: Pace
) -> tuple[float, float]:
    """Trains over batches of row numbers; returns mean loss and accuracy, both in training mode."""
    targets = np.eye(classes, dtype=np.float32)[task.learner.labels]
    sums = np.zeros(2)
    for step, batch in enumerate(rows, start=1):
        pace.step()
        tensors = learner.take(batch) if learner is not None else _augmented(task, batch)
        # Keras gives the figures of this batch alone; all batches have one size, so their mean is the epoch's.
        logs = task.tail.train_on_batch(tensors if len(tensors) > 1 else tensors[0], targets[batch], return_dict=True)
        sums += float(logs["loss"]), float(logs["accuracy"])
        if not math.isfinite(sums[0]):
            raise DivergedError(
                f"The training loss became {float(logs['loss'])} in epoch {epoch} (phase {task.phase.name!r}), "
                f"step {step} of {len(rows)}, at learning rate {pace.rate:g}.",
                hint="Lower the learning rate, or check the pictures with a look at a few of them.",
            )
    loss, accuracy = sums / len(rows)
    return float(loss), float(accuracy)


def _augmented(task: _Task, batch: Array) -> list[Array]:
    pictures: Any = task.learner.pixels[batch].astype(np.float32)
    for layer in task.augment:
        pictures = layer(pictures, training=True)
    pixels = np.asarray(keras.ops.convert_to_numpy(pictures), dtype=np.float32)
    if pixels.shape != (len(batch), *task.learner.pixels.shape[1:]):
        raise TrainingError(
            f"The augmentation turned pictures of shape {task.learner.pixels.shape[1:]} into {pixels.shape[1:]}.",
            hint="An augmentation must keep the shape, for validation pictures are not augmented.",
        )
    prefix = task.assembly.prefix(task.assembly.boundary(task.phase))
    return task.cache.pass_through(prefix, pixels)


def _probabilities(tail: KerasModel, known: Features) -> Array:
    logits = np.concatenate([forward_batch(tail, known.take(rows))[0] for rows in batches(len(known))]).astype(
        np.float64
    )
    if not np.isfinite(logits).all():
        raise DivergedError("The network's output became not finite.", hint="Lower the learning rate.")
    powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _fixed(assembly: Assembly, phase: Phase) -> list[tuple[Any, Array]]:
    """What a phase must leave alone, with its value now."""
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
