"""The learning rate over the steps of a phase."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.contracts import Phase
from zoo.schedules import Pace, rate_at


def phase(schedule: str) -> Phase:
    """A phase with rate 0.1."""
    return Phase(name="p", epochs=2, learning_rate=0.1, schedule=schedule)  # type: ignore[arg-type]


def test_constant_stays() -> None:
    """Every step has the phase's rate."""
    assert {rate_at(phase("constant"), share) for share in np.linspace(0, 1, 20)} == {0.1}


def test_cosine_falls_from_the_rate_to_nothing() -> None:
    """Half a wave: the rate at the start, half of it in the middle, 0 at the end, falling all the way."""
    rates = [rate_at(phase("cosine"), share) for share in np.linspace(0, 1, 41)]
    assert (rates[0], rates[20], rates[-1]) == pytest.approx((0.1, 0.05, 0.0))
    assert all(later < earlier for earlier, later in itertools.pairwise(rates))


def test_one_cycle_has_the_figures_of_pytorch() -> None:
    """From a 25th up to the rate at 30 % of the steps, then down to a 250,000th."""
    rates = [rate_at(phase("one-cycle"), share) for share in np.linspace(0, 1, 101)]
    assert (rates[0], rates[30], rates[-1]) == pytest.approx((0.1 / 25, 0.1, 0.1 / 250_000))
    assert int(np.argmax(rates)) == 30
    assert np.all(np.diff(rates[:31]) > 0)
    assert np.all(np.diff(rates[30:]) < 0)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_steps_beyond_the_plan_keep_the_last_rate(schedule: str) -> None:
    """Pictures carried over from an earlier phase can add a step; its rate does not rise again."""
    assert rate_at(phase(schedule), 1.3) == rate_at(phase(schedule), 1.0)


def test_a_pace_sets_the_rate_of_each_step() -> None:
    """The optimiser is told before each step, and the last rate can be read."""
    seen: list[float] = []
    tail = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=SimpleNamespace(assign=seen.append)))
    pace = Pace(tail, phase("cosine"), total=4)
    for _ in range(4):
        pace.step()
    assert seen == pytest.approx([rate_at(phase("cosine"), share) for share in (0, 0.25, 0.5, 0.75)])
    assert pace.rate == seen[-1]


def test_a_constant_pace_leaves_the_optimiser_alone() -> None:
    """Nothing is assigned where nothing changes."""
    pace = Pace(SimpleNamespace(), phase("constant"), total=4)
    pace.step()
    assert pace.rate == 0.1
