"""Scores of features before training: held to dense computations and to cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from zoo import transferability
from zoo.errors import UsageError
from zoo.transferability import log_me, log_me_of_halves, neighbour_hits, probe

Array = np.ndarray


def problem(count: int = 40, width: int = 6, classes: int = 3, *, signal: float = 1.5, seed: int = 0) -> tuple:
    """Features whose first columns tell the classes apart, and labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    features = draw.normal(size=(count, width))
    features[:, :classes] += signal * np.eye(classes)[labels]
    return features, labels


def dense(features: Array, labels: Array) -> float:
    """LogME by brute force: the density of y under N(0, F Fᵀ / α + 1 / β), maximised by a simplex search."""
    found = []
    for label in np.unique(labels):
        target = (labels == label).astype(float)

        def loss(logs: Array, target: Array = target) -> float:
            alpha, beta = np.exp(logs)
            covariance = features @ features.T / alpha + np.eye(len(target)) / beta
            return -float(multivariate_normal.logpdf(target, np.zeros(len(target)), covariance))

        starts = [(0.0, 0.0), (4.0, 1.0), (-3.0, 2.0)]
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
        found.append(-min(minimize(loss, start, method="Nelder-Mead", options=options).fun for start in starts))
    return float(np.mean(found)) / len(labels)


@pytest.mark.parametrize(("count", "width"), [(40, 6), (24, 60), (30, 30)])
def test_log_me_is_the_evidence_of_a_dense_computation(count: int, width: int) -> None:
    """With more pictures than features, with fewer and with as many, the maximum is that of a search over α and β."""
    features, labels = problem(count, width)
    assert log_me(features, labels) == pytest.approx(dense(features, labels), abs=1e-7)


def test_log_me_lies_at_the_fixed_point_of_the_papers_updates() -> None:
    """MacKay's updates of α and β, with matrices written out, end at the same evidence."""
    features, labels = problem(50, 8)
    total = 0.0
    for label in np.unique(labels):
        target, (count, width) = (labels == label).astype(float), features.shape
        alpha = beta = 1.0
        for _ in range(500):
            inverse = np.linalg.inv(alpha * np.eye(width) + beta * features.T @ features)
            mean = beta * inverse @ features.T @ target
            gamma = width - alpha * np.trace(inverse)
            alpha, beta = gamma / (mean @ mean), (count - gamma) / ((target - features @ mean) ** 2).sum()
        inverse = np.linalg.inv(alpha * np.eye(width) + beta * features.T @ features)
        mean = beta * inverse @ features.T @ target
        error = ((target - features @ mean) ** 2).sum()
        total += (
            count / 2 * np.log(beta / (2 * np.pi))
            + width / 2 * np.log(alpha)
            - beta / 2 * error
            - alpha / 2 * mean @ mean
            + np.linalg.slogdet(inverse)[1] / 2
        ) / count
    assert log_me(features, labels) == pytest.approx(total / 3, abs=1e-9)


def test_log_me_knows_neither_scale_nor_rotation_nor_idle_features() -> None:
    """A thousandfold scale, a rotation and columns of zeros change nothing; neither do names of classes."""
    features, labels = problem()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    expected = log_me(features, labels)
    assert log_me(1000 * features @ turn, labels) == pytest.approx(expected, abs=1e-9)
    assert log_me(np.hstack([features, np.zeros((40, 50))]), labels) == pytest.approx(expected, abs=1e-9)
    assert log_me(features, 7 - 2 * labels) == pytest.approx(expected, abs=1e-12)


def test_scores_order_features_by_what_they_tell() -> None:
    """The stronger the signal, the higher is each of the three scores; without one they are near chance."""
    levels = [problem(120, 20, signal=signal) for signal in (0.0, 1.0, 3.0)]
    evidence = [log_me(*level) for level in levels]
    near = [neighbour_hits(*level).mean() for level in levels]
    probed = [probe(*level).hits.mean() for level in levels]
    assert evidence == sorted(evidence)
    assert near == sorted(near)
    assert probed == sorted(probed)
    assert near[0] < 0.5 < near[2]
    assert probed[0] < 0.5
    assert probed[2] > 0.8


def test_log_me_without_features_is_that_of_noise_alone() -> None:
    """Features of zeros leave y ~ N(0, 1/β) with β = n / ‖y‖²; features of noise hardly better."""
    labels = np.arange(40) % 2
    expected = 0.5 * np.log(2) - 0.5 * (1 + np.log(2 * np.pi))
    assert log_me(np.zeros((40, 5)), labels) == pytest.approx(expected)
    assert log_me(1e-9 * np.ones((40, 1)), labels) >= expected


