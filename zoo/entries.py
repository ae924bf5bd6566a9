"""From runs to rows: what belongs together, its mean, its interval, what went wrong."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from zoo import statistics
from zoo.rows import Row
from zoo.values import Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zoo.statistics import BoolArray, Float64Array
    from zoo.values import FloatArray, IntArray, Metric, Recipe, RunRecord, Status

    Predicted: TypeAlias = Mapping[str, tuple[IntArray, FloatArray]]
    """By run id: true labels (n,) and probabilities (n, classes) on the validation part."""

NOT_LEARNING: Status = "not learning in inference mode"
SETTINGS = ("epochs", "batch_size", "learning_rate", "label_smoothing", "patience", "metric")
"""Fields of a recipe that a row's four names do not show."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A row together with what is needed to compare it.

    Attributes:
        row: The row, not yet ranked.
        recipe: Of its runs, with seed 0.
        labels: True labels (n,) of the validation pictures, or None if the predictions are not there.
        correct: Whether each seed was right, (seeds, n), or None.
    """

    row: Row
    recipe: Recipe
    labels: IntArray | None
    correct: BoolArray | None


def entries(
    records: Iterable[RunRecord], predictions: Predicted, *, metric: Metric, tests: Mapping[str, Scores]
) -> list[Entry]:
    """One entry for each recipe without its seed, in the order in which they first appear.

    Args:
        records: In the order in which they began. Of several runs with one seed (a repetition after a failure, or in
            another environment) the last complete one counts, else the last one.
        predictions: Of the complete runs. Where they are missing, the interval knows nothing of seeds.
        metric: What the score is.
        tests: Scores on the test part by run id.
    """
    groups: dict[Recipe, dict[int, RunRecord]] = {}
    for record in records:
        seeds = groups.setdefault(dataclasses.replace(record.recipe, seed=0), {})
        known = seeds.get(record.recipe.seed)
        if known is None or record.validation is not None or known.validation is None:
            seeds[record.recipe.seed] = record
    told = [field for field in SETTINGS if len({getattr(recipe, field) for recipe in groups}) > 1]
    return [
        _entry(recipe, [seeds[seed] for seed in sorted(seeds)], predictions, metric, tests, told)
        for recipe, seeds in groups.items()
    ]


def _entry(
    recipe: Recipe,
    runs: Sequence[RunRecord],
    predictions: Predicted,
    metric: Metric,
    tests: Mapping[str, Scores],
    told: Sequence[str],
) -> Entry:
    complete = [run for run in runs if run.validation is not None]
    looks = [tests[run.id] for run in runs if run.id in tests]
    row = Row(
        kind="run",
        backbone=str(recipe.backbone),
        head=str(recipe.head),
        policy=str(recipe.policy),
        augmentation=str(recipe.augmentation),
        settings=", ".join(f"{field} {getattr(recipe, field)}" for field in told),
        seeds=len(complete),
        failed=sum(run.validation is None and run.status != "running" for run in runs),
        single_seed=len(complete) == 1,
        trainable=max(run.trainable_weights for run in runs),
        total=max(run.total_weights for run in runs),
        seconds=sum(run.seconds for run in runs),
        run_ids=tuple(run.id for run in runs),
        test=_mean(looks) if looks else None,
        notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
    )
    row = _with_status(row, runs, complete)
    if not complete:
        return Entry(row, recipe, None, None)
    labels, correct = _correct([predictions[run.id] for run in complete if run.id in predictions], len(complete))
    return Entry(_with_scores(row, complete, labels, correct, metric), recipe, labels, correct)


def _with_status(row: Row, runs: Sequence[RunRecord], complete: Sequence[RunRecord]) -> Row:
    """Failed seeds of a row that has scores do not take its scores away, but they are told."""
    if not complete:
        return dataclasses.replace(row, status=runs[-1].status, reason=runs[-1].reason)
    blind = [run for run in complete if run.status == NOT_LEARNING]
    if blind:
        return dataclasses.replace(row, status=NOT_LEARNING, reason=blind[0].reason)
    without = [run for run in runs if run.validation is None]
    if not without:
        return row
    first = without[0]
    said = f"{len(without)} of {len(runs)} seeds have no score; seed {first.recipe.seed} is {first.status}"
    return dataclasses.replace(row, reason=f"{said}: {first.reason}" if first.reason else f"{said}.")


def _with_scores(
    row: Row, complete: Sequence[RunRecord], labels: IntArray | None, correct: BoolArray | None, metric: Metric
) -> Row:
    mean = _mean([run.validation for run in complete if run.validation is not None])
    seeds = [getattr(run.validation, metric) for run in complete]
    score = getattr(mean, metric)
    notes = row.notes
    if labels is None or correct is None:
        low, high = statistics.wilson(score, mean.n)
        notes = (*notes, "Stored predictions are missing: the interval knows nothing of seeds.")
    else:
        _, low, high = statistics.interval(correct, weights=weights_for(labels, metric))
    return dataclasses.replace(
        row,
        score=score,
        low=min(low, score),
        high=max(high, score),
        spread=(min(seeds), max(seeds)),
        accuracy=mean.accuracy,
        balanced_accuracy=mean.balanced_accuracy,
        recalls=mean.recalls,
        milliseconds_per_image=sum(run.milliseconds_per_image for run in complete) / len(complete),
        notes=notes,
    )


def weights_for(labels: IntArray, metric: Metric) -> Float64Array | None:
    """Weights of pictures under a metric, None for equal ones."""
    return statistics.balanced_weights(labels) if metric == "balanced_accuracy" else None


def _correct(found: Sequence[tuple[IntArray, FloatArray]], wanted: int) -> tuple[IntArray | None, BoolArray | None]:
    """Labels and right predictions, if they are there for all seeds and belong to the same pictures."""
    if len(found) < wanted or any(not np.array_equal(labels, found[0][0]) for labels, _ in found):
        return None, None
    labels = np.asarray(found[0][0])
    return labels, np.stack([np.asarray(table).argmax(axis=1) == labels for _, table in found])


def _mean(scores: Sequence[Scores]) -> Scores:
    """Means field by field, rounded where floating point would tell equal rows apart."""

    def mean(values: Sequence[float]) -> float:
        return round(sum(values) / len(values), 12)

    return Scores(
        n=scores[0].n,
        accuracy=mean([one.accuracy for one in scores]),
        balanced_accuracy=mean([one.balanced_accuracy for one in scores]),
        loss=mean([one.loss for one in scores]),
        recalls=tuple(
            mean(present) if (present := [value for value in column if value is not None]) else None
            for column in zip(*(one.recalls for one in scores), strict=True)
        ),
    )
