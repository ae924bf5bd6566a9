"""The programs of measured answers: shifts, choice of pictures, runs, tables; and the files that they have left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "evidence" / "results"
PAGES = {"policies": ROOT / "docs" / "explanation" / "measurements.md"}
"""Where the results are shown that are not about BatchNorm."""
PAGE = ROOT / "docs" / "explanation" / "batch-normalization.md"
SMALL = {"backbone": "scratch-cnn", "size": 32, "train": 24, "validation": 16, "holdout": 20, "epochs": 1, "seeds": 1}


pytestmark = pytest.mark.usefixtures("importable")


@pytest.fixture(scope="module")
def photos() -> Any:
    """A few pictures of the demo source."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        from evidence.photos import choose

        return choose("demo", size=32, train=24, validation=16, holdout=20)


OLDER = (("bn-trainable", 0.5), ("bn-trainable:stats=precise", 0.8), ("bn-affine", 0.6))
"""Policies as ledgers named them when moving statistics were the default, with a score."""


def quiet(text: str) -> None:
    """Says nothing."""


def test_shifts_keep_the_form_and_repeat() -> None:
    """Shape, type and values stay, the same number gives the same picture, and only `none` changes nothing."""
    from evidence.shifts import GRADES

    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    for shift in GRADES:
        shifted = shift.change(picture, 5)
        assert (shifted.shape, shifted.dtype) == (picture.shape, np.uint8), shift.title
        np.testing.assert_array_equal(shifted, shift.change(picture, 5))
        assert np.array_equal(shifted, picture) == (shift.name == "none")
    assert len({shift.title for shift in GRADES}) == len(GRADES)


@pytest.mark.parametrize("name", ["blur", "noise", "contrast", "dark", "cast"])
def test_the_second_grade_is_stronger(name: str) -> None:
    """It changes a smooth picture more than the first one."""
    from evidence.shifts import shift_named

    across = np.linspace(40, 220, 48)
    waves = 30 * np.sin(np.arange(48))[:, None, None]
    picture = np.clip(np.stack([across + 10, across, across - 10], axis=1)[None] + waves, 0, 255).astype(np.uint8)
    first, second = (
        np.abs(shift_named(f"{name} {grade}").change(picture, 0) - picture.astype(int)) for grade in (1, 2)
    )
    assert 0 < first.mean() < second.mean()


def test_palettes_and_drawings_are_what_they_say() -> None:
    """Black-hot turns white to black, the iron palette is coloured, and a drawing of a plain field is empty."""
    from evidence.shifts import shift_named

    white = np.full((8, 8, 3), 255, np.uint8)
    assert shift_named("thermal 1").change(white, 0).max() == 0
    iron = shift_named("thermal 2").change(np.full((8, 8, 3), 128, np.uint8), 0)[0, 0].astype(int)
    assert np.ptp(iron) > 50
    assert shift_named("drawing 1").change(white, 0).min() == 255
    assert shift_named("drawing 2").change(white, 0).max() == 0
    step = np.repeat(np.array([[[0] * 3] * 4 + [[255] * 3] * 4], np.uint8), 8, axis=0)
    assert shift_named("drawing 2").change(step, 0)[:, 3:5].min() == 255


