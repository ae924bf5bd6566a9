"""What a run measured of its own course, for those who explain it: pure figures, no network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist, fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.inputs import Finding
    from zoo.values import EpochRecord, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run measured. Accuracies and shares are in [0, 1].

    Attributes:
        classes: Class names in label order.
        n_train: Number of training pictures.
        train_majority: Share of the most frequent class among them.
        majority: The same of the validation pictures.
        history: One record for each epoch; may be empty.
        epochs: That the run was to have.
        patience: Epochs without improvement that ended it, or None.
        validation: Scores of the kept epoch; None for a run that diverged.
        answered: Share of validation pictures with each predicted class, in label order; empty without scores.
        best_epoch: The kept epoch, 1-based.
        head_change: ‖after − before‖ / ‖before‖ of the head, the largest of its weights; None where it is not known.
        inference_accuracy: On training pictures in inference mode where statistics adapted, else None.
        momenta: Momentum of each BatchNorm layer whose moving statistics followed, by layer name.
        adapting_steps: Batches in which they did.
        lag_remedy: What would end their lag, in one sentence; empty where none followed.
        learning_rate: Highest of the run; 0 where only a head was solved, or where it is not known.
        steps: Of the optimiser, all phases.
        opens: Whether some phase opened a block of the backbone.
        pretrained: Whether the backbone started from pretrained weights.
        simple: Accuracy on validation pictures of simple classifiers that need no training of the network, by name.
        conflicts: Groups of identical pictures with different labels.
        wrong_input: A phrase on what is wrong with the pictures as the network gets them; empty if nothing is.
        diverged: The reason why there are no scores; empty for a run that has some.
        solved: Whether it is the solution of a head that is not finite: no rate had a part in it.
    """

    classes: tuple[str, ...]
    n_train: int
    train_majority: float
    majority: float
    history: tuple[EpochRecord, ...]
    epochs: int
    patience: int | None = None
    validation: Scores | None = None
    answered: tuple[float, ...] = ()
    best_epoch: int = 0
    head_change: float | None = None
    inference_accuracy: float | None = None
    momenta: Mapping[str, float] = field(default_factory=dict)
    adapting_steps: int = 0
    lag_remedy: str = ""
    learning_rate: float = 0.0
    steps: int = 0
    opens: bool = False
    pretrained: bool = True
    simple: Mapping[str, float] = field(default_factory=dict)
    conflicts: int = 0
    wrong_input: str = ""
    diverged: str = ""
    solved: bool = False

    @property
    def guess(self) -> float:
        """Training loss of one who gives all classes the same probability, in nats."""
        return math.log(len(self.classes))

    @property
    def stepped(self) -> tuple[EpochRecord, ...]:
        """The epochs that took steps; where a head is solved there are none."""
        return tuple(record for record in self.history if record.learning_rate > 0)

    @property
    def trained_to(self) -> float:
        """The highest training accuracy of an epoch."""
        return max((record.accuracy for record in self.history), default=0.0)

    @property
    def has_learned(self) -> bool:
        """Whether an epoch told training pictures apart: by its accuracy, noise aside, and by its loss.

        A rate that is too high gives an accuracy by chance now and then, but with a loss above that of guessing.
        """
        level = self.train_majority + max(0.1, 2.5 * standard_error(self.train_majority, self.n_train))
        return any(record.accuracy >= level and record.loss < self.guess for record in self.history)

    @property
    def by_heart(self) -> bool:
        """Whether training pictures are known by heart: two fifths of the way from the majority class to all right."""
        return self.has_learned and self.trained_to >= self.train_majority + 0.4 * (1 - self.train_majority)

    def moved(self, epochs: int) -> float | None:
        """`head_change` as it would be after so many epochs: a straight line from the kept one."""
        if self.head_change is None or not self.best_epoch:
            return None
        return self.head_change * max(1.0, epochs / self.best_epoch)


@dataclass(frozen=True, slots=True)
class Trend:
    """Course of a loss: first, last, fall an epoch (least squares), and whether that is more than noise."""

    first: float
    last: float
    fall: float
    falls: bool

    def epochs_to(self, level: float) -> float:
        """Further epochs down to a level at this pace."""
        return (self.last - level) / self.fall if self.fall > 0 and self.last > level else math.inf


def trend_of(losses: tuple[float, ...]) -> Trend | None:
    """The course of a loss over epochs, from its second half (two values at the least); None for fewer than two."""
    if len(losses) < 2:  # noqa: PLR2004 - a course has two ends
        return None
    late = losses[min(len(losses) // 2, len(losses) - 2) :] if len(losses) > 3 else losses  # noqa: PLR2004 - a half of two
    count, middle, mean = len(late), (len(late) - 1) / 2, fmean(late)
    spread = sum((x - middle) ** 2 for x in range(count))
    slope = sum((x - middle) * (loss - mean) for x, loss in enumerate(late)) / spread
    rest = sum((loss - mean - slope * (x - middle)) ** 2 for x, loss in enumerate(late))
    error = math.sqrt(rest / (count - 2) / spread) if count > 2 else 0.0  # noqa: PLR2004 - two points fit any line
    return Trend(losses[0], losses[-1], -slope, falls=-slope > max(2 * error, 1e-5 * abs(mean)))


def standard_error(share: float, count: int) -> float:
    """Of a share in [0, 1] of so many pictures; never 0."""
    return math.sqrt(max(share * (1 - share), 1e-9) / max(count, 1))


def at_chance(scores: Scores, majority: float, history: tuple[EpochRecord, ...]) -> bool:
    """Whether validation is not above guessing by more than its noise, in accuracy and in balanced accuracy.

    Noise is two standard errors; for the kept epoch, which is the best of several, as many as the best of so many
    independent ones would need (Šidák 1967), if the median epoch is within two.

    Args:
        scores: Of the kept epoch.
        majority: Share of the most frequent class in the validation part.
        history: All epochs.
    """
    present = sum(recall is not None for recall in scores.recalls)
    chance = 1.0 / max(present, 1)
    epochs = max(1, len(history))
    best = NormalDist().inv_cdf(0.9772 ** (1 / epochs))
    measures = (
        (majority, standard_error(majority, scores.n), scores.accuracy, [record.val_accuracy for record in history]),
        (
            chance,
            math.sqrt(chance * (1 - chance) / scores.n),
            scores.balanced_accuracy,
            [record.val_balanced_accuracy for record in history],
        ),
    )
    return all(
        kept <= level + best * error and median(course or [kept]) <= level + 2 * error
        for level, error, kept, course in measures
    )


def fact_of(wrong: Finding | None) -> str:
    """What is wrong with inputs as far as it explains a score; that pictures are grey explains none."""
    return "" if wrong is None or wrong.cause == "grey" else wrong.fact
