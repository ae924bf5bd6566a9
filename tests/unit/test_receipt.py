"""The receipt compares arrays, so it can be tested without training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from zoo.receipt import Trace, write_receipt

OPEN = Trace(
    path="conv/kernel",
    block="top",
    role="other",
    declared=True,
    adapts=False,
    given=True,
    before=np.array([3.0, 4.0], np.float32),
    after=np.array([3.0, 4.5], np.float32),
)
FIXED = dataclasses.replace(OPEN, path="stem/kernel", block="stem", declared=False, given=False, after=OPEN.before)
STATISTIC = dataclasses.replace(FIXED, path="bn/moving_mean", role="statistic")


def test_an_open_weight_that_moved_passes() -> None:
    """A row counts scalars and gives the relative change of the tensor that changed most."""
    receipt = write_receipt([FIXED, OPEN], blocks=["stem", "top"], opens="all")
    stem, top = receipt.rows
    assert receipt.verdict == "PASS"
    assert (stem.declared, stem.opened, stem.moved, stem.relative_change) == ("nothing", 0, 0, 0.0)
    assert (top.declared, top.weights, top.opened, top.moved) == ("all", 2, 2, 1)
    assert top.relative_change == pytest.approx(0.1)


def test_one_bit_in_a_fixed_weight_fails() -> None:
    """The smallest possible change of a fixed weight is a FAIL that names it."""
    bit = np.nextafter(FIXED.before, np.float32(9))
    receipt = write_receipt([dataclasses.replace(FIXED, after=bit)], blocks=["stem"], opens="all")
    assert receipt.verdict == "FAIL"
    assert receipt.rows[0].reason.startswith("stem/kernel was fixed but moved by up to ")


def test_an_open_weight_that_no_optimiser_got_fails() -> None:
    """Declared open and missing from the trainable variables is a FAIL even if nothing moved."""
    receipt = write_receipt([dataclasses.replace(OPEN, given=False)], blocks=["top"], opens="all")
    assert receipt.rows[0].reason == "conv/kernel was declared open but no optimiser was given it"
    assert receipt.verdict == "FAIL"


def test_a_fixed_weight_that_an_optimiser_got_fails() -> None:
    """The reverse is a FAIL too."""
    receipt = write_receipt([dataclasses.replace(FIXED, given=True)], blocks=["stem"], opens="all")
    assert receipt.rows[0].reason == "stem/kernel was fixed but an optimiser was given it"


def test_open_but_unmoved_warns() -> None:
    """A block that is open and did not move is a WARN."""
    receipt = write_receipt([dataclasses.replace(OPEN, after=OPEN.before)], blocks=["top"], opens="all")
    assert receipt.verdict == "WARN"
    assert receipt.rows[0].reason == "open (1 tensors) but unmoved"


@pytest.mark.parametrize(("adapts", "verdict"), [(True, "PASS"), (False, "FAIL")])
def test_statistics_may_move_only_where_declared(adapts: bool, verdict: str) -> None:  # noqa: FBT001 - a parameter
    """A moving statistic that moved passes where a phase let it adapt, and fails elsewhere."""
    moved = dataclasses.replace(STATISTIC, adapts=adapts, after=STATISTIC.before + 1)
    receipt = write_receipt([moved], blocks=["stem"], opens="batch-norm")
    assert receipt.rows[0].verdict == verdict
    assert receipt.rows[0].statistics_moved is True
    assert receipt.rows[0].statistics_declared is adapts


def test_not_a_number_counts_as_moved() -> None:
    """A weight that became NaN is a change, not a gap in the comparison."""
    broken = dataclasses.replace(FIXED, after=np.array([np.nan, 4.0], np.float32))
    assert write_receipt([broken], blocks=["stem"], opens="all").verdict == "FAIL"
