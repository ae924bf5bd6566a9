"""The board: rows ranked by their mean validation score, ties marked, the cheapest of them recommended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import statistics
from zoo.entries import Entry, entries, weights_for
from zoo.records import from_plain
from zoo.rows import Baseline, Board, Context, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zoo.entries import Predicted
    from zoo.values import IntArray, Metric, RunRecord, Scores

__all__ = ["Baseline", "Board", "Context", "Row", "baselines", "build_board"]

NEAREST, MAJORITY, CHANCE = "nearest neighbour", "majority", "chance"
"""Names of the baselines that notes are made from."""

NEAR = 0.02
"""A best row that is ahead of the nearest thumbnail by no more than this has shown little."""

TOO_GOOD = 0.995
"""From this score on, a leak is more likely than a solved task."""


def build_board(
    records: Iterable[RunRecord],
    predictions: Predicted,
    context: Context | Mapping[str, Any],
    *,
    metric: Metric,
    tests: Mapping[str, Scores] | None = None,
) -> Board:
    """Ranks runs by validation. Nothing but `Row.test` depends on the test part.

    Args:
        records: In the order in which they began; those on other data or splits are listed apart.
        predictions: By run id, true labels (n,) and probabilities (n, classes) on the validation part, of the runs
            that have scores.
        context: What the board is about; also as the store gives it back.
        metric: What ranks.
        tests: Scores on the test part by run id.
    """
    about = context if isinstance(context, Context) else from_plain(Context, dict(context))
    found = entries(records, predictions, metric=metric, tests=tests or {})
    here = [entry for entry in found if (entry.recipe.data, entry.recipe.split) == (about.data, about.split)]
    stale = [_stale(entry, about) for entry in found if entry not in here]
    ranked = _ranked(here, metric, level=_level(about, metric))
    rows = _with_baselines([entry.row for entry in ranked], ranked, about, metric)
    return Board(
        rows=rows,
        stale=tuple(sorted(stale, key=lambda row: (row.title, row.run_ids))),
        metric=metric,
        classes=about.classes,
        n_train=about.n_train,
        n_validation=about.n_validation,
        n_test=about.n_test,
        data=about.data,
        split=about.split,
        notes=(*about.notes, *_notes(rows, ranked, about, metric)),
    )


def baselines(predicted: Mapping[str, IntArray], labels: IntArray, classes: int) -> tuple[Baseline, ...]:
    """Baselines from what they predict for the validation part, and guessing.

    Args:
        predicted: By name, labels of shape (n,).
        labels: True ones, of shape (n,).
        classes: Number of classes.
    """
    level, weights = statistics.chance_level(classes), statistics.balanced_weights(labels)
    named = [
        Baseline(
            name=name,
            accuracy=float((answers == labels).mean()),
            balanced_accuracy=round(float((answers == labels) @ weights), 12),
            predicted=tuple(np.asarray(answers).tolist()),
        )
        for name, answers in sorted(predicted.items())
    ]
    return (Baseline(name=CHANCE, accuracy=level, balanced_accuracy=level), *named)


def _level(about: Context, metric: Metric) -> float:
    """What guessing reaches: the better of chance and the majority class."""
    return max((getattr(line, metric) for line in about.baselines if line.name in {CHANCE, MAJORITY}), default=0.0)


def _ranked(here: Sequence[Entry], metric: Metric, *, level: float) -> list[Entry]:
    """Finished rows first, then those that do not learn in inference mode, then those without scores."""

    def place(entry: Entry) -> tuple[Any, ...]:
        row = entry.row
        group = 2 if row.score is None else int(row.status != "finished")
        # The last two only keep the order the same from call to call.
        return group, -(row.score or 0.0), row.cost, row.title, row.run_ids

    order = sorted(here, key=place)
    scored = [
        dataclasses.replace(entry, row=dataclasses.replace(entry.row, rank=rank))
        for rank, entry in enumerate((entry for entry in order if entry.row.score is not None), start=1)
    ]
    finished = [entry for entry in scored if entry.row.status == "finished"]
    marked = _with_ties(finished, metric, level=level) if finished else []
    return [*marked, *scored[len(finished) :], *order[len(scored) :]]


def _with_ties(finished: Sequence[Entry], metric: Metric, *, level: float) -> list[Entry]:
    """Marks what cannot be told from the first entry, and what of it to use: nothing that guessing reaches too."""
    best, others = finished[0], finished[1:]
    p_values = [_p_value(best, other, metric) for other in others]
    alone = [True, *(p >= statistics.LEVEL for p in p_values)]
    tied = [False, *(p >= statistics.LEVEL for p in statistics.holm(p_values))]
    useful = [place for place, entry in enumerate(finished) if alone[place] and (entry.row.score or 0.0) > level]
    cheapest = min(useful, key=lambda place: finished[place].row.cost, default=None)
    return [
        dataclasses.replace(
            entry, row=dataclasses.replace(entry.row, tied_with_best=tied[place], recommended=place == cheapest)
        )
        for place, entry in enumerate(finished)
    ]


def _p_value(best: Entry, other: Entry, metric: Metric) -> float:
    """Of the paired comparison; where predictions are missing, 1 if the intervals overlap and 0 if they do not."""
    paired = _same_pictures(best.labels, other.labels)
    if not paired or best.correct is None or other.correct is None or best.labels is None:
        overlap = best.row.low is None or other.row.high is None or best.row.low <= other.row.high
        return float(overlap)
    return statistics.compare(best.correct, other.correct, weights=weights_for(best.labels, metric)).p_value


def _same_pictures(first: IntArray | None, second: IntArray | None) -> bool:
    return first is not None and second is not None and np.array_equal(first, second)


def _with_baselines(rows: Sequence[Row], ranked: Sequence[Entry], about: Context, metric: Metric) -> tuple[Row, ...]:
    """Rows with the baselines among the finished ones, by score; a row stands above a baseline of its score."""
    labels = next((entry.labels for entry in ranked if entry.labels is not None), None)
    finished = [row for row in rows if row.status == "finished" and row.rank is not None]
    lines = [_baseline_row(baseline, labels, metric) for baseline in about.baselines]
    mixed = sorted(
        [*finished, *lines], key=lambda row: (-(row.score or 0.0), row.kind == "baseline", row.rank or 0, row.title)
    )
    return (*mixed, *(row for row in rows if row not in finished))


def _baseline_row(baseline: Baseline, labels: IntArray | None, metric: Metric) -> Row:
    score = getattr(baseline, metric)
    low = high = None
    if labels is not None and len(labels) == len(baseline.predicted):
        right = np.asarray(baseline.predicted)[None] == labels
        _, low, high = statistics.interval(right, weights=weights_for(labels, metric))
    return Row(
        kind="baseline",
        backbone=baseline.name,
        score=score,
        low=low,
        high=high,
        accuracy=baseline.accuracy,
        balanced_accuracy=baseline.balanced_accuracy,
    )


def _stale(entry: Entry, about: Context) -> Row:
    what = "other data" if entry.recipe.data != about.data else "another split of the data"
    note = f"Run on {what}: its score cannot be compared with those above."
    return dataclasses.replace(entry.row, notes=(note, *entry.row.notes))


def _notes(rows: Sequence[Row], ranked: Sequence[Entry], about: Context, metric: Metric) -> list[str]:
    """What the person should know before believing the ranks."""
    notes = []
    if not about.n_test:
        notes.append(
            "There is no test part: the score is a selection score. Epochs and rows are chosen by the same pictures,"
            " so for the best row it is a little too good."
        )
    best = next((entry for entry in ranked if entry.row.rank == 1 and entry.row.status == "finished"), None)
    if best is not None:
        notes += _notes_on_best(best, {row.backbone: row for row in rows if row.kind == "baseline"}, about, metric)
    if about.n_train > statistics.NEIGHBOURS and any(line.name == NEAREST for line in about.baselines):
        notes.append(
            f"The baseline {NEAREST} looks among {statistics.NEIGHBOURS:,} of the {about.n_train:,} training pictures, "
            "drawn with seed 0: among all of them it might be better."
        )
    lone = sum(row.single_seed for row in rows)
    if lone:
        notes.append(
            f"{lone} row{' has' if lone == 1 else 's have'} one seed: what luck adds to the score is not known."
            " Use --seeds 3 or more."
        )
    return notes


def _notes_on_best(best: Entry, drawn: Mapping[str, Row], about: Context, metric: Metric) -> list[str]:
    notes, score = [], best.row.score or 0.0
    if score <= _level(about, metric):
        notes.append("Nothing is recommended: no row is better than guessing or always saying the most frequent class.")
    if score >= TOO_GOOD:
        notes.append(
            f"The best score is {score:.3f}. Before you believe it, look for copies on both sides of the split and for"
            " marks that give the class away."
        )
    for name, trouble in (
        (NEAREST, "the pictures tell little about which row is good, or the two sides of the split are too alike"),
        (MAJORITY, "nothing has been learned that always saying the most frequent class does not know"),
    ):
        baseline = next((one for one in about.baselines if one.name == name), None)
        if baseline is not None and _no_better(best, baseline, drawn[name].score or 0.0, metric):
            notes.append(_weak(score, drawn[name].score or 0.0, name, about.n_validation, trouble))
    return notes


def _weak(score: float, level: float, name: str, count: int, trouble: str) -> str:
    if score - level <= NEAR:
        return f"The best row ({score:.3f}) is hardly better than the baseline {name} ({level:.3f}): {trouble}."
    return (
        f"With {count} validation pictures the best row ({score:.3f}) cannot be told from the baseline {name} "
        f"({level:.3f}): give more pictures, or a larger validation share."
    )


def _no_better(best: Entry, baseline: Baseline, level: float, metric: Metric) -> bool:
    """Whether a baseline is within a margin of the best row, or cannot be told from it."""
    if (best.row.score or 0.0) - level <= NEAR + 1e-9:
        return True
    if best.labels is None or best.correct is None or len(best.labels) != len(baseline.predicted):
        return best.row.low is not None and best.row.low <= level
    right = np.asarray(baseline.predicted)[None] == best.labels
    return statistics.compare(best.correct, right, weights=weights_for(best.labels, metric)).tie
