"""Multinomial logistic regression on features, solved to convergence, with its regularisation chosen on validation.

The objective is the mean cross-entropy plus `penalty / 2` times the squared norm of the kernel; the bias is free.
Features are standardised first (mean 0, deviation 1 over the training pictures), so that one penalty means the same for
every backbone; the result is folded back, to be used on features as they are.

References: Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.4 (the model); Liu & Nocedal, "On the
limited memory BFGS method", 1989 (the solver, SciPy's); Yuan & Lin, "Model selection and estimation in regression with
grouped variables", 2006 (the group lasso); Beck & Teboulle, "FISTA", 2009 (its solver).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Array = np.ndarray[Any, Any]

PENALTIES = tuple(float(penalty) for penalty in np.logspace(1, -6, 15))
"""Tried from the strongest to the weakest, each from the solution of the one before."""

_ITERATIONS = 500
_SMALL = 1e-6
_PATIENCE = 3


@dataclass(frozen=True)
class Linear:
    """A linear classifier.

    Attributes:
        kernel: float64 (width, classes).
        bias: float64 (classes,).
    """

    kernel: Array
    bias: Array

    def loss(self, features: Array, labels: Array) -> float:
        """Mean cross-entropy in nats over pictures with int labels."""
        scores = log_softmax(features @ self.kernel + self.bias, axis=1)
        return float(-scores[np.arange(len(labels)), labels].mean())


@dataclass(frozen=True)
class Scale:
    """What standardises features.

    Attributes:
        mean: float64 (width,).
        deviation: float64 (width,); 1 for a feature that does not vary.
    """

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, features: Array) -> Scale:
        """The scale of some features, (n, width)."""
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        still = deviation <= _SMALL * np.maximum(1.0, np.abs(mean))
        return cls(mean, np.where(still, 1.0, deviation))

    def apply(self, features: Array) -> Array:
        """Standardised features."""
        standard: Array = (features - self.mean) / self.deviation
        return standard

    def fold(self, solution: Linear) -> Linear:
        """The classifier of standardised features as one of features as they are."""
        kernel = solution.kernel / self.deviation[:, None]
        return Linear(kernel, solution.bias - self.mean @ kernel)


def path(features: Array, targets: Array, penalties: tuple[float, ...] = PENALTIES) -> Iterator[Linear]:
    """One solution for each penalty, computed as they are asked for.

    Args:
        features: float64 (n, width), standardised.
        targets: (n, classes), rows that sum to 1.
        penalties: From the strongest to the weakest, each greater than 0.
    """
    rows, directions = _compact(features)
    width, classes = rows.shape[1], targets.shape[1]
    values = np.zeros((width + 1) * classes)
    values[width * classes :] = _prior(targets)
    for penalty in penalties:
        found = minimize(
            _objective,
            values,
            args=(rows, targets, penalty),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS, "ftol": 1e-10, "gtol": 1e-6},
        )
        values = found.x
        kernel = values[: width * classes].reshape(width, classes)
        yield Linear(directions @ kernel if directions is not None else kernel, values[width * classes :])


def _compact(features: Array) -> tuple[Array, Array | None]:
    """Features in coordinates of the space that the pictures span, where that is smaller, and its directions.

    The kernel of least norm lies in that space, so the solutions are the same.
    """
    if features.shape[1] <= features.shape[0]:
        return features, None
    left, sizes, directions = np.linalg.svd(features, full_matrices=False)
    return left * sizes, directions.T


def best_of(solutions: Iterable[Linear], features: Array, labels: Array) -> tuple[Linear, float]:
    """The solution with the least cross-entropy, and that; among equals the first, which is the most regularised.

    It stops to ask for more after the loss has been above the least for `_PATIENCE` penalties. The loss decides and
    not the accuracy: on a few hundred pictures many penalties share an accuracy.

    Args:
        solutions: As `path` gives them, at least one.
        features: Of validation pictures, standardised as those that were fitted.
        labels: int (n,).
    """
    best, least, worse = None, np.inf, 0
    for solution in solutions:
        loss = solution.loss(features, labels)
        if best is None or loss < least:
            best, least, worse = solution, loss, 0
        else:
            worse += 1
        if worse >= _PATIENCE:
            break
    if best is None:
        message = "no solution to choose from"
        raise ValueError(message)
    return best, least


def group_lasso(features: Array, targets: Array, *, strength: float, steps: int = 300) -> Linear:
    """The classifier under a group lasso: how much a feature counts is the norm of its row of the kernel.

    The penalty is `strength` times the least one under which all rows are 0, each row being a group.

    Args:
        features: float64 (n, width), standardised.
        targets: (n, classes), rows that sum to 1.
        strength: In (0, 1); the smaller, the more rows stay.
        steps: At most.

    Returns:
        A classifier whose kernel is exactly 0 in the rows of features that are left out.
    """
    count, (width, classes) = len(features), (features.shape[1], targets.shape[1])
    bias = _prior(targets)
    least = np.linalg.norm(features.T @ (softmax(bias) - targets) / count, axis=1).max()
    threshold = strength * least
    rate = 1.0 / max(_curvature(features), _SMALL)
    kernel = ahead = np.zeros((width, classes))
    pace = 1.0
    for _ in range(steps):
        excess = (softmax(features @ ahead + bias, axis=1) - targets) / count
        moved = ahead - rate * (features.T @ excess)
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        shrunk = moved * np.maximum(0.0, 1.0 - rate * threshold / np.maximum(norms, _SMALL * rate))
        bias = bias - excess.sum(axis=0)  # its curvature is at most 1/2, so a rate of 1 is safe
        following = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        change = shrunk - kernel
        ahead = shrunk + (pace - 1) / following * change
        kernel, pace = shrunk, following
        if np.abs(change).max() <= _SMALL * max(1.0, np.abs(kernel).max()):
            break
    return Linear(kernel, bias)


def _objective(values: Array, features: Array, targets: Array, penalty: float) -> tuple[float, Array]:
    """Penalised loss and its gradient, flat."""
    width, classes = features.shape[1], targets.shape[1]
    kernel, bias = values[: width * classes].reshape(width, classes), values[width * classes :]
    scores = log_softmax(features @ kernel + bias, axis=1)
    excess = (np.exp(scores) - targets) / len(features)
    loss = -float((targets * scores).sum()) / len(features) + penalty / 2 * float((kernel * kernel).sum())
    slope = np.concatenate([(features.T @ excess + penalty * kernel).ravel(), excess.sum(axis=0)])
    return loss, slope


def _prior(targets: Array) -> Array:
    """The bias that alone explains the shares of the classes."""
    shares: Array = np.log(np.maximum(targets.mean(axis=0), _SMALL))
    centred: Array = shares - shares.mean()
    return centred


def _curvature(features: Array) -> float:
    """An upper limit of the loss's second derivative: half the largest eigenvalue of the features' second moment."""
    vector = np.ones(features.shape[1])
    for _ in range(50):
        size = np.linalg.norm(vector)
        if not size:  # features that do not vary, or that cancel out
            return 0.5 * float(np.linalg.norm(features, 2)) ** 2 / len(features)
        vector = features.T @ (features @ (vector / size))
    return 0.5 * 1.05 * float(np.linalg.norm(vector)) / len(features)
