"""What every backbone of the catalog must do, on every Keras backend that it can be built on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo.plugins import load_catalog

HERE = Path(__file__).parent
BACKBONES = {backbone.name: backbone for backbone in load_catalog().items("backbone")}
FAMILIES = sorted({backbone.family for backbone in BACKBONES.values()})

SAMPLE = {
    "tensorflow": (
        *("mobilenetv2+", "efficientnetv2b0", "vgg16", "convnexttiny", "nasnetmobile"),
        *("cv-mobilenetv3-small+", "cv-csp-darknet-tiny", "cv-mit-b0"),
    ),
    "jax": ("mobilenetv3small",),
    "torch": ("vgg16", "mobilenetv2+"),
}
"""What is checked on every push; the name with `+` is also trained for a step."""

Rows = dict[str, dict[str, Any]]


def observe(backend: str, specs: tuple[str, ...], folder: Path) -> Rows:
    """What was found out about each backbone, by name, with how far the reloaded network is off."""
    if find_spec(backend) is None:
        if os.environ.get("ZOO_REQUIRE_BACKENDS"):
            pytest.fail(f"ZOO_REQUIRE_BACKENDS is set, but {backend} is not installed.")
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(program: str, *arguments: str) -> list[dict[str, Any]]:
        command = [sys.executable, str(HERE / program), str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=7000, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    rows = {row["name"]: row for row in run("backbone_child.py", *specs)}
    for row in run("reload_child.py"):
        rows[row["name"]]["off"] = row["off"]
    return rows


def faults(row: dict[str, Any]) -> list[str]:
    """What does not hold for one backbone, in words; nothing if all is well."""
    if "error" in row:
        return [row["error"]]
    found = [fact for fact in ("same names", "same weights", "finite", "depends on the picture") if not row[fact]]
    if row["dimensions"] != 4:
        found.append(f"gives {row['dimensions']} dimensions")
    if row["bytes as floats"] > 0:
        found.append(f"bytes differ from floats by {row['bytes as floats']}")
    if row["declared parameters"] not in {None, row["parameters"]}:
        found.append(f"has {row['parameters']} weights, declared {row['declared parameters']}")
    if row["off"] > 1e-5:
        found.append(f"the reloaded network is off by {row['off']}")
    found.extend(f"{policy}: {phases}" for policy, phases in row["wrongly opened"].items())
    for spec, step in row.get("steps", {}).items():
        if step["stray"] or (step["open in the backbone"] and not step["moved in the backbone"]):
            found.append(f"a step of {spec}: {step}")
    return found


@pytest.fixture(scope="module", params=sorted(SAMPLE))
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Rows]:
    """The sample on one Keras backend."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = observe(request.param, SAMPLE[request.param], folder)
    shutil.rmtree(folder)
    return request.param, rows


@pytest.mark.backends
def test_the_sample_does_what_every_backbone_must(sample: tuple[str, Rows]) -> None:
    """Raw pixels in, finite 4-D features out; names, seeds, cuts, policies and the saved file as they have to be."""
    backend, rows = sample
    assert set(rows) == {spec.rstrip("+") for spec in SAMPLE[backend]}
    assert {name: faults(row) for name, row in rows.items() if faults(row)} == {}


@pytest.mark.backends
def test_a_step_moves_open_weights_and_no_others(sample: tuple[str, Rows]) -> None:
    """BN-only and the top two blocks, one step of training each."""
    backend, rows = sample
    for name in (spec.rstrip("+") for spec in SAMPLE[backend] if spec.endswith("+")):
        assert set(rows[name]["steps"]) == {"bn-affine", "unfreeze-top-k:k=2"}
        for step in rows[name]["steps"].values():
            assert step["stray"] == 0
            assert 0 < step["moved in the backbone"] <= step["open in the backbone"]


def chosen(backend: str, family: str) -> list[str]:
    """What the whole table checks: on TensorFlow every network, elsewhere the smallest of each family."""
    able = [b for b in BACKBONES.values() if b.family == family and (not b.backends or backend in b.backends)]
    able.sort(key=lambda backbone: backbone.parameters or 0)
    return [backbone.name for backbone in (able if backend == "tensorflow" else able[:1])]


def test_the_whole_table_leaves_nothing_out() -> None:
    """Every backbone is checked on TensorFlow, and every family that can be on the other backends."""
    assert sorted(name for family in FAMILIES for name in chosen("tensorflow", family)) == sorted(BACKBONES)
    for backend in ("jax", "torch"):
        empty = {family for family in FAMILIES if not chosen(backend, family)}
        assert empty == {"csp-darknet", "mit"}  # keras_cv alone has them
    assert {name.startswith("cv-") for name in BACKBONES} == {True, False}


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_backbone_does_what_it_must(backend: str, family: str, tmp_path: Path) -> None:
    """The whole catalog, whatever is installed."""
    names = chosen(backend, family)
    if not names:
        pytest.skip(f"no network of {family} can be built on {backend}")
    rows = observe(backend, tuple(names), tmp_path)
    shutil.rmtree(tmp_path)
    assert set(rows) == set(names)
    assert {name: faults(row) for name, row in rows.items() if faults(row)} == {}
