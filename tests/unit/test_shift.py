"""How far stored statistics are from those of some pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from zoo.inputs import gain, response
from zoo.shift import CHANNELS, divergence_interval, layer_shift, pooled, shift_of


@dataclass
class Layer:
    """Moments as the tests need them."""

    mean: np.ndarray
    square: np.ndarray
    stored_mean: np.ndarray
    stored_variance: np.ndarray
    epsilon: float = 0.0
    name: str = "layer"


def drawn(count: int, *, mean: float = 0.0, deviation: float = 1.0, channels: int = 200, seed: int = 0) -> Layer:
    """Moments of pictures with 4 independent places, against a stored mean of 0 and variance of 1."""
    values = np.random.default_rng(seed).normal(mean, deviation, (count, 4, channels))
    return Layer(values.mean(1), (values**2).mean(1), np.zeros(channels), np.ones(channels))


def test_pooled_moments_are_those_of_all_values() -> None:
    """Differences between pictures are part of the variance, and rows choose pictures."""
    values = np.random.default_rng(0).normal(3, 2, (10, 6, 2)) + np.arange(10)[:, None, None]
    layer = Layer(values.mean(1), (values**2).mean(1), np.zeros(2), np.ones(2))
    mean, variance = pooled(layer, [1, 4, 5])
    np.testing.assert_allclose(mean, values[[1, 4, 5]].mean((0, 1)))
    np.testing.assert_allclose(variance, values[[1, 4, 5]].var((0, 1)))


def test_a_known_shift_is_found() -> None:
    """Mean 2 and deviation 3 of what is stored: 2 deviations, log 9, and the divergence of these two normals."""
    found = layer_shift(drawn(4000, mean=2.0, deviation=3.0))
    assert found.typical_mean_shift == pytest.approx(2.0, abs=0.02)
    assert found.typical_log_ratio == pytest.approx(np.log(9), abs=0.02)
    assert found.log_ratio == pytest.approx(np.log(9), abs=0.02)
    expected = 0.5 * (9 + 4) - 0.5 + 0.5 * (1 / 9 + 4 / 9) - 0.5
    assert found.typical_divergence == pytest.approx(expected, rel=0.03)
    assert found.sure == 1.0


def test_epsilon_counts_as_part_of_the_variance() -> None:
    """A channel that never varied is not infinitely far away."""
    layer = Layer(np.full((5, 1), 0.1), np.full((5, 1), 0.01), np.zeros(1), np.zeros(1), epsilon=0.01)
    found = layer_shift(layer)
    assert found.mean_shift[0] == pytest.approx(1.0)
    assert found.log_variance_ratio[0] == pytest.approx(0.0)


def test_errors_are_those_of_repetition() -> None:
    """Standard errors over pictures agree with what many samples of the same size scatter by."""
    samples = [layer_shift(drawn(30, seed=seed, channels=50)) for seed in range(200)]
    scatter = np.std([one.mean_shift for one in samples], axis=0).mean()
    assert np.mean([one.mean_error for one in samples]) == pytest.approx(scatter, rel=0.1)
    scatter = np.std([one.log_variance_ratio for one in samples], axis=0).mean()
    assert np.mean([one.ratio_error for one in samples]) == pytest.approx(scatter, rel=0.1)


@pytest.mark.parametrize("count", [4, 16, 64])
def test_few_pictures_are_no_shift(count: int) -> None:
    """Without its standard error, the shift of pictures that fit is far below the size of chance."""
    found = layer_shift(drawn(count))
    chance = float(np.median(np.abs(found.mean_shift)))
    assert found.typical_mean_shift < 0.4 * chance
    assert found.sure < 0.15


def test_one_picture_says_nothing() -> None:
    """Its error is not known, so nothing is left of its shift."""
    assert layer_shift(drawn(1, mean=5.0)).typical_mean_shift == 0.0


def test_layers_are_summed_up_by_their_median() -> None:
    """One strange layer among five does not decide; without layers nothing is shifted."""
    layers = [drawn(200, seed=seed) for seed in range(4)] + [drawn(200, mean=50.0)]
    assert shift_of(layers).mean_shift < 0.05
    assert shift_of(layers[-1:]).mean_shift == pytest.approx(50.0, rel=0.01)
    assert (shift_of([]).mean_shift, shift_of([]).divergence) == (0.0, 0.0)


def test_the_interval_holds_the_divergence() -> None:
    """A bootstrap over pictures; more pictures make it narrower."""
    few, many = ([drawn(count, mean=1.0, channels=20)] for count in (10, 400))
    low, high = divergence_interval(few)
    assert low < 1.0 < high  # of a mean that is one deviation off
    narrow = divergence_interval(many)
    assert narrow[1] - narrow[0] < (high - low) / 2


@pytest.mark.parametrize("looked_at", [0.5, 2.0])
@pytest.mark.parametrize("count", [10, 600])
def test_what_is_measured_lies_in_its_interval(count: int, looked_at: float) -> None:
    """Though of a wide layer only each fourth channel is drawn again, and these may be shifted less or more."""
    layer = drawn(count, channels=4 * CHANNELS)
    away = np.where(np.arange(4 * CHANNELS) % 4, 1.0, looked_at)
    layer.square += 2 * away * layer.mean + away**2
    layer.mean += away
    low, high = divergence_interval([layer])
    assert 0.0 < low < shift_of([layer]).divergence < high


def test_the_interval_of_no_shift_is_narrow_and_not_below_zero() -> None:
    """Pictures that fit their statistics."""
    low, high = divergence_interval([drawn(600, seed=seed) for seed in range(5)])
    assert 0.0 <= low <= high < 0.01


@pytest.mark.parametrize(
    "values", [[np.nan] * 3, [np.inf] * 3, [np.inf, -np.inf, 1.0], [np.nan, 1.0, 2.0], [1e200] * 3]
)
def test_values_that_are_not_finite_are_told_by_the_numbers_and_not_by_warnings(values: list[float]) -> None:
    """NumPy's warnings would reach the user in the middle of `fit`; here they would be errors."""
    mean = np.tile(np.array(values)[:, None], (4, 5))
    with np.errstate(over="ignore"):
        layer = Layer(mean, mean**2, np.zeros(5), np.ones(5), epsilon=1e-3)
    found = response([layer, layer])
    assert not np.isfinite(found.misfit)
    gain(found.strength, found.strength)
    assert not np.isfinite(shift_of([layer]).layers[0].divergence).any()
    divergence_interval([layer], draws=5)


def test_the_divergence_of_a_layer_takes_the_ratio_as_positive() -> None:
    """As documented: pictures that vary less, by d² sinh(ratio) below Jeffreys' divergence with the sign."""
    layer = drawn(4000, mean=1.0, deviation=0.5, channels=50)
    found = layer_shift(layer)
    with_sign = float(np.median(found.divergence))
    assert found.typical_divergence < with_sign
    lower = found.typical_mean_shift**2 * np.sinh(found.typical_log_ratio)
    assert with_sign - found.typical_divergence == pytest.approx(lower, rel=0.03)
    still = layer_shift(drawn(4000, deviation=0.5, channels=50))
    assert still.typical_divergence == pytest.approx(float(np.median(still.divergence)), rel=0.03)
