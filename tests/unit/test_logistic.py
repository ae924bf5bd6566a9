"""Logistic regression and the group lasso: solutions are known by their conditions of optimality."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from zoo.logistic import PENALTIES, Linear, Scale, best_of, group_lasso, path

Array = np.ndarray


def problem(count: int = 60, width: int = 7, classes: int = 3, *, soft: bool = False) -> tuple[Array, Array, Array]:
    """Standardised features, targets and labels; only the first two features tell the classes apart."""
    draw = np.random.default_rng(4)
    features = draw.normal(size=(count, width))
    labels = (features[:, 0] * 2 + features[:, 1] + draw.normal(size=count) * 0.5 > 0).astype(int)
    labels[features[:, 1] > 1] = classes - 1
    features = Scale.of(features).apply(features)
    targets = np.eye(classes)[labels]
    return features, targets * 0.8 + 0.2 / classes if soft else targets, labels


def slope(solution: Linear, features: Array, targets: Array, penalty: float) -> Array:
    """Gradient of the penalised loss, written down anew."""
    excess = softmax(features @ solution.kernel + solution.bias, axis=1) - targets
    return np.vstack([features.T @ excess / len(features) + penalty * solution.kernel, excess.mean(axis=0)])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("count", "width"), [(60, 7), (20, 50)])
def test_every_solution_of_the_path_is_a_minimum(count: int, width: int, *, soft: bool) -> None:
    """The gradient is 0, with more pictures than features and with fewer, for hard and for soft targets."""
    features, targets, _ = problem(count, width, soft=soft)
    for penalty, solution in zip(PENALTIES, path(features, targets), strict=True):
        assert np.abs(slope(solution, features, targets, penalty)).max() < 2e-5


def test_the_path_gets_weaker() -> None:
    """Less penalty, longer kernels."""
    features, targets, _ = problem()
    norms = [np.linalg.norm(solution.kernel) for solution in path(features, targets)]
    assert norms == sorted(norms)
    assert norms[-1] > 10 * norms[0]


def test_without_information_the_bias_gives_the_shares_of_the_classes() -> None:
    """Features that do not vary count for nothing."""
    features, targets, _ = problem()
    scale = Scale.of(np.full_like(features, 3.0))
    (solution,) = path(scale.apply(np.full_like(features, 3.0)), targets, (1.0,))
    np.testing.assert_allclose(softmax(solution.bias), targets.mean(axis=0), atol=1e-4)


def test_folding_gives_the_same_scores_on_features_as_they_are() -> None:
    """Whatever their mean and scale, and with one feature that never varies."""
    draw = np.random.default_rng(0)
    raw = draw.normal(100, 50, (40, 5))
    raw[:, 2] = 7.0
    scale = Scale.of(raw)
    solution = Linear(draw.normal(size=(5, 3)), draw.normal(size=3))
    folded = scale.fold(solution)
    np.testing.assert_allclose(
        raw @ folded.kernel + folded.bias, scale.apply(raw) @ solution.kernel + solution.bias, rtol=1e-9
    )


def test_the_choice_falls_on_the_least_validation_loss() -> None:
    """It is that of trying them all, and it stops asking after three that were worse."""
    features, targets, labels = problem(30, 20)
    known, wanted = features[:10] + 1.5, labels[:10]
    asked: list[Linear] = []

    def counted() -> object:
        for solution in path(features, targets):
            asked.append(solution)
            yield solution

    chosen, loss = best_of(counted(), known, wanted)  # type: ignore[arg-type]
    losses = [solution.loss(known, wanted) for solution in path(features, targets)]
    assert loss == min(losses)
    assert np.array_equal(chosen.kernel, asked[int(np.argmin(losses))].kernel)
    assert len(asked) == int(np.argmin(losses)) + 4 < len(PENALTIES)


@pytest.mark.parametrize("strength", [0.05, 0.1, 0.5])
def test_the_group_lasso_meets_its_conditions(strength: float) -> None:
    """Rows of 0 have a gradient no longer than the threshold; others one exactly as long, against their row."""
    features, targets, _ = problem(200, 12)
    solution = group_lasso(features, targets, strength=strength, steps=20_000)
    shares = targets.mean(axis=0)
    threshold = strength * np.linalg.norm(features.T @ (shares - targets) / len(features), axis=1).max()
    gradient = slope(solution, features, targets, 0.0)
    norms = np.linalg.norm(solution.kernel, axis=1)
    kept = norms > 0
    assert 0 < kept.sum() < 12
    assert (np.linalg.norm(gradient[:-1][~kept], axis=1) <= threshold * 1.001).all()
    direction = solution.kernel[kept] / norms[kept, None]
    np.testing.assert_allclose(gradient[:-1][kept], -threshold * direction, atol=threshold * 0.01)
    assert np.abs(gradient[-1]).max() < 1e-4


def test_the_group_lasso_finds_the_features_that_matter() -> None:
    """The two that the labels were made from come first, and at almost full strength one is left."""
    features, targets, _ = problem(400, 30)
    order = np.argsort(-np.linalg.norm(group_lasso(features, targets, strength=0.1).kernel, axis=1))
    assert set(order[:2]) == {0, 1}
    assert (np.abs(group_lasso(features, targets, strength=0.99).kernel).sum(axis=1) > 0).sum() == 1


@pytest.mark.parametrize("features", [np.zeros((20, 4)), np.tile([[1.0, -1.0], [-1.0, 1.0]], (10, 1))])
def test_the_group_lasso_of_features_without_variance_or_that_cancel_is_finite(features: Array) -> None:
    """No division by 0 in the estimate of the curvature; identical features share their weight."""
    targets = np.eye(2)[np.arange(len(features)) % 2]
    with np.errstate(all="raise", under="ignore"):
        solution = group_lasso(features, targets, strength=0.1, steps=2000)
    assert np.isfinite(solution.kernel).all()
    gradient = slope(solution, features, targets, 0.0)[:-1]
    least = np.linalg.norm(features.T @ (0.5 - targets) / len(features), axis=1).max()
    assert np.linalg.norm(gradient, axis=1) == pytest.approx(np.full(features.shape[1], 0.1 * least), abs=1e-3)
