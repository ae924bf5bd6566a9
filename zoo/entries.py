"""From runs to rows: what belongs together, its mean, its interval, what went wrong."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zoo import statistics
from zoo.rows import Row
from zoo.settings import OPTIONS
from zoo.values import Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.statistics import BoolArray, Float64Array
    from zoo.values import FloatArray, IntArray, Metric, Recipe, RunRecord, Status

    Predicted: TypeAlias = Mapping[str, tuple[IntArray, FloatArray]]
    """By run id: true labels (n,) and probabilities (n, classes) on the validation part."""

NOT_LEARNING: Status = "not learning in inference mode"
SETTINGS = ("epochs", "batch_size", "learning_rate", *OPTIONS, "label_smoothing", "patience", "metric")
"""Fields of a recipe that a row's four names do not show."""
ENVIRONMENT = (
    "backend",
    "packages.keras",
    "packages.keras-zoo",
    "packages",
    "packages.numpy",
    "packages.Pillow",
    "plugins",
    "weights",
    "runtime",
    "variables",
    "gpus",
    "cores",
)
"""Fields of an environment that are told first where several differ: what one chose before what follows from it."""


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
    """One entry for each recipe without its seed and each environment, in the order in which they first appear.

    Numbers of two environments are no repetitions of each other, so they never share a row.

    Args:
        records: In the order in which they began. Of several runs with one seed in one environment the last complete
            one counts, else the last one. A run without scores that was later repeated with success does not count,
            whatever was changed in the environment to mend it.
        predictions: Of the complete runs. Where they are missing, the interval knows nothing of seeds.
        metric: What the score is.
        tests: Scores on the test part by run id.
    """
    groups = _groups(list(records))
    told = [field for field in SETTINGS if len({getattr(recipe, field) for recipe, _ in groups}) > 1]
    environments: dict[Recipe, dict[str, Mapping[str, Any]]] = {}
    for (recipe, key), runs in groups.items():
        environments.setdefault(recipe, {})[key] = runs[0].environment
    words = {recipe: _told_apart(of) for recipe, of in environments.items()}
    found = []
    for (recipe, key), runs in groups.items():
        settings = [f"{field} {getattr(recipe, field)}" for field in told] + words[recipe][key]
        found.append(_entry(recipe, runs, predictions, metric, tests, ", ".join(settings)))
    return found


def _groups(records: Sequence[RunRecord]) -> dict[tuple[Recipe, str], list[RunRecord]]:
    """Runs that count, in order of seeds, by recipe with seed 0 and environment as JSON."""
    mended = {record.recipe: place for place, record in enumerate(records) if record.validation is not None}
    groups: dict[tuple[Recipe, str], dict[int, RunRecord]] = {}
    for place, record in enumerate(records):
        if record.validation is None and place < mended.get(record.recipe, place):
            continue
        key = json.dumps(dict(record.environment), sort_keys=True, default=str)
        seeds = groups.setdefault((dataclasses.replace(record.recipe, seed=0), key), {})
        known = seeds.get(record.recipe.seed)
        if known is None or record.validation is not None or known.validation is None:
            seeds[record.recipe.seed] = record
    return {group: [seeds[seed] for seed in sorted(seeds)] for group, seeds in groups.items()}


def _told_apart(environments: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """By key, in few words what tells environments apart, such as `backend jax`; nothing for a single one.

    Fields are told in the order of `ENVIRONMENT`, then the rest, each only if it tells more of them apart than those
    before. So what follows from a choice, such as the version of the other backend, is not told.
    """
    words: dict[str, list[str]] = {key: [] for key in environments}
    flat = {key: dict(_leaves(environment)) for key, environment in environments.items()}
    for path in sorted({path for leaves in flat.values() for path in leaves}, key=_place):
        more = {key: [*words[key], *_words(path, leaves)] for key, leaves in flat.items()}
        if len(set(map(tuple, more.values()))) > len(set(map(tuple, words.values()))):
            words = more
    return words


def _place(path: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    known = [ENVIRONMENT.index(name) for name in (".".join(path), path[0]) if name in ENVIRONMENT]
    return (known or [len(ENVIRONMENT)])[0], path


def _words(path: tuple[str, ...], leaves: Mapping[tuple[str, ...], str]) -> list[str]:
    """The field and its value, if there is one. Packages, variables and runtime settings speak for themselves."""
    named = path[1:] if len(path) > 1 and path[0] in ("packages", "variables", "runtime") else path
    return [f"{' '.join(named)} {leaves[path]}"] if path in leaves else []


def _leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Values that are no mappings, as texts, with their paths."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(value, str):
        yield path, value
    else:
        yield path, json.dumps(value, sort_keys=True, default=str)


def _entry(
    recipe: Recipe,
    runs: Sequence[RunRecord],
    predictions: Predicted,
    metric: Metric,
    tests: Mapping[str, Scores],
    settings: str,
) -> Entry:
    complete = [run for run in runs if run.validation is not None]
    looks = [tests[run.id] for run in runs if run.id in tests]
    row = Row(
        kind="run",
        backbone=str(recipe.backbone),
        head=str(recipe.head),
        policy=str(recipe.policy),
        augmentation=str(recipe.augmentation),
        settings=settings,
        seeds=len(complete),
        failed=sum(run.validation is None and run.status != "running" for run in runs),
        single_seed=len(complete) == 1,
        trainable=max(run.trainable_weights for run in runs),
        total=max(run.total_weights for run in runs),
        seconds=sum(run.seconds for run in runs),
        run_ids=tuple(run.id for run in runs),
        test=_mean(looks) if looks else None,
        notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
        explanation=_explained(runs),
    )
    row = _with_status(row, runs, complete)
    if not complete:
        return Entry(row, recipe, None, None)
    labels, correct = _correct([predictions[run.id] for run in complete if run.id in predictions], len(complete))
    return Entry(_with_scores(row, complete, labels, correct, metric), recipe, labels, correct)


def _explained(runs: Sequence[RunRecord]) -> str:
    """The line of the cause that most seeds have, the first of equals; of how many, if not of all."""
    told = [run.explanation for run in runs if run.explanation is not None]
    if not told:
        return ""
    name, times = Counter(one.causes[0].name for one in told).most_common(1)[0]
    line = next(one.line for one in told if one.causes[0].name == name)
    return line if times == len(runs) else f"in {times} of {len(runs)} seeds {line}"


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
