"""Scores, intervals, comparisons and baselines."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import statistics
from zoo.errors import DivergedError, UsageError
from zoo.resampling import deviations, sign_flip


def one_hot(predicted: list[int], classes: int) -> np.ndarray:
    """Certain predictions as probabilities."""
    return np.eye(classes, dtype=np.float32)[predicted]


def rows_of_equal_quality(rng: np.random.Generator, *, rows: int, seeds: int, n: int, luck: float) -> list[np.ndarray]:
    """Right and wrong predictions of rows that are equally good: some pictures are hard, some seeds are lucky."""
    hardness = rng.normal(2.5, 1.5, n)
    return [
        hardness + rng.normal(0, 0.8, n) + rng.normal(0, luck, (seeds, 1)) + rng.normal(0, 0.4, (seeds, n)) > 0
        for _ in range(rows)
    ]


def test_score_by_hand() -> None:
    """Accuracy, recalls, balanced accuracy and loss are what one computes by hand, absent classes included."""
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.9, 0.1, 0.0]], np.float32)
    scores = statistics.score(probabilities, np.array([0, 1, 1, 0]))
    assert (scores.n, scores.accuracy, scores.recalls, scores.balanced_accuracy) == (4, 0.75, (1.0, 0.5, None), 0.75)
    assert scores.loss == pytest.approx(-np.log([0.5, 0.8, 0.3, 0.9]).mean(), rel=1e-6)


def test_score_of_a_certain_mistake_is_finite() -> None:
    """A probability of 0 for the truth costs 16.1 nats and not infinity."""
    assert statistics.score(one_hot([1], 2), np.array([0])).loss == pytest.approx(-math.log(1e-7))


def test_score_counts_the_first_of_equal_probabilities() -> None:
    """Equal probabilities predict the class that comes first."""
    assert statistics.score(np.full((2, 2), 0.5, np.float32), np.array([0, 1])).recalls == (1.0, 0.0)


def test_score_refuses_what_is_not_finite() -> None:
    """A model that predicts NaN has diverged; it has no score."""
    with pytest.raises(DivergedError, match="A predicted probability is not finite"):
        statistics.score(np.array([[np.nan, 1.0]]), np.array([0]))


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((2, 2), [0], r"shape \(2, 2\) and labels of shape \(1,\)"),
        ((0, 2), [], r"shape \(0, 2\)"),
        ((4,), [0, 1, 0, 1], r"shape \(4,\)"),
        ((2, 2), [0, 2], "Labels from 0 to 2 do not fit 2 classes"),
        ((2, 2), [-1, 0], "Labels from -1 to 0"),
    ],
    ids=["lengths", "empty", "no table", "label too high", "negative label"],
)
def test_score_refuses_what_does_not_fit(shape: tuple[int, ...], labels: list[int], message: str) -> None:
    """Arrays that do not belong together are named with their shapes."""
    with pytest.raises(UsageError, match=message):
        statistics.score(np.zeros(shape), np.array(labels, np.int64))


def test_pitfall_71_a_constant_predictor_has_a_balanced_accuracy_of_one_half() -> None:
    """On 90 pictures of one class and 10 of another, always saying the first scores 0.5 balanced and not 0.9."""
    labels = np.repeat([0, 1], [90, 10])
    scores = statistics.score(one_hot([0] * 100, 2), labels)
    assert (scores.accuracy, scores.balanced_accuracy) == (0.9, 0.5)
    mean, low, high = statistics.interval(np.array([labels == 0]), weights=statistics.balanced_weights(labels))
    assert mean == 0.5
    assert low < 0.5 < high


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40),
)
def test_balanced_weights_give_balanced_accuracy(pictures: list[tuple[int, bool]]) -> None:
    """The weighted share of right predictions is the mean recall over the classes that occur."""
    labels = np.array([label for label, _ in pictures])
    right = np.array([hit for _, hit in pictures])
    weights = statistics.balanced_weights(labels)
    predicted = np.where(right, labels, (labels + 1) % 4)
    assert weights.sum() == pytest.approx(1)
    assert right @ weights == pytest.approx(statistics.score(one_hot(predicted.tolist(), 4), labels).balanced_accuracy)


def test_wilson_agrees_with_published_figures() -> None:
    """Newcombe (1998, Statistics in Medicine 17:857) prints these intervals for 81 of 263 and 1 of 29."""
    assert statistics.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert statistics.wilson(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize("seeds", [1, 3])
def test_all_right_has_no_interval_of_zero_width(seeds: int) -> None:
    """165 of 165 leaves room for a true score of 0.977, with any number of seeds."""
    mean, low, high = statistics.interval(np.ones((seeds, 165), bool))
    assert (mean, high) == (1.0, 1.0)
    assert low == pytest.approx(0.97725, abs=1e-5)


@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_intervals_hold_the_mean_and_stay_in_range(seeds: int, n: int, seed: int) -> None:
    """0 ≤ low ≤ mean ≤ high ≤ 1, and low < high, whatever was right."""
    correct = np.random.default_rng(seed).random((seeds, n)) < 0.8
    mean, low, high = statistics.interval(correct)
    assert 0 <= low <= mean <= high <= 1
    assert low < high
    assert mean == pytest.approx(correct.mean())


def test_seeds_that_disagree_widen_the_interval() -> None:
    """Three seeds at 0.80, 0.90 and 1.00 leave more doubt than three that are right on the same 0.90 of pictures."""
    shares = np.arange(200)[None] / 200
    apart, together = shares < np.array([[0.8], [0.9], [1.0]]), shares < np.full((3, 1), 0.9)
    wide, narrow = statistics.interval(apart), statistics.interval(together)
    assert wide[0] == narrow[0] == 0.9
    assert wide[2] - wide[1] > 1.5 * (narrow[2] - narrow[1])


def test_interval_covers_the_truth() -> None:
    """Of 200 rows with a true score of 0.9 and lucky seeds, at least 93 % have it within their interval."""
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        quality = 0.9 + rng.normal(0, 0.02, (3, 1))
        _, low, high = statistics.interval(rng.random((3, 120)) < quality)
        held += low <= 0.9 <= high
    assert held >= 186


@pytest.mark.parametrize("overlap", ["nested", "random", "disjoint"])
def test_pitfall_113_noise_is_a_tie_and_a_real_difference_is_not(overlap: str) -> None:
    """390 against 392 of 400 is a tie and 368 against 388 is not, whichever pictures are wrong."""

    def row(right: int, *, first: bool) -> np.ndarray:
        correct = np.arange(400) < right
        if overlap == "random" and not first:
            correct = np.random.default_rng(right).permutation(correct)
        return correct[None] if first or overlap != "disjoint" else correct[None, ::-1]

    near = statistics.compare(row(390, first=True), row(392, first=False))
    far = statistics.compare(row(368, first=True), row(388, first=False))
    assert (near.tie, near.difference) == (True, -0.005)
    assert (far.tie, far.difference) == (False, -0.05)
    assert far.low < -0.05 < far.high < 0
    assert near.low < -0.005 < near.high


def test_comparison_is_paired() -> None:
    """Ten more right pictures are a difference if nothing else changed, and none if many pictures changed sides."""
    first = np.arange(400) < 200
    nested, shuffled = np.arange(400) < 210, np.random.default_rng(0).permutation(np.arange(400) < 210)
    assert not statistics.compare(first[None], nested[None]).tie
    assert statistics.compare(first[None], shuffled[None]).tie


def test_comparison_turns_round() -> None:
    """Exchanging the rows turns the sign and nothing else that matters."""
    rng = np.random.default_rng(1)
    first, second = rng.random((5, 400)) < 0.95, rng.random((6, 400)) < 0.8
    there, back = statistics.compare(first, second), statistics.compare(second, first)
    assert there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=0.01)
    assert (there.tie, back.tie) == (False, False)


def test_equal_rows_leave_room_for_a_difference() -> None:
    """Rows that never differed on 50 pictures tie, and the interval of their difference is not closed."""
    alike = statistics.compare(np.ones((2, 50), bool), np.ones((2, 50), bool))
    assert (alike.tie, alike.p_value, alike.difference) == (True, 1.0, 0.0)
    assert -0.1 < alike.low < 0 < alike.high < 0.1


def test_comparison_repeats() -> None:
    """The same seed gives the same answer, bit for bit."""
    rng = np.random.default_rng(2)
    rows = rng.random((3, 100)) < 0.9, rng.random((3, 100)) < 0.8
    assert statistics.compare(*rows, seed=4) == statistics.compare(*rows, seed=4)


def test_a_difference_in_a_small_class_counts_when_balanced() -> None:
    """Losing 15 of 20 rare pictures is a difference in balanced accuracy where gaining 15 common ones is not."""
    labels = np.repeat([0, 1], [480, 20])
    first, second = np.ones(500, bool), np.ones(500, bool)
    first[-15:], second[:15] = False, False
    assert statistics.compare(first[None], second[None]).tie
    balanced = statistics.compare(first[None], second[None], weights=statistics.balanced_weights(labels))
    assert balanced.difference == pytest.approx(-0.375 + 15 / 960)
    assert not balanced.tie


@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (2, 0.2), (3, 0.2), (3, 0.8)])
def test_equal_rows_are_rarely_called_different(seeds: int, luck: float) -> None:
    """At most 5 % of 150 pairs of equally good rows are told apart, plus what chance allows (two sigma: 3.5 %)."""
    rng = np.random.default_rng(seeds)
    pairs = (rows_of_equal_quality(rng, rows=2, seeds=seeds, n=165, luck=luck) for _ in range(150))
    assert sum(not statistics.compare(*pair).tie for pair in pairs) <= 12


def test_different_rows_are_told_apart() -> None:
    """A row that is better by far is found to be so in nine of ten trials."""
    rng, found = np.random.default_rng(8), 0
    for _ in range(50):
        first, second = rows_of_equal_quality(rng, rows=2, seeds=3, n=165, luck=0.05)
        found += not statistics.compare(first & (rng.random(165) < 0.9), second).tie
    assert found >= 45


def test_a_lone_seed_borrows_the_spread_of_the_other_row() -> None:
    """One run is not taken for steady: against seeds that differ, it leaves more doubt than three runs that agree."""
    shares = np.arange(200)[None] / 200
    lone, apart = shares < 0.9, shares < np.array([[0.7], [0.8], [0.9]])
    from_one, from_three = statistics.compare(lone, apart), statistics.compare(np.repeat(lone, 3, axis=0), apart)
    assert from_one.difference == from_three.difference
    assert from_one.high - from_one.low > 1.5 * (from_three.high - from_three.low)


@pytest.mark.parametrize(("pictures", "tie"), [(5, True), (6, False)])
def test_a_handful_of_pictures_is_not_enough(pictures: int, *, tie: bool) -> None:
    """Winning 5 of 5 pictures happens in one of 16 toss-ups, and 6 of 6 in one of 32: only the latter is below 5 %."""
    second = np.arange(400) >= pictures
    compared = statistics.compare(np.ones((1, 400), bool), second[None])
    assert (compared.tie, compared.low > 0) == (tie, True)


@given(st.lists(st.integers(-3, 3).filter(bool), min_size=1, max_size=10))
def test_sign_flip_is_exact_for_few_pictures(contributions: list[int]) -> None:
    """Up to 15 differing pictures the p-value is the share of all sign flips, as enumerated here."""
    flips = [
        abs(sum(sign * size for sign, size in zip(signs, contributions, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(contributions))
    ]
    expected = sum(flip >= abs(sum(contributions)) for flip in flips) / len(flips)
    assert sign_flip(np.array([*contributions, 0.0]), np.random.default_rng(0)) == pytest.approx(expected)


def test_sign_flip_of_many_pictures_is_mcnemar() -> None:
    """For one seed and 40 differing pictures, 28 to 12, it is the binomial test."""
    exact = 2 * sum(math.comb(40, k) for k in range(13)) / 2**40
    p_value = sign_flip(np.repeat([1.0, -1.0], [28, 12]), np.random.default_rng(0))
    assert p_value == pytest.approx(exact, abs=0.003)


def test_bootstrap_over_pictures_has_the_textbook_spread() -> None:
    """For one seed, the deviations of a share of 0.8 of 400 have the binomial standard error."""
    share = np.full(400, 1 / 400)
    drawn = deviations([(np.arange(400) < 320)[None].astype(float)], share, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(math.sqrt(0.8 * 0.2 / 400), rel=0.03)
    assert drawn.mean() == pytest.approx(0, abs=0.001)


def test_rows_of_different_lengths_cannot_be_compared() -> None:
    """The message names both numbers of pictures."""
    with pytest.raises(UsageError, match="Rows scored on 3 and 4 pictures cannot be compared"):
        statistics.compare(np.ones((1, 3), bool), np.ones((1, 4), bool))


def test_holm_by_hand() -> None:
    """The smallest p-value counts three times, the next twice, and none is smaller than one before it."""
    assert statistics.holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))
    assert statistics.holm([]) == ()


def test_majority_is_the_first_of_equals() -> None:
    """The most frequent class, and of equally frequent ones the first."""
    assert statistics.majority_label(np.array([1, 2, 2, 1, 0]), 4) == 1
    assert statistics.chance_level(4) == 0.25


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_nearest_neighbour_agrees_with_a_plain_search(train: int, pictures: int, chunk: int, seed: int) -> None:
    """In any chunks it finds the first training picture of least distance; few grey levels make many ties."""
    rng = np.random.default_rng(seed)
    known, asked = (rng.integers(0, 3, (count, 5)).astype(np.float32) / 255 for count in (train, pictures))
    expected = ((asked[:, None].astype(float) - known[None]) ** 2).sum(axis=2).round(12).argmin(axis=1)
    assert statistics.nearest_neighbour(known, np.arange(train), asked, chunk=chunk).tolist() == expected.tolist()


def test_nearest_neighbour_is_the_first_of_equals() -> None:
    """Thumbnails at one distance are equal although their sums round differently."""
    rng = np.random.default_rng(0)
    turned = np.array([rng.permutation(np.linspace(0.1, 0.9, 300)) for _ in range(20)], np.float32)
    assert statistics.nearest_neighbour(turned, np.arange(20), np.zeros((1, 300), np.float32)).tolist() == [0]