def test_pictures_are_drawn_evenly_and_apart(photos: Any) -> None:
    """Each class has its share on each side, no picture is on two, and more training pictures leave the others."""
    from evidence.photos import choose

    assert photos.counts == {"train": 24, "val": 16, "holdout": 20}
    for side, labels in photos.labels.items():
        assert np.ptp(np.bincount(labels, minlength=len(photos.classes))) <= 1, side
    sides = [{picture.tobytes() for picture in pixels} for pixels in photos.pixels.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 60
    fewer = choose("demo", size=32, train=12, validation=16, holdout=20)
    np.testing.assert_array_equal(fewer.pixels["holdout"], photos.pixels["holdout"])
    assert {picture.tobytes() for picture in fewer.pixels["train"]} < sides[0]


def test_a_ledger_remembers_between_calls(tmp_path: Path) -> None:
    """What was made once is read from the file, whatever the order of the key's parts."""
    from evidence.rig import Ledger

    path = tmp_path / "deep" / "found.jsonl"
    assert Ledger(path).get({"a": 1, "b": "x"}, lambda: {"score": 0.5}) == {"score": 0.5}
    assert Ledger(path).get({"b": "x", "a": 1}, lambda: pytest.fail("made anew")) == {"score": 0.5}


def test_an_older_ledger_names_policies_by_the_defaults_of_its_time(tmp_path: Path) -> None:
    """What ran on moving statistics is never given for today's default, and lines of today are taken as they are."""
    from evidence.rig import Ledger

    path, key = tmp_path / "found.jsonl", {"policy": "bn-trainable", "seed": 0}
    older = [(Ledger.name(key | {"policy": policy}), {"holdout": score}) for policy, score in OLDER]
    path.write_text("".join(json.dumps({"key": name, "result": result}) + "\n" for name, result in older), "utf-8")
    for _ in range(2):  # the second time it has a line of today
        found = Ledger(path)
        assert found.get(key, lambda: pytest.fail("made anew")) == {"holdout": 0.8}
        assert found.get(key | {"policy": "bn-trainable:stats=moving"}, dict) == {"holdout": 0.5}
        assert found.get(key | {"policy": "bn-affine"}, dict) == {"holdout": 0.6}
        assert found.get(key | {"seed": 1}, lambda: {"holdout": 0.7}) == {"holdout": 0.7}


def test_a_run_is_what_zoo_fits(photos: Any, tmp_path: Path) -> None:
    """After a run on other pictures in the same network, scores are those of `zoo.fit` in a store of its own."""
    from evidence.photos import changed, write
    from evidence.rig import Rig
    from evidence.shifts import shift_named

    shifted = changed(photos, shift_named("noise 2").change)
    plain, noisy = write(photos, tmp_path / "plain"), write(shifted, tmp_path / "noisy")
    row = {"backbone": "scratch-cnn:size=32", "policy": "bn-affine", "seed": 1, "epochs": 2, "batch_size": 8}
    with Rig() as rig:
        rig.result(rig.dataset(plain, 32), photos, **row)
        found = rig.result(rig.dataset(noisy, 32), shifted, **row)
    alone = zoo.fit(noisy, store=tmp_path / "store", cache=False, **row)
    assert found["validation"] == round(alone.scores.accuracy, 4)
    assert found["inference"] == [round(epoch.val_accuracy, 4) for epoch in alone.history]
    labels = [photos.classes[label] for label in photos.labels["holdout"]]
    right = [one.label == label for one, label in zip(alone.predict(shifted.pixels["holdout"]), labels, strict=True)]
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(found["correct"]), np.uint8))[: len(right)]
    assert bits.tolist() == right


def test_the_altered_backbone_divides_and_follows_faster() -> None:
    """On pictures it gives what the plain one gives on the pictures divided by 255, and its momentum is as asked."""
    import keras
    from evidence.altered import catalog_with

    record = catalog_with("scratch-cnn").backbone("scratch-cnn-altered")
    models = []
    for divided in (False, True):
        keras.utils.set_random_seed(3)
        models.append(record.build(size=32, weights=None, divided=divided, momentum=0.9, **_own(record)))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    plain, divided = (
        model.predict(one, verbose=0) for model, one in zip(models, (pictures / 255, pictures), strict=True)
    )
    np.testing.assert_allclose(divided, plain, rtol=1e-4, atol=1e-5)
    norms = [layer for layer in models[0].layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in norms} == {0.9}


def _own(record: Any) -> dict[str, Any]:
    return {one.name: one.default for one in record.options if one.name not in {"divided", "momentum"}}


def test_shifts_are_measured_once(tmp_path: Path) -> None:
    """Every cell has every policy with its interval; a second call reads the ledger alone."""
    from evidence.graded import Plan, collect, train
    from evidence.rig import Ledger
    from evidence.tables import shifts

    plan = Plan(data=("demo",), **SMALL, policies=("freeze-all", "bn-stats"), shifts=("none", "cast 2"), batch_size=8)
    path = tmp_path / "found.jsonl"
    train(plan, Ledger(path), quiet)
    lines = path.read_text(encoding="utf-8")
    train(plan, Ledger(path), quiet)
    assert path.read_text(encoding="utf-8") == lines
    found = collect(plan, Ledger(path))
    assert [(cell["shift"], cell["grade"]) for cell in found["cells"]] == [("none", 0), ("cast", 2)]
    for cell in found["cells"]:
        for row in cell["policies"].values():
            assert 0 <= row["low"] <= row["holdout"] <= row["high"] <= 1
    assert "all 2 cells" in shifts(found)
    assert collect(plan, Ledger())["cells"] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", ["scaling", "batches", "heads", "validation"])
