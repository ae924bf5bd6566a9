"""The program that compares rankings before training with accuracies after it: its figures, on made-up scores."""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "diagnosis" / "scout.py"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program."""
    spec = importlib.util.spec_from_file_location("scout_program", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "scout_program", module)
    spec.loader.exec_module(module)
    return module


def test_a_perfect_ranking(program: ModuleType) -> None:
    """All pairs are in order, and the first is the best."""
    found = program.agreement([-0.5, -0.4, -0.1], [0.6, 0.7, 0.9], 1000)
    assert (found["spearman"], found["kendall"]) == pytest.approx((1.0, 1.0))
    assert (found["pairs"], found["clear_pairs"], found["clear"]) == (1.0, 1.0, 3)
    assert found["cost"] == 0


def test_one_pair_of_three_the_wrong_way_round(program: ModuleType) -> None:
    """Two of three pairs agree: Kendall's is a third, Spearman's a half; the first costs what it is below the best."""
    found = program.agreement([0.1, 0.3, 0.2], [0.6, 0.7, 0.72], 1000)
    assert found["kendall"] == pytest.approx(1 / 3)
    assert found["spearman"] == pytest.approx(0.5)
    assert found["pairs"] == pytest.approx(2 / 3)
    assert (found["clear"], found["clear_pairs"]) == (2, 1.0)  # 0.70 and 0.72 are within an error of each other
    assert found["cost"] == pytest.approx(2.0)


def test_means_leave_out_what_cannot_be_told(program: ModuleType) -> None:
    """A data set without a clear pair does not count among clear pairs."""
    one = program.agreement([0.1, 0.2], [0.5, 0.9], 100)
    other = program.agreement([0.1, 0.2], [0.50, 0.51], 100)
    assert math.isnan(other["clear_pairs"])
    found = program.means([one, other])
    assert (found["clear_pairs"], found["clear"], found["kendall"]) == (1.0, 1, pytest.approx(1.0))


def test_entries_that_are_trained_otherwise_count_only_where_asked_for(program: ModuleType) -> None:
    """`--extra` entries are in the table of their own alone; another policy's accuracy is compared as a score."""
    options = argparse.Namespace(policy=["top", "frozen"], extra_policy="all")
    numbers = {"a": (0.9, 0.9, 0.5), "b": (0.8, 0.8, 0.6), "c": (0.1, 0.7, 0.4)}
    entries = {
        name: {"before": dict.fromkeys(program.SCORES, score), "after": {"top": top, "frozen": frozen}}
        for name, (score, top, frozen) in numbers.items()
    }
    entries["scratch"] = {"before": dict.fromkeys(program.SCORES, 1.0), "after": {"all": 0.1}}
    found = [{"data": "photos", "hold_out": 500, "entries": entries}]
    plain = program.compared(found, "top", options, extra=False)
    whole = program.compared(found, "top", options, extra=True)
    assert plain["probe"]["kendall"] == pytest.approx(1.0)
    assert whole["probe"]["kendall"] == pytest.approx(0.0)
    assert plain["after frozen"]["kendall"] == pytest.approx(1 / 3)
