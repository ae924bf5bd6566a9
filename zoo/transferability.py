"""How well features are likely to serve a task, told from features and labels alone, before anything is trained.

Three scores of frozen features: the largest evidence of a Bayesian linear model (LogME), the accuracy of the nearest
neighbours when each picture is left out in turn, and the accuracy of a linear probe in cross-validation. NumPy and
SciPy only, float64 inside.

LogME is of You, Liu, Wang & Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", ICML 2021
(arXiv:2102.11005). For one target y of n pictures, and their features F (n, D) with singular values σ and left
singular vectors U, it is the largest over α, β of log p(y | F, α, β) / n, where y = F w + e, w ~ N(0, 1/α) and
e ~ N(0, 1/β). With t = α / β, z = Uᵀ y and E(t) = ‖y‖² - Σ z² σ² / (t + σ²) the best β is n / E(t), and what is left
depends on t alone:

    log p = n/2 log(n / E(t)) - n/2 (1 + log 2π) - 1/2 Σ log(1 + σ² / t)

Its slope is 0 at the fixed point t = ‖Fm - y‖² γ / (‖m‖² (n - γ)), γ = Σ σ² / (t + σ²), which the paper's updates of
α and β go to. Here a grid is looked at first: the updates may end in another maximum, depending on the features' scale.

All this runs on one thread of BLAS (`zoo.threads`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import UsageError
from zoo.logistic import Scale, path
from zoo.threads import on_one_thread

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

NEIGHBOURS = 5
"""Nearest neighbours that vote."""

FOLDS = 5
"""Parts of the pictures that the probe is tried on in turn."""

PENALTIES = (1.0, 0.1, 0.01, 0.001)
"""Of the probe, from the strongest to the weakest."""

_GRID = 97
_LEAST, _MOST = -12.0, 4.0
"""Decimal logarithms of t relative to the largest σ², between which the evidence is looked for."""

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear probe in cross-validation.

    Attributes:
        hits: bool (n,), whether each picture was told right by the probe that had not seen it.
        losses: float64 (n,), its cross-entropy in nats.
        penalty: The one with the least mean loss over all pictures, the same for all folds.
    """

    hits: Array
    losses: Array
    penalty: float


@on_one_thread
def log_me(features: Array, labels: Array) -> float:
    """Logarithm of the maximum evidence of one-hot labels given features, per picture, mean over classes, in nats.

    Higher is better. It depends neither on the scale nor on rotations of the features, but on the number of pictures
    and classes: only scores of the same pictures can be compared.

    Args:
        features: Of shape (n, D), n ≥ 2, finite; any float type.
        labels: Integers of shape (n,), at least two different ones; those that do not occur do not count.

    Raises:
        UsageError: If shapes do not fit, a feature is not finite or there is only one class.
    """
    table, targets = _checked(features, labels)
    return float(np.mean([_evidence(*part) for part in _spectra(table, targets)]))


@on_one_thread
def neighbour_hits(features: Array, labels: Array, *, neighbours: int = NEIGHBOURS, chunk: int = 1024) -> Array:
    """Whether each picture's nearest others have its label: k-nearest-neighbour accuracy with one left out is the mean.

    Nearest by the cosine of features. The class with the most votes wins, among equals the one with the nearest voter.

    Args:
        features: As in `log_me`; rows of zeros are as far from all.
        labels: As in `log_me`.
        neighbours: That vote; all others where there are fewer.
        chunk: Pictures in a block of distances, so that memory stays bounded.

    Returns:
        bool (n,).

    Raises:
        UsageError: As `log_me`.
    """
    table, targets = _checked(features, labels)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    table = table / np.where(lengths > 0, lengths, 1.0)
    truth, count = targets.argmax(axis=1), len(table)
    voters = max(1, min(neighbours, count - 1))
    weights = 1.0 + 0.5 ** np.arange(1, voters + 1) / voters  # what is added breaks ties and never outweighs a vote
    hits = np.zeros(count, bool)
    for start in range(0, count, chunk):
        rows = np.arange(start, min(start + chunk, count))
        near = np.round(table[rows] @ table.T, 12)  # equal ones stay equal whatever the order of additions
        near[np.arange(len(rows)), rows] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, :voters]
        votes = (targets[order] * weights[:, None]).sum(axis=1)
        hits[rows] = votes.argmax(axis=1) == truth[rows]
    return hits


@on_one_thread
def probe(features: Array, labels: Array, *, folds: int = FOLDS, seed: int = 0) -> Probe:
    """Multinomial logistic regression (`zoo.logistic`), each picture told by one that was fitted without its fold.

    The folds hold equal shares of each class. Features are standardised by the other folds. One penalty for all folds
    is chosen by the losses that are returned: among four this makes them a little too good, for all features alike.

    Args:
        features: As in `log_me`.
        labels: As in `log_me`.
        folds: At least 2; no more than there are pictures in the largest class.
        seed: Draws the folds.

    Raises:
        UsageError: As `log_me`.
    """
    table, targets = _checked(features, labels)
    truth = targets.argmax(axis=1)
    part = _folds(truth, max(2, min(folds, int(np.bincount(truth).max()))), seed)
    scores = np.zeros((len(PENALTIES), *targets.shape))
    for fold in range(part.max() + 1):
        known, asked = part != fold, part == fold
        scale = Scale.of(table[known])
        for row, solution in enumerate(path(scale.apply(table[known]), targets[known], PENALTIES)):
            scores[row, asked] = scale.apply(table[asked]) @ solution.kernel + solution.bias
    scores -= scores.max(axis=2, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=2)) - scores[:, np.arange(len(truth)), truth]
    best = int(losses.mean(axis=1).argmin())
    return Probe(scores[best].argmax(axis=1) == truth, losses[best], PENALTIES[best])