def test_a_part_is_measured(part: str, tmp_path: Path) -> None:
    """The program trains its rows, prints a table, writes a file, and shows the same table from the file."""
    few = {"scaling": ["long_epochs=2"], "heads": ["few=8", "some=16", "most=24", "steps=2", "scratch_steps=2"]}
    settings = {name: value for name, value in SMALL.items() if part != "heads" or name not in {"train", "epochs"}}
    settings["size"] = 64 if part == "heads" else 32
    words = [f"{name}={value}" for name, value in settings.items()] + few.get(part, [])
    words += ["draws=2"] if part == "validation" else []
    file = tmp_path / "found.json"
    program = [sys.executable, str(ROOT / "benchmarks" / "measure.py"), part]
    first = _output([*program, "--set", *words, "--json", str(file), "--plots", str(tmp_path)])
    assert json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert "hold-out pictures" in first
    assert _output([*program, "--show", str(file)]) == first
    assert len(list(tmp_path.glob("*.svg"))) == (3 if part == "scaling" else 0)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_documents_keep_what_they_hold(tmp_path: Path) -> None:
    """Written and read it is the same; files of one part are joined; a table gets into its place on a page only."""
    from evidence import documents

    found = {"about": {"size": 32}, "cells": [{"data": "a", "long": [0.5] * 200, "words": "σ 1 %"}]}
    documents.write(found, tmp_path / "a.json")
    documents.write({"about": {}, "cells": [{"data": "b"}]}, tmp_path / "b.json")
    assert documents.read([tmp_path / "a.json"]) == found
    joined = documents.read([tmp_path / "a.json", tmp_path / "b.json"])
    assert ([cell["data"] for cell in joined["cells"]], joined["about"]) == (["a", "b"], found["about"])
    page = tmp_path / "page.md"
    page.write_text("x\n<!-- results:a -->\nold\n<!-- /results:a -->\ny\n", encoding="utf-8")
    documents.place("new", page, "a")
    assert page.read_text(encoding="utf-8") == "x\n<!-- results:a -->\n```text\nnew\n```\n<!-- /results:a -->\ny\n"
    with pytest.raises(ValueError, match="results:b"):
        documents.place("new", page, "b")


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_the_page_shows_what_the_program_prints(file: Path) -> None:
    """The tables and plots of the page are those of the files of results, to the letter."""
    from evidence import documents
    from evidence.plots import PLOTS
    from measure import PARTS_TABLES

    found = documents.read([file])
    table = PARTS_TABLES[file.stem.partition("-")[0]](found)
    place = f"<!-- results:{file.stem} -->\n```text\n{table}\n```\n<!-- /results:{file.stem} -->\n"
    text = PAGES.get(file.stem, PAGE).read_text(encoding="utf-8")
    assert place in text
    for name, drawing in PLOTS.get(file.stem, lambda _: {})(found).items():
        assert f"(plots/{name}.svg)" in text
        assert (PAGE.parent / "plots" / f"{name}.svg").read_text(encoding="utf-8") == drawing


def test_the_best_of_a_cell_is_told() -> None:
    """A policy within one point of the best counts as good as it, one that is further behind does not."""
    from evidence.tables import near_best, over_cells

    scores = {"freeze-all": 0.80, "bn-stats": 0.79, "bn-affine": 0.789}
    cell = {"shift": "blur", "grade": 1, "policies": {name: {"holdout": score} for name, score in scores.items()}}
    assert near_best(cell) == ["freeze-all", "bn-stats"]
    table = over_cells({"about": {"policies": list(scores)}, "cells": [cell]})
    rows = {
        line.split()[0]: line.split() for line in table.splitlines() if line.split()[:1] and line.split()[0] in scores
    }
    assert rows["bn-affine"] == ["bn-affine", "78.9", "0", "of", "1", "1.1", "1.1"]
    assert rows["freeze-all"] == ["freeze-all", "80.0", "1", "of", "1", "0.0", "0.0"]


