"""Recommendations of policies: how a rule is read, fitted and judged, on made-up cells."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo import advice
from zoo.advice import Facts, advise, chosen, of_diagnosis
from zoo.diagnosis import Diagnosis, Effect, LayerDiagnosis, Overall, Scores

if TYPE_CHECKING:
    from types import ModuleType

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "diagnosis" / "advice.py"
SOME = Facts(
    stored=0.7,
    re_estimated=0.75,
    gain=0.05,
    log_me_gain=0.02,
    mean_shift=0.2,
    log_ratio=0.3,
    divergence=0.1,
    shallow=0.05,
    deep=0.2,
    classes=4,
    pictures=200,
    batch_size=16,
    steps=60,
)
RULE = {"fact": "gain", "at_least": 0.04, "then": {"policy": "bn-stats"}, "otherwise": {"policy": "fine-tune"}}


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that fits the rule."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # it adds its own folder
    spec = importlib.util.spec_from_file_location("fit_advice", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fit_advice", module)
    spec.loader.exec_module(module)
    return module


def with_gain(gain: float) -> Facts:
    """Facts with that gain."""
    return dataclasses.replace(SOME, gain=gain)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Figures of a rule, which the library finds instead of its own."""
    told = {
        "rule": RULE,
        "cells": 28,
        "sets": ["a", "b"],
        "backbone": "lite",
        "hits": {"fitted": 0.9, "leave_one_cell": 0.82, "leave_one_set": 0.64},
        "best_constant": "fine-tune",
        "constants": {
            "fine-tune": {"hits": 0.57, "loss": 0.03},
            "bn-stats": {"hits": 0.3, "loss": 0.05},
            "freeze-all": {"hits": 0.1, "loss": 0.09},
        },
        "order": ["fine-tune", "bn-stats", "freeze-all"],
        "ranges": {"pictures": [150, 250], "deep": [0.0, 0.5]},
    }
    monkeypatch.setattr(advice, "measured", lambda: told)
    return told


def cells(program: ModuleType, count: int = 24) -> list[Any]:
    """Cells of three data sets where statistics of the pictures help if, and only if, the probe says so."""
    draw = np.random.default_rng(0)
    made = []
    for number in range(count):
        gain = float(draw.choice([-0.1, 0.1]) + draw.normal(0, 0.01))
        facts = dataclasses.replace(with_gain(gain), deep=float(draw.uniform()), shallow=float(draw.uniform()))
        scores = {"bn-stats": 0.7 + gain, "fine-tune": 0.7, "freeze-all": 0.5}
        seeds = {name: [score, score] for name, score in scores.items()}
        made.append(program.Cell("abc"[number % 3], str(number), facts, scores, seeds))
    return made


def test_a_rule_asks_until_it_names_a_policy() -> None:
    """At least the threshold is the first branch; branches may ask again."""
    assert chosen(RULE, with_gain(0.05)) == "bn-stats"
    assert chosen(RULE, with_gain(0.03)) == "fine-tune"
    deeper = {"fact": "pictures_per_class", "at_least": 100, "then": {"policy": "unfreeze-all"}, "otherwise": RULE}
    assert chosen(deeper, with_gain(0.05)) == "bn-stats"
    assert chosen(deeper, dataclasses.replace(SOME, pictures=400)) == "unfreeze-all"


def test_advice_comes_with_its_figures(known: dict[str, Any]) -> None:
    """Why, how often such advice was right where it was not fitted, and what always naming one policy gives."""
    told = advise(with_gain(0.05))
    assert told.policy == "bn-stats"
    assert told.alternatives == ("fine-tune", "freeze-all")
    assert "0.05" in told.reason
    assert "at least 0.04" in told.reason
    for figure in ("28 cells", "a, b; lite only", "82%", "64%", "90%", "fine-tune 57%", "bn-stats 30%"):
        assert figure in told.reliability
    assert told.outside == ()


def test_a_constant_is_said_to_be_one(known: dict[str, Any]) -> None:
    """No rule is pretended where none was better."""
    known["rule"] = {"policy": "fine-tune"}
    told = advise(SOME)
    assert told.policy == "fine-tune"
    assert "no rule" in told.reason
    assert "in 57%, and it was chosen on these" in told.reliability
    assert "left out of the choice, what was chosen was so in 64%" in told.reliability


def test_facts_outside_of_what_was_measured_are_named(known: dict[str, Any]) -> None:
    """Numbers that are far off and facts that the rule asks for, with value and range; others do not matter."""
    assert advise(dataclasses.replace(SOME, pictures=400, deep=9.0)).outside == ()
    told = advise(dataclasses.replace(SOME, pictures=5000))
    assert len(told.outside) == 1
    assert "5e+03" in told.outside[0]
    assert "150 to 250" in told.outside[0]
    known["ranges"]["gain"] = [-0.1, 0.1]
    assert "0.3, measured were -0.1 to 0.1" in advise(with_gain(0.3)).outside[0]