@on_one_thread
def log_me_of_halves(features: Array, labels: Array, *, draws: int, seed: int = 0) -> Array:
    """LogME of random halves of the pictures, half of each class: how far it depends on which pictures there are.

    The deviations from their mean have the variance of the score of all pictures (half-sampling, the delete-half
    jackknife; Shao & Wu, "A general theory for jackknife variance estimation", 1989); their level is another, that of
    fewer pictures. The halves depend on the labels and the seed alone, so those of several features are paired.
    A bootstrap would not do: of two copies of a picture one explains the other.

    Args:
        features: As in `log_me`; classes of at least two pictures, else they are missing in some halves.
        labels: As in `log_me`.
        draws: Number of halves.
        seed: Draws them.

    Returns:
        float64 (draws,).

    Raises:
        UsageError: As `log_me`.
    """
    table, targets = _checked(features, labels)
    order = np.random.default_rng(seed)
    truth = targets.argmax(axis=1)
    products = table @ table.T if len(table) // 2 <= table.shape[1] else None
    found = []
    for _ in range(draws):
        chosen = np.flatnonzero(_folds(truth, 2, order) == 0)
        own = None if products is None else products[np.ix_(chosen, chosen)]
        there = targets[chosen][:, targets[chosen].any(axis=0)]  # a class of one picture is in one half only
        found.append(np.mean([_evidence(*part) for part in _spectra(table[chosen], there, own)]))
    return np.array(found)


def _spectra(table: Array, targets: Array, products: Array | None = None) -> list[tuple[Array, Array, float, int]]:
    """For each target: σ², z², what of ‖y‖² lies outside the features' span, and n."""
    count, width = table.shape
    if count <= width or products is not None:
        squares, left = np.linalg.eigh(table @ table.T if products is None else products)
        parts = left.T @ targets
        kept = squares > max(squares[-1], 0.0) * np.finfo(float).eps * max(count, width)
        parts = parts[kept] ** 2
    else:
        squares, right = np.linalg.eigh(table.T @ table)
        kept = squares > max(squares[-1], 0.0) * np.finfo(float).eps * max(count, width)
        parts = (right.T @ (table.T @ targets))[kept] ** 2 / squares[kept, None]
    total = (targets**2).sum(axis=0)
    rest = np.maximum(total - parts.sum(axis=0), 0.0)
    return [(squares[kept], parts[:, one], float(rest[one]), count) for one in range(targets.shape[1])]


def _evidence(squares: Array, parts: Array, rest: float, count: int) -> float:
    """The largest log evidence of one target, per picture."""
    base = 0.5 * (1 + math.log(2 * math.pi))
    total = float(parts.sum()) + rest
    if not len(squares):  # all features are 0, or none is left
        return 0.5 * math.log(count / total) - base
    top = float(squares.max())

    def value(ratio: Array) -> Array:
        terms = 10.0 ** ratio[:, None] * top
        error = rest + (parts * terms / (terms + squares)).sum(axis=1)
        error = np.maximum(error, _NOTHING * total)  # features that say all leave no noise, and no limit
        best: Array = 0.5 * np.log(count / error) - 0.5 * np.log1p(squares / terms).sum(axis=1) / count
        return best

    ratios = np.linspace(_LEAST, _MOST, _GRID)
    for _ in range(4):  # each time 48 times as fine
        values = value(ratios)
        best = int(values.argmax())
        step = ratios[1] - ratios[0]
        ratios = np.clip(np.linspace(ratios[best] - step, ratios[best] + step, _GRID), _LEAST, _MOST)
    return float(values[best]) - base


def _folds(truth: Array, count: int, seed: int | np.random.Generator) -> Array:
    """A part for each picture, int (n,), each with an equal share of each class, as far as it goes."""
    draw = np.random.default_rng(seed)
    part = np.zeros(len(truth), np.int64)
    first = 0
    for label in range(int(truth.max()) + 1):
        rows = draw.permutation(np.flatnonzero(truth == label))
        part[rows] = (first + np.arange(len(rows))) % count
        first = (first + len(rows)) % count  # what is left over is spread
    return part


def _checked(features: Array, labels: Array) -> tuple[Array, Array]:
    """Features as float64, and one-hot targets of the classes that occur."""
    table, truth = np.asarray(features, np.float64), np.asarray(labels)
    if table.ndim != 2 or truth.shape != (len(table),):  # noqa: PLR2004 - a table
        raise UsageError(
            f"Features of shape {table.shape} and labels of shape {truth.shape} do not fit.",
            hint="Give one row of features for each label.",
        )
    present, truth = np.unique(truth, return_inverse=True)
    if len(present) < 2:  # noqa: PLR2004 - nothing to tell apart
        raise UsageError(
            f"There {'is 1 class' if len(present) else 'are 0 classes'} among {len(table)} pictures.",
            hint="Scores of features need pictures of at least two classes.",
        )
    if not np.isfinite(table).all():
        raise UsageError(
            f"{int((~np.isfinite(table)).any(axis=1).sum())} of {len(table)} pictures have features that are not "
            "finite.",
            hint="Check the pictures and the weights of the backbone.",
        )
    return table, np.eye(len(present))[truth]
