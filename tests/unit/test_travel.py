"""How many steps moving statistics need, how much batches scatter, and whether sides differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from zoo.batch_noise import batch_noise
from zoo.side_difference import side_difference
from zoo.travel import MEAN, RATIO, layer_steps, travel_of


@dataclass
class Layer:
    """Moments as the tests need them."""

    mean: np.ndarray
    square: np.ndarray
    stored_mean: np.ndarray
    stored_variance: np.ndarray
    momentum: float = 0.99
    epsilon: float = 0.0
    name: str = "layer"


def layer(values: np.ndarray, *, mean: float = 0.0, variance: float = 1.0, **rest: object) -> Layer:
    """Moments of pictures with places and channels, (n, places, channels)."""
    channels = values.shape[2]
    stored = np.full(channels, mean), np.full(channels, variance)
    return Layer(values.mean(1), (values**2).mean(1), *stored, **rest)


def normal(count: int = 400, channels: int = 20, seed: int = 0) -> np.ndarray:
    """Pictures with mean 0 and variance 1."""
    return np.random.default_rng(seed).normal(0, 1, (count, 8, channels))


def arrived(one: Layer, steps: int) -> bool:
    """Whether statistics that follow step by step, as Keras moves them, are near enough after so many steps."""
    mean, variance = float(one.stored_mean[0]), float(one.stored_variance[0])
    for _ in range(steps):
        mean = mean * one.momentum + 0.0
        variance = variance * one.momentum + 1.0 * (1 - one.momentum)
    return abs(mean) <= MEAN * 1.1 and 1 / RATIO / 1.05 <= variance <= RATIO * 1.05


@pytest.mark.parametrize(
    ("mean", "variance", "momentum"),
    [(0.0, 255.0**2, 0.99), (0.0, 4.0, 0.99), (0.0, 0.01, 0.9), (40.0, 1.0, 0.99), (3.0, 9.0, 0.999)],
)
def test_after_the_steps_the_statistics_have_arrived(mean: float, variance: float, momentum: float) -> None:
    """Followed step by step: not at nine tenths of the number, and with that number."""
    one = layer(normal(), mean=mean, variance=variance, momentum=momentum)
    steps = layer_steps(one)
    assert arrived(one, steps)
    assert not arrived(one, int(0.8 * steps))


def test_distance_and_momentum_both_count() -> None:
    """255² in variance takes about 1,170 steps at 0.99, ten times as many at 0.999, and none where all fits."""
    far = layer(normal(), variance=255.0**2)
    assert layer_steps(far) == pytest.approx(1175, abs=8)
    assert layer_steps(layer(normal(), variance=255.0**2, momentum=0.999)) == pytest.approx(11_770, rel=0.01)
    assert layer_steps(layer(normal())) == 0


def test_a_variance_below_epsilon_is_no_further_than_epsilon() -> None:
    """The layer divides by the root of variance and epsilon."""
    values = 1e-4 * normal()
    assert layer_steps(layer(values, variance=1.0, epsilon=0.1)) < layer_steps(
        layer(values, variance=1.0, epsilon=1e-3)
    )


@pytest.mark.parametrize("channels", [10, 30, 40, 320])
def test_nine_channels_in_ten_are_waited_for(channels: int) -> None:
    """The tenth that is farthest is not, to the channel: 1, 3, 4 and 32, whatever binary fractions make of a tenth."""
    values = np.repeat(normal(channels=1), channels, axis=2)
    far = np.arange(channels) < channels // 10
    one = layer(values)
    one.stored_variance = np.where(far, 255.0**2, 1.0)
    assert layer_steps(one) == 0
    one.stored_variance = np.where(np.roll(far, 1) | far, 255.0**2, 1.0)
    assert layer_steps(one) > 1000


def test_the_slowest_layer_decides_and_a_momentum_that_suffices_is_solved_for() -> None:
    """With that momentum the planned steps are enough, with a higher one they are not."""
    layers = [layer(normal(), name="near"), layer(normal(), variance=255.0**2, name="far")]
    found = travel_of(layers, steps=144)
    assert found is not None
    assert (found.layer, found.needed) == ("far", layer_steps(layers[1]))
    assert found.variance_ratio == pytest.approx(255.0**2, rel=0.05)
    assert layer_steps(layer(normal(), variance=255.0**2, momentum=found.sufficient)) <= 144
    assert layer_steps(layer(normal(), variance=255.0**2, momentum=found.sufficient + 0.01)) > 144
    assert travel_of([], steps=10) is None


def test_larger_batches_scatter_less() -> None:
    """Pictures scatter by 1, classes by 0.5: known numbers, and four times the pictures halve the error."""
    draw, labels = np.random.default_rng(0), np.repeat([0, 1], 1000)
    offsets = draw.normal(0, 1, (2000, 1, 50)) + np.where(labels, 0.5, -0.5)[:, None, None] / np.sqrt(2)
    found = [batch_noise([layer(offsets + np.zeros((1, 3, 1)))], labels, batch_size=size) for size in (4, 16)]
    assert found[0] is not None
    assert found[1] is not None
    scale = np.sqrt(1 + 0.125)
    assert found[0].between == pytest.approx(0.5 / scale, rel=0.1)
    assert found[0].error == pytest.approx(np.sqrt(1.25) / 2 / scale, rel=0.1)
    assert found[1].error == pytest.approx(found[0].error / 2)
    assert found[1].needed == found[0].needed == pytest.approx(5, abs=1)


def test_a_class_with_one_picture_is_left_out() -> None:
    """The number is that of the other classes; with a single one of them left nothing is said."""
    draw, labels = np.random.default_rng(0), np.repeat([0, 1], 30)
    values = draw.normal(0, 1, (60, 4, 20)) + labels[:, None, None]
    more = np.concatenate([values, np.full((1, 4, 20), 50.0)])
    expected = batch_noise([layer(values)], labels, batch_size=8)
    assert expected is not None
    assert batch_noise([layer(more)], np.r_[labels, 2], batch_size=8) == expected
    assert batch_noise([layer(more)], np.r_[np.zeros(60, int), 1], batch_size=8) is None


def test_noise_needs_classes_that_differ() -> None:
    """Without layers, with one picture of a class, or with classes that are the same, nothing is said."""
    still = layer(np.tile(np.random.default_rng(0).normal(size=(10, 4, 3)), (2, 1, 1)))
    labels = np.repeat([0, 1], 10)
    assert batch_noise([], labels, batch_size=8) is None
    assert batch_noise([still], np.r_[0, np.ones(19, int)], batch_size=8) is None
    assert batch_noise([still], labels, batch_size=8) is None


def test_equal_sides_are_not_told_apart() -> None:
    """Over many draws a p-value below 0.05 comes up as often as it should."""
    below = 0
    for seed in range(60):
        found = side_difference(
            [layer(normal(60, 5, seed))], np.tile([0, 1], 30), np.arange(60) >= 40, draws=99, seed=seed
        )
        assert found is not None
        below += found.p_value <= 0.05
    assert below <= 8


def test_a_side_that_is_different_is_told() -> None:
    """By its means, and by its contrast alone; the distance is in deviations of the pictures."""
    labels, held = np.tile([0, 1], 60), np.arange(120) >= 80
    shifted = normal(120)
    shifted[held] += 0.5
    found = side_difference([layer(shifted)], labels, held)
    assert found is not None
    assert (found.train, found.validation, found.p_value) == (80, 40, 0.001)
    assert found.distance > 0.5
    flat = normal(120)
    flat[held] *= 0.5
    found = side_difference([layer(flat)], labels, held)
    assert found is not None
    assert found.p_value == 0.001


def test_other_shares_of_classes_are_no_other_pictures() -> None:
    """Classes are compared with themselves; without a class on both sides there is nothing to compare."""
    labels = np.r_[np.zeros(70, int), np.ones(10, int), np.zeros(10, int), np.ones(30, int)]
    held = np.arange(120) >= 80
    values = normal(120) + 2.0 * labels[:, None, None]
    found = side_difference([layer(values)], labels, held)
    assert found is not None
    assert found.p_value > 0.05
    assert side_difference([layer(values)], held.astype(int), held) is None
    assert side_difference([], labels, held) is None
