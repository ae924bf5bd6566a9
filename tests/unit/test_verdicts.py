"""From figures to verdicts: which ones are said, in which order, with which remedy."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.batch_noise import BatchNoise
from zoo.diagnosis import Effect, Overall, Scores
from zoo.inputs import Finding
from zoo.side_difference import SideDifference
from zoo.travel import Travel
from zoo.verdicts import LARGE, NOISY, SHIFTED, verdicts


def overall(divergence: float) -> Overall:
    """A shift with a narrow interval."""
    return Overall(0.2, 0.5, divergence, 0.9 * divergence, 1.1 * divergence)


def effect(gain: float, p_value: float) -> Effect:
    """Features that gain so much accuracy."""
    return Effect(96, Scores(0.5, 0.5, -0.7), Scores(0.5 + gain, 0.5 + gain, -0.5), p_value)


def said(shift: float = 0.01, **figures: Any) -> dict[str, Any]:
    """Verdicts by name, where nothing else is wrong."""
    others = dict.fromkeys(("effect", "finding", "noise", "travel", "sides"))
    return {one.name: one for one in verdicts(shift=overall(shift), **{**others, **figures})}


@pytest.mark.parametrize(
    ("divergence", "gain", "p_value", "name"),
    [
        (SHIFTED, 0.0, 1.0, "fit"),
        (1.2 * SHIFTED, 0.0, 1.0, "shifted"),
        (0.01, 0.2, 0.0001, "shifted"),
        (0.01, 0.2, 0.2, "fit"),
        (0.01, -0.2, 0.0001, "fit"),
    ],
)
def test_shifted_is_what_is_far_or_what_gains(divergence: float, gain: float, p_value: float, name: str) -> None:
    """A divergence whose interval is above the usual, or features that gain beyond chance."""
    assert set(said(divergence, effect=effect(gain, p_value))) == {name}


def test_what_statistics_that_fit_leave_open() -> None:
    """Said where it was measured on features, and where nothing else is to be mended first."""
    assert said(effect=effect(0.0, 1.0))["fit"].remedy.startswith("Take any policy: the statistics do not keep")
    assert said(effect=None)["fit"].remedy == ""
    found = Finding("swapped", "Swapped.", "Mend them.")
    both = said(effect=effect(0.0, 1.0), finding=found)
    assert both["wrong-inputs"].remedy == "Mend them."
    assert both["fit"].remedy == ""


@pytest.mark.parametrize(("gain", "p_value"), [(-0.1, 0.5), (-0.1, 0.0001), (0.1, 0.02), (0.0, 0.0001), (None, None)])
def test_statistics_that_do_not_help_are_not_advised(gain: float | None, p_value: float) -> None:
    """A loss, a difference that chance may make, none, or none measured: policies on stored statistics."""
    verdict = said(1.0, effect=None if gain is None else effect(gain, p_value))["shifted"]
    assert verdict.title == "statistics are shifted"
    assert "bn-stats" not in verdict.remedy
    assert "bn-trainable" not in verdict.remedy
    order = [verdict.remedy.index(name) for name in ("unfreeze-top-k:k=2", "fine-tune", "bn-affine")]
    assert order == sorted(order)


def test_statistics_that_help_are_advised_cheapest_first() -> None:
    """Features gain beyond chance."""
    verdict = said(1.0, effect=effect(0.2, 0.0001))["shifted"]
    order = [verdict.remedy.index(name) for name in ("bn-stats", "bn-affine", "bn-trainable")]
    assert order == sorted(order)


def test_wrong_inputs_come_first_and_are_mended_first() -> None:
    """Grey pictures are no fault."""
    found = said(12.0, finding=Finding("rescaled-twice", "A fact.", "A hint."))
    assert list(found) == ["wrong-inputs", "shifted"]
    assert found["wrong-inputs"].title == "inputs look wrongly scaled"
    assert found["shifted"].remedy.startswith("Mend the inputs first")
    assert "wrong-inputs" not in said(finding=Finding("grey", "A fact.", "A hint."))


def test_what_is_only_likely_of_inputs_is_said_with_may() -> None:
    """It comes first too, and what else is said stays as it would be without."""
    doubt = Finding("swapped", "Red and blue may be swapped.", "Look at the files.", sure=False)
    found = said(12.0, finding=doubt)
    assert list(found) == ["doubtful-inputs", "shifted"]
    assert found["doubtful-inputs"].title == "inputs may be wrong: swapped"
    assert "may be" in found["doubtful-inputs"].reason
    assert not found["doubtful-inputs"].good
    assert found["shifted"] == said(12.0)["shifted"]


@pytest.mark.parametrize(
    ("p_value", "distance", "told"), [(0.001, 0.5, True), (0.02, 0.5, False), (0.001, 0.05, False)]
)
def test_sides_differ_if_it_is_certain_and_large(p_value: float, distance: float, *, told: bool) -> None:
    """Not one of them alone."""
    assert ("sides-differ" in said(sides=SideDifference(100, 50, distance, p_value))) == told


def test_steps_are_told_with_number_and_momentum() -> None:
    """Only where fewer are planned than needed."""
    travel = Travel(144, 811, "stem_bn", 0.99, 1720.0, 7.6, 0.945)
    verdict = said(travel=travel)["few-steps"]
    assert "811 needed" in verdict.title
    assert "0.945" in verdict.remedy
    assert "few-steps" not in said(travel=Travel(811, 811, "stem_bn", 0.99, 1720.0, 7.6, 0.99))


def test_batches_that_are_too_small_are_told_what_would_do() -> None:
    """The number at which scatter is as usual; where it is out of reach, a policy on stored statistics."""
    verdict = said(noise=BatchNoise(4, 0.2, 0.1, 2.0, 40))["small-batch"]
    assert f"batches of {-(-40 // NOISY**2):.0f} or more" in verdict.remedy
    far = said(noise=BatchNoise(4, 5.0, 0.1, 50.0, 10 * LARGE))["small-batch"]
    assert "or more" not in far.remedy
    assert "bn-affine" in far.remedy
    assert "small-batch" not in said(noise=BatchNoise(32, 0.1, 0.1, 1.0, 32))
