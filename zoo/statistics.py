"""Scores of predictions, and what may be claimed from them: intervals, comparisons, baselines. Pure NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zoo.errors import DivergedError, UsageError
from zoo.resampling import deviations, sign_flip
from zoo.values import Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.values import FloatArray, IntArray, UInt8Array

    BoolArray: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
    Float64Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

LEVEL = 0.05
"""A difference that pure chance produces more often than this is no difference."""

LEAST_PROBABILITY = 1e-7
"""Probabilities are clipped from below by it (as Keras does), so that one picture costs 16.1 nats at most."""

NEIGHBOURS = 10_000
"""Training pictures among which the nearest neighbour is looked for at most."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two rows differ, on the same pictures.

    Attributes:
        difference: Score of the first minus score of the second, in [-1, 1].
        low: Lower end of the difference's 95 % interval.
        high: Upper end.
        p_value: How often chance alone differs as much, the larger of two answers (see `compare`).
        tie: Whether the two cannot be told apart at the 5 % level.
    """

    difference: float
    low: float
    high: float
    p_value: float
    tie: bool


def score(probabilities: FloatArray, labels: IntArray) -> Scores:
    """Scores of predicted class probabilities.

    Args:
        probabilities: Of shape (n, classes), n ≥ 1. The class with the highest is the prediction; the first of equals.
        labels: Integers of shape (n,) in [0, classes).

    Raises:
        DivergedError: If a probability is not finite.
        UsageError: If the shapes or labels do not fit.
    """
    table, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    if table.ndim != 2 or not len(table) or truth.shape != (len(table),):  # noqa: PLR2004 - a table
        raise UsageError(
            f"Probabilities of shape {table.shape} and labels of shape {truth.shape} do not fit.",
            hint="Give one row of probabilities for each label, and at least one.",
        )
    if truth.min() < 0 or truth.max() >= table.shape[1]:
        raise UsageError(
            f"Labels from {truth.min()} to {truth.max()} do not fit {table.shape[1]} classes.",
            hint="Labels are indices into the classes.",
        )
    if not np.isfinite(table).all():
        raise DivergedError("A predicted probability is not finite.", hint="Lower the learning rate.")
    right = table.argmax(axis=1) == truth
    sizes = np.bincount(truth, minlength=table.shape[1])
    hits = np.bincount(truth[right], minlength=table.shape[1])
    recalls = tuple(float(hit / size) if size else None for hit, size in zip(hits, sizes, strict=True))
    present = [recall for recall in recalls if recall is not None]
    loss = -np.log(np.clip(table[np.arange(len(truth)), truth], LEAST_PROBABILITY, 1.0)).mean()
    return Scores(len(truth), float(right.mean()), sum(present) / len(present), float(loss), recalls)


def balanced_weights(labels: IntArray) -> Float64Array:
    """Weights (n,) of pictures that sum to 1 and turn the share of right predictions into balanced accuracy."""
    sizes = np.bincount(np.asarray(labels))
    return np.asarray(1.0 / (np.count_nonzero(sizes) * sizes[labels]), np.float64)


def wilson(accuracy: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953): 165 of 165 gives 0.977 to 1.

    Args:
        accuracy: The share, in [0, 1].
        n: Number of pictures, greater than 0; need not be whole (see `interval`).
        confidence: In (0, 1).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (accuracy + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At a share of 0 or 1 that end is exact; rounding must not push the share out of its own interval.
    return max(0.0, min(middle - half, accuracy)), min(1.0, max(middle + half, accuracy))


def interval(correct: BoolArray, *, weights: Float64Array | None = None, seed: int = 0) -> tuple[float, float, float]:
    """A row's mean score with a 95 % interval: what other pictures and other seeds of the same kind would give.

    The outer bounds of two intervals. Wilson's at the mean is never of zero width, not even when all is right; but it
    knows nothing of seeds. The bootstrap does; but it sees no error where none happened.

    Args:
        correct: Whether each seed's run was right, of shape (seeds, n).
        weights: Of the pictures, with the sum 1; see `balanced_weights`. Equal ones if not given. The Wilson interval
            is then that of 1 / Σ w² equally weighted pictures, which has the same variance.
        seed: Of the bootstrap.

    Returns:
        Mean, low, high; all in [0, 1].
    """
    table, share = _table(correct), _shares(correct, weights)
    mean = _sum(table.mean(axis=0) * share)
    low, high = wilson(mean, 1.0 / float((share**2).sum()))
    off = np.quantile(deviations([table], share, np.random.default_rng(seed)), [LEVEL / 2, 1 - LEVEL / 2])
    return mean, max(0.0, min(low, mean + float(off[0]))), min(1.0, max(high, mean + float(off[1])))


def compare(
    correct_a: BoolArray, correct_b: BoolArray, *, seed: int = 0, weights: Float64Array | None = None
) -> Comparison:
    """Whether two rows that were scored on the same pictures differ.

    They do if two tests say so at the 5 % level, else they tie. (1) A sign-flip test over pictures: are the rows
    interchangeable on each of them? It holds for any number of pictures, but is blind to seeds; for one seed it is
    McNemar's test. (2) The interval of the difference over pictures and seeds: does it leave out 0? It knows of seeds,
    but is too narrow by itself when the rows differ on a handful of pictures. See `zoo.resampling` for both.

    Args:
        correct_a: Whether each seed's run of the first row was right, of shape (seeds, n).
        correct_b: Of the second row; its number of seeds may differ.
        seed: Of bootstrap and permutations.
        weights: Of the pictures, with the sum 1; see `balanced_weights`. Equal ones if not given.

    Raises:
        UsageError: If the rows were not scored on the same number of pictures.
    """
    first, second = _table(correct_a), _table(correct_b)
    if first.shape[1] != second.shape[1]:
        raise UsageError(
            f"Rows scored on {first.shape[1]} and {second.shape[1]} pictures cannot be compared.",
            hint="Compare rows of one split.",
        )
    share, rng = _shares(correct_a, weights), np.random.default_rng(seed)
    gaps = first.mean(axis=0) - second.mean(axis=0)
    difference = _sum(gaps * share)
    # One unseen picture for either row keeps the interval from closing where the rows never differed.
    drawn = difference + deviations([first, -second], share, rng, unseen=(-1.0, 1.0))
    other_side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p_value = max(sign_flip(gaps * share, rng), min(1.0, 2 * (1 + other_side) / (len(drawn) + 1)))
    low, high = np.clip(np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2]), -1.0, 1.0).tolist()
    return Comparison(difference, low, high, p_value, tie=p_value >= LEVEL)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values of a family of comparisons, raised so that all together err at most as often as one (Holm 1979).

    Without it, in a simulation of eight equal rows, four boards in ten called some row worse than the best.
    """
    raised, floor = [0.0] * len(p_values), 0.0
    for done, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, p_values[index] * (len(p_values) - done)))
        raised[index] = floor
    return tuple(raised)