def test_processes_share_the_runs_of_policies() -> None:
    """Shares together are all runs, each once; a share that is none is refused with its value."""
    from evidence.policies import Plan

    runs = list(Plan(data=("demo",)).runs())
    assert len(runs) == 3 * 3 * 16 * 3
    shares = [Plan(data=("demo",), share=f"{index}/5").mine(runs) for index in range(1, 6)]
    assert [run for share in shares for run in share] == runs
    for wrong in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(ValueError, match=f"share={wrong}"):
            Plan(data=("demo",), share=wrong).mine(runs)


def test_policies_are_measured(tmp_path: Path) -> None:
    """Two policies with two heads are trained once; the table has both and their difference; failed runs are named."""
    from evidence.policies import Plan, collect, train
    from evidence.policy_table import policies
    from evidence.rig import Ledger

    small = {name: value for name, value in SMALL.items() if name != "backbone"}
    few: dict[str, Any] = {"backbones": ("scratch-cnn",), "policies": ("freeze-all", "bn-affine")}
    plan = Plan(data=("demo",), heads=("gap", "probe"), **few, **small)
    path, said = tmp_path / "ledger.jsonl", []
    train(plan, Ledger(path), said.append)
    assert len(said) == len(path.read_text(encoding="utf-8").splitlines()) == 4
    found = collect(plan, Ledger(path))
    assert {(row["head"], row["policy"]) for row in found["rows"]} == {
        (head, policy) for head in ("gap", "probe") for policy in ("freeze-all", "bn-affine")
    }
    for row in found["rows"]:
        right = sum(byte.bit_count() for byte in bytes.fromhex(row["correct"][0]))
        assert right / 20 == row["holdout"]
    table = policies(found)
    assert "20 hold-out pictures" in table
    assert "bn-affine − freeze-all" in table
    wrong = Plan(data=("demo",), heads=("gap",), backbones=("scratch-cnn",), policies=("no-such-policy",), **small)
    train(wrong, Ledger(path), said.append)
    assert "no-such-policy" in said[-1]
    assert collect(wrong, Ledger(path))["rows"] == []


def test_a_difference_knows_its_pictures() -> None:
    """Equal rows do not differ; a row that is right on far more pictures does, and the interval holds by how much."""
    from evidence.policy_table import spread_of

    draw = np.random.default_rng(0)
    table = (draw.random((2, 3, 200)) < 0.7).astype(np.float64)
    mean, low, high, p_value = spread_of(table, table.copy())
    assert mean == 0.0
    assert low < 0 < high
    assert p_value > 0.5
    worse = table * (draw.random((1, 1, 200)) < 0.8)
    mean, low, high, p_value = spread_of(table, worse)
    assert mean == pytest.approx(float((table - worse).mean()))
    assert 0 < low < mean < high
    assert p_value < 0.001


def test_intervals_of_policies_are_no_narrower_than_components_of_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all pairs that were measured: pictures' part and seeds' part, each without what belongs to the other."""
    from evidence import policy_table

    monkeypatch.setattr(policy_table, "DRAWS", 500)
    found = json.loads((RESULTS / "policies.json").read_text(encoding="utf-8"))
    compared = 0
    for data, facts in found["sets"].items():
        rows, n = [row for row in found["rows"] if row["data"] == data], facts["holdout"]
        for pair in policy_table.CLAIMS:
            sides = [policy_table.table_of(side, n) for side in policy_table._paired(rows, *pair)]
            _, low, high, _ = policy_table.spread_of(*sides)
            pictures = (sides[0] - sides[1]).mean((0, 1)).var(ddof=1) / n
            own = [side.mean(2).var(1, ddof=1) - side.var(1, ddof=1).mean(1) / n for side in sides]
            seeds = sum(one.sum() / side.shape[1] / len(side) ** 2 for one, side in zip(own, sides, strict=True))
            assert high - low > 2 * 1.96 * np.sqrt(pictures + max(seeds, 0.0)) * 0.97, pair  # few draws
            compared += 1
    assert compared == 30