def test_features_that_are_the_labels_have_a_finite_score() -> None:
    """Where nothing is left over the evidence has no limit; the score has one, above all others."""
    labels = np.arange(40) % 2
    perfect = log_me(np.eye(2)[labels], labels)
    assert np.isfinite(perfect)
    assert perfect > log_me(*problem(40, 6, 2, signal=3.0))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_neighbours_are_those_of_a_plain_search(count: int) -> None:
    """Each picture's votes are counted anew, one by one, by angle."""
    features, labels = problem(60, 10)
    expected = []
    for own in range(60):
        others = [one for one in range(60) if one != own]
        cosines = [features[own] @ features[one] / np.linalg.norm(features[one]) for one in others]
        voters = [int(labels[others[place]]) for place in np.argsort(cosines)[::-1][:count]]
        most = max(voters.count(label) for label in voters)
        expected.append(next(label for label in voters if voters.count(label) == most) == labels[own])
    assert neighbour_hits(features, labels, neighbours=count, chunk=7).tolist() == expected


def test_among_equal_votes_the_nearest_decides() -> None:
    """A picture with four neighbours, two of each class, gets the class of the nearest."""
    angles = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert neighbour_hits(features, np.array([0, 0, 1, 1, 0]), neighbours=4)[0]
    assert not neighbour_hits(features, np.array([0, 1, 0, 0, 1]), neighbours=4)[0]


def test_a_picture_is_not_its_own_neighbour() -> None:
    """Pairs of equal features with different labels are all told wrong by one neighbour."""
    features = np.repeat(np.eye(4), 2, axis=0)
    assert not neighbour_hits(features, np.array([0, 1] * 4), neighbours=1).any()


def test_the_probe_is_tried_on_pictures_it_has_not_seen() -> None:
    """Features that single out every picture, so that anything can be learnt by heart, are told at chance."""
    labels = np.arange(60) % 2
    found = probe(np.eye(60), labels)
    assert found.hits.mean() < 0.7
    assert found.losses.shape == (60,)
    assert found.losses.mean() == pytest.approx(np.log(2), abs=0.1)


def test_the_probe_repeats_and_its_folds_are_those_of_the_seed() -> None:
    """Equal calls give equal bits; another seed gives other folds."""
    features, labels = problem(90, 10, signal=1.0)
    first, again, other = probe(features, labels), probe(features, labels), probe(features, labels, seed=1)
    assert (first.losses == again.losses).all()
    assert (first.losses != other.losses).any()
    assert first.penalty in transferability.PENALTIES


def test_folds_hold_equal_shares_of_each_class() -> None:
    """Classes of 7 and 23 pictures are spread over five folds to within one picture, and so are all pictures."""
    truth = np.array([0] * 7 + [1] * 23)
    part = transferability._folds(truth, 5, 0)
    for label in (0, 1):
        sizes = np.bincount(part[truth == label], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    assert np.bincount(part).tolist() == [6] * 5


@pytest.mark.parametrize("width", [6, 50])
def test_halves_spread_as_other_pictures_would(width: int) -> None:
    """Their standard deviation is that of the score over fresh samples, to within a factor of 1.6."""
    fresh = [log_me(*problem(80, width, 2, seed=seed)) for seed in range(40)]
    own = np.mean([log_me_of_halves(*problem(80, width, 2, seed=seed), draws=30).std() for seed in range(4)])
    assert 1 / 1.6 < own / np.std(fresh) < 1.6


def test_halves_are_those_of_the_seed_and_half_of_each_class() -> None:
    """A half's score is that of the same pictures by themselves, whichever way products were made."""
    features, labels = problem(41, 6)
    draw = np.random.default_rng(5)
    chosen = [np.flatnonzero(transferability._folds(labels, 2, draw) == 0) for _ in range(3)]
    expected = [log_me(features[rows], labels[rows]) for rows in chosen]
    assert log_me_of_halves(features, labels, draws=3, seed=5) == pytest.approx(expected, abs=1e-9)
    assert (np.bincount(labels[chosen[0]]) >= 6).all()


@pytest.mark.parametrize(
    ("features", "labels", "said"),
    [
        (np.zeros((3, 2)), np.zeros(4, int), "do not fit"),
        (np.zeros(3), np.arange(3), "do not fit"),
        (np.ones((3, 2)), np.zeros(3, int), "1 class"),
        (np.array([[0.0], [np.nan]]), np.arange(2), "1 of 2 pictures"),
    ],
)
def test_what_cannot_be_scored_is_refused(features: Array, labels: Array, said: str) -> None:
    """Shapes that do not fit, a single class and features that are not finite are told with their values."""
    for score in (log_me, neighbour_hits, probe):
        with pytest.raises(UsageError, match=said):
            score(features, labels)
