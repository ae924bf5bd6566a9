"""Steps over the training pictures in one phase."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import reseed
from zoo.errors import DivergedError
from zoo.events import StepTaken, ignore
from zoo.forward import batches, forward_batch
from zoo.looped import can_loop, train_in_loop
from zoo.prefix import Features, fingerprint, pass_through
from zoo.scaling import drop_partial_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.assembly import Assembly
    from zoo.augmenting import Augmenter
    from zoo.contracts import KerasModel, Phase
    from zoo.events import Observer
    from zoo.prefix import FeatureCache
    from zoo.schedules import Pace
    from zoo.values import Side

    Array = np.ndarray[Any, Any]
    Solver = Callable[[Array, Array, Array, Array], tuple[Any, Any]]


@dataclass(frozen=True)
class Task:
    """What one phase works with.

    Attributes:
        assembly: The network.
        phase: What is open.
        tail: Its open part, compiled.
        learner: Training pictures.
        validation: Validation pictures.
        classes: Number of classes.
        augment: Changes training pictures.
        cache: Features of the closed blocks.
        parts: Batches in a step.
        views: Augmented versions of each picture where blocks are closed; 0 for a new one in every epoch.
        seed: Of the run.
        backbone: What its features are called in the cache.
    """

    assembly: Assembly
    phase: Phase
    tail: KerasModel
    learner: Side
    validation: Side
    classes: int
    augment: Augmenter
    cache: FeatureCache
    parts: int = 1
    views: int = 0
    seed: int = 0
    backbone: str = ""

    @functools.cached_property
    def path(self) -> tuple[KerasModel, ...]:
        """From pictures to what the tail takes: the closed blocks, and the head's fixed front where all are closed."""
        return self.assembly.path(self.assembly.boundary(self.phase))

    @functools.cached_property
    def _prints(self) -> list[str]:
        """What is closed in a phase has the same weights from its beginning to its end."""
        return [fingerprint(model) for model in self.path]

    @property
    def targets(self) -> Array:
        """Of the training pictures: float32 (n, classes), one-hot."""
        return np.eye(self.classes, dtype=np.float32)[self.learner.labels]

    def known(self) -> Features:
        """What the tail is validated on."""
        return self._features(self.validation)

    def learner_in(self, epoch: int) -> tuple[Features | None, Array]:
        """What the tail is trained on, and targets.

        Args:
            epoch: 0-based, within the phase: with `views` each has the next one, and after the last the first again.

        Returns:
            Features of the training pictures; None if they are augmented anew in each epoch. float32 (n, classes).
        """
        if not self.augment.layers:
            return self._features(self.learner), self.targets
        if not (self.views and self.path):
            return None, self.targets
        return self._view(epoch)

    def _features(self, side: Side) -> Features:
        part = "train" if side is self.learner else "validation"
        blocks = f"{self.assembly.boundary(self.phase)} of {len(self.assembly.blocks)} blocks"
        about = {"backbone": self.backbone, "part": part, "boundary": blocks, "size": side.pixels.shape[1]}
        return self.cache.features(self.path, side.pixels, key=side.key, prints=self._prints, about=about)

    def _view(self, epoch: int) -> tuple[Features, Array]:
        pixels, targets, number = self.learner.pixels, self.targets, epoch % self.views
        order = np.random.default_rng([self.seed, 0x51E3, number]).permutation(len(pixels))
        augment: list[Augmenter] = []

        def change(rows: Array) -> tuple[Array, Array]:
            if not augment:  # built only where the view is not known yet
                augment.append(self.augment.again(number))
            return augment[0](pixels[rows], targets[rows])

        key = ":".join([self.learner.key, self.augment.key, str(number), *self._prints])
        stored = self.cache.view(self.path, change, order=order, key=key)
        reseed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))  # whether it was known or not
        return Features(stored=stored[:-1], pixels=pixels, path=self.path), stored[-1]

    def batch(self, learner: Features | None, rows: Array, targets: Array) -> tuple[list[Array], Array]:
        """What the tail is trained on: tensors at the boundary and targets of some training pictures."""
        if learner is not None:
            return learner.take(rows), targets[rows]
        pictures, mixed = self.augment(self.learner.pixels[rows], targets[rows])
        return pass_through(self.path, pictures), mixed


def take_step(task: Task, learner: Features | None, rows: Array, targets: Array) -> Array:
    """One step of the optimiser on some training pictures, batch by batch; their mean loss and accuracy, float64 (2,).

    Both are of the training mode. After the last batch the optimiser moves the weights by the mean gradient, so no part
    of a step is ever left over, neither at the end of an epoch nor at that of a phase.
    """
    sums = np.zeros(2)
    for batch in np.split(rows, task.parts):
        tensors, wanted = task.batch(learner, batch, targets)
        # Keras gives the figures of this batch alone; all batches have one size, so their mean is the step's.
        logs = task.tail.train_on_batch(tensors if len(tensors) > 1 else tensors[0], wanted, return_dict=True)
        sums += float(logs["loss"]), float(logs["accuracy"])
    if task.parts > 1:
        drop_partial_step(task.tail.optimizer)
    return sums / task.parts


def _steps(
    task: Task, learner: Features | None, targets: Array, rows: Sequence[Array], *, pace: Pace
) -> Iterator[Array]:
    """Takes the steps of an epoch and gives loss and accuracy of each: one by one, or all at once where that is faster.

    At once where the steps are those of a head alone: what they cost is the way to them.
    """
    tensors = learner.stored if learner is not None and task.parts == 1 and not task.phase.open_blocks else None
    if tensors is None or not can_loop(task.tail, tensors):
        for batch in rows:
            pace.step()
            yield take_step(task, learner, batch, targets)
        return
    rates = []
    for _ in rows:
        pace.step()
        rates.append(pace.rate)
    for rate, figures in zip(rates, train_in_loop(task.tail, tensors, targets, rows, rates), strict=True):
        pace.rate = rate
        yield figures


def train_epoch(
    task: Task,
    learner: Features | None,
    targets: Array,
    rows: Sequence[Array],
    *,
    epoch: int,
    pace: Pace,
    observe: Observer = ignore,
) -> tuple[float, float]:
    """Trains over steps, each given as row numbers; returns mean loss and accuracy, both in training mode.

    Raises:
        DivergedError: If a loss is not finite.
    """
    sums = np.zeros(2)
    for step, figures in enumerate(_steps(task, learner, targets, rows, pace=pace), start=1):
        sums += figures
        observe(StepTaken(epoch, step, len(rows)))
        if not math.isfinite(sums[0]):
            error = DivergedError(
                f"The training loss became {float(figures[0])} in epoch {epoch} (phase {task.phase.name!r}), "
                f"step {step} of {len(rows)}, at learning rate {pace.rate:g}.",
                hint="Lower the learning rate, or check the pictures with a look at a few of them.",
            )
            error.learning_rate = float(pace.rate)
            raise error
    loss, accuracy = sums / len(rows)
    return float(loss), float(accuracy)


def probabilities(tail: KerasModel, known: Features) -> Array:
    """What the network says in inference mode: float64 (n, classes), rows that sum to 1.

    Raises:
        DivergedError: If it is not finite.
    """
    logits = np.concatenate([forward_batch(tail, known.take(rows))[0] for rows in batches(len(known))]).astype(
        np.float64
    )
    if not np.isfinite(logits).all():
        raise DivergedError("The network's output became not finite.", hint="Lower the learning rate.")
    powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