def chance_level(classes: int) -> float:
    """Accuracy of guessing among that many classes."""
    return 1.0 / classes


def majority_label(labels_train: IntArray, classes: int) -> int:
    """The most frequent class; the first of equals."""
    return int(np.bincount(labels_train, minlength=classes).argmax())


def neighbour_sample(count: int) -> IntArray:
    """The training pictures among which nearest neighbours are looked for: all, or a sample of `NEIGHBOURS`.

    Otherwise the cost of a picture would grow with the number of pictures. The sample is drawn without replacement by
    NumPy's generator with seed 0, whatever the seeds of runs and split, and is sorted.

    Args:
        count: Number of training pictures.

    Returns:
        int64 indices of training pictures.
    """
    if count <= NEIGHBOURS:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(count, NEIGHBOURS, replace=False))


def nearest_neighbour(
    train: FloatArray | UInt8Array, labels: IntArray, pictures: FloatArray | UInt8Array, *, chunk: int = 1024
) -> IntArray:
    """Labels of the most similar training pictures by Euclidean distance: what memory alone achieves.

    Distances that agree to nine digits are equal, and the first of equals wins.

    Args:
        train: Features or thumbnails of shape (m, d), m ≥ 1, float32 or uint8.
        labels: Of `train`, integers of shape (m,).
        pictures: Of shape (n, d), of the same kind.
        chunk: Pictures on either side of a block of distances, so that memory stays bounded.

    Returns:
        int64 labels of shape (n,).
    """
    found = np.zeros(len(pictures), np.int64)
    for start in range(0, len(pictures), chunk):
        part = np.asarray(pictures[start : start + chunk], np.float64)
        squares = (part**2).sum(axis=1)
        best, position = np.full(len(part), np.inf), np.zeros(len(part), np.int64)
        for offset in range(0, len(train), chunk):
            others = np.asarray(train[offset : offset + chunk], np.float64)
            lengths = (others**2).sum(axis=1)
            # ‖a − b‖² less ‖a‖², which is the same for all b.
            distances = (-2 * part) @ others.T
            distances += lengths
            lowest, slack = distances.min(axis=1), 1e-9 * (squares + lengths.max())
            closest = (distances <= (lowest + slack)[:, None]).argmax(axis=1)
            closer = lowest + slack < best
            best, position = np.where(closer, lowest, best), np.where(closer, offset + closest, position)
        found[start : start + chunk] = np.asarray(labels)[position]
    return found


def _table(correct: BoolArray) -> Float64Array:
    table = np.asarray(correct, np.float64)
    if table.ndim != 2 or 0 in table.shape:  # noqa: PLR2004 - a table
        raise UsageError(
            f"Right and wrong predictions have shape {table.shape}, not (seeds, pictures).",
            hint="Give one row for each seed, and at least one picture.",
        )
    return table


def _sum(terms: Float64Array) -> float:
    """Without the rounding error of weights such as 1/3, so that equal scores are equal numbers."""
    return round(float(terms.sum()), 12)


def _shares(correct: BoolArray, weights: Float64Array | None) -> Float64Array:
    n = np.asarray(correct).shape[1]
    if weights is None:
        return np.full(n, 1.0 / n)
    if weights.shape != (n,) or not math.isclose(float(weights.sum()), 1.0, abs_tol=1e-6):
        raise UsageError(
            f"Weights of shape {weights.shape} with the sum {weights.sum():g} do not fit {n} pictures.",
            hint="Give one weight for each picture; their sum is 1.",
        )
    return weights