def test_facts_are_those_of_a_diagnosis() -> None:
    """Effect and shift as they are, thirds of the layers by depth; None where nothing could be measured."""
    effect = Effect(96, Scores(0.6, 0.5, -0.9), Scores(0.7, 0.8, -0.4), 0.01)
    layers = tuple(
        LayerDiagnosis(str(n), 8, 0.1, 0.1, float(n), 1.0, "", None, None, 0.99, 100) for n in (0, 1, 2, 3, 4, 9)
    )
    found = Diagnosis(
        backbone="lite",
        location="photos",
        classes=("a", "b", "c"),
        train=150,
        validation=50,
        training=500,
        epochs=3,
        batch_size=8,
        steps=9,
        verdicts=(),
        layers=layers,
        shift=Overall(0.5, 0.25, 0.125, 0.1, 0.2),
        effect=effect,
    )
    facts = of_diagnosis(found)
    assert (facts.stored, facts.re_estimated, facts.gain) == (0.6, 0.7, pytest.approx(0.2))
    assert facts.log_me_gain == pytest.approx(0.5)
    assert (facts.mean_shift, facts.log_ratio, facts.divergence) == (0.5, 0.25, 0.125)
    assert (facts.shallow, facts.deep) == (0.5, 6.5)
    assert (facts.classes, facts.pictures, facts.batch_size, facts.steps) == (3, 500, 8, 9)
    assert facts.headroom == pytest.approx(0.3)
    assert of_diagnosis(dataclasses.replace(found, effect=None)) is None


def test_what_is_shipped_is_what_the_program_wrote() -> None:
    """A rule that can be read, a rate for each policy and kind, and the best constant as the first in order."""
    told = advice.measured()
    assert told["command"].startswith("python benchmarks/diagnosis/advice.py")
    assert chosen(told["rule"], SOME) in told["constants"]
    assert told["order"][0] == told["best_constant"]
    assert told["cells"] >= 24
    assert set(told["ranges"]) == {field.name for field in dataclasses.fields(Facts)}
    constant = told["constants"][told["best_constant"]]["hits"]
    assert (
        "policy" in told["rule"] or min(told["hits"][kind] for kind in ("leave_one_cell", "leave_one_set")) > constant
    )
    assert advise(SOME).policy == chosen(told["rule"], SOME)


def test_a_rule_that_holds_is_found_and_beats_constants(program: ModuleType) -> None:
    """It is right on cells and data sets that it was not fitted on."""
    found = program.judged(cells(program), leaf=4)
    used = found["table"][found["chosen"]]
    assert used["rule"]["fact"] == "gain"
    assert used["leave_one_cell"][0] == used["leave_one_set"][0] == 1.0
    assert max(hits for hits, _ in found["constants"].values()) < 0.8


def test_facts_that_say_nothing_leave_the_constant(program: ModuleType) -> None:
    """Where the best policy does not depend on the facts, no rule survives being tried on what it was not fitted on."""
    draw = np.random.default_rng(2)
    blind = [
        dataclasses.replace(cell, facts=dataclasses.replace(with_gain(float(draw.normal())), deep=float(draw.normal())))
        for cell in cells(program)
    ]
    found = program.judged(blind, leaf=4)
    assert found["chosen"] == 0
    assert found["table"][0]["rule"] == {"policy": found["order"][0]}


def test_a_hit_is_within_a_point_of_the_best(program: ModuleType) -> None:
    """Exactly a point below is one, a little more is none."""
    cell = program.Cell("a", "none 0", SOME, {"x": 0.800, "y": 0.790, "z": 0.789}, {})
    assert [cell.is_hit(name) for name in "xyz"] == [True, True, False]
    assert program.value({"policy": "z"}, [cell]) == (0.0, pytest.approx(0.011))


def test_noise_sets_a_ceiling(program: ModuleType) -> None:
    """Policies that take turns in being best cannot be told apart by a seed; with one seed nothing is known."""
    fair = program.Cell("a", "s", SOME, {"x": 0.7, "y": 0.7}, {"x": [0.8, 0.6], "y": [0.6, 0.8]})
    sure = program.Cell("a", "s", SOME, {"x": 0.8, "y": 0.6}, {"x": [0.8, 0.8], "y": [0.6, 0.6]})
    assert program.ceiling([fair, sure]) == 0.5
    assert program.ceiling([dataclasses.replace(fair, seeds={"x": [0.8], "y": [0.6]})]) is None


def test_the_program_runs_on_known_facts(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a document of cells and remembered facts to tables and figures, without a network."""
    document: dict[str, Any] = {"about": {"backbone": "lite", "size": 32, "epochs": 1, "train": 2}, "cells": []}
    known = {}
    for cell in cells(program):
        entry = {
            "data": cell.data,
            "shift": "blur",
            "grade": int(cell.shift),
            "policies": {name: {"holdout_seeds": seeds} for name, seeds in cell.seeds.items()},
        }
        document["cells"].append(entry)
        known[program.title(entry)] = dataclasses.asdict(cell.facts)
    paths = [tmp_path / name for name in ("cells.json", "facts.json", "out.json")]
    paths[0].write_text(json.dumps(document))
    paths[1].write_text(json.dumps(known))
    words = ["--cells", str(paths[0]), "--facts", str(paths[1]), "--json", str(paths[2]), "--data", "a"]
    assert program.main(words) == 0
    assert "always fine-tune" in capsys.readouterr().out
    told = json.loads(paths[2].read_text())
    assert told["cells"] == 24
    assert told["ceiling"] == 1.0
    assert "cells.json" in told["command"]
