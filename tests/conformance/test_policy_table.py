"""The policy table of the documentation as a test: policy by policy, weight by weight, on every backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo.plugins import load_catalog

CHILD = Path(__file__).with_name("policy_child.py")
BLOCKS = 4  # stem, unit1, unit2, top; the head is block 4


@dataclass(frozen=True)
class Expected:
    """A row of the table, for the tiny backbone."""

    affine_from: int  # lowest block whose gamma and beta are trained
    others_from: int  # lowest block whose other weights are trained
    statistics_from: int  # lowest block whose moving statistics adapt
    drops: bool


NONE = BLOCKS
TABLE = {
    "freeze-all": Expected(NONE, NONE, NONE, drops=False),
    "bn-affine": Expected(0, NONE, NONE, drops=False),
    "bn-trainable": Expected(0, NONE, 0, drops=True),
    "unfreeze-top-k:k=0": Expected(NONE, NONE, NONE, drops=False),
    "unfreeze-top-k:k=1": Expected(3, 3, NONE, drops=False),  # the top block has no drop layer
    "unfreeze-top-k:k=2": Expected(2, 2, NONE, drops=True),
    "unfreeze-top-k:k=2,bn=adapting": Expected(2, 2, 2, drops=True),
    "unfreeze-top-k:k=99": Expected(0, 0, NONE, drops=True),
    "unfreeze-all": Expected(0, 0, NONE, drops=True),
    "unfreeze-all:bn=adapting": Expected(0, 0, 0, drops=True),
    "from-scratch": Expected(0, 0, 0, drops=True),
}


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def observed(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What each policy did on one backend, by policy."""
    backend = request.param
    if find_spec(backend) is None:
        if os.environ.get("ZOO_REQUIRE_BACKENDS"):
            pytest.fail(f"ZOO_REQUIRE_BACKENDS is set, but {backend} is not installed.")
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "ZOO_LOAD_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, str(CHILD), *TABLE], capture_output=True, text=True, env=environment, timeout=540, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {row["policy"]: row for row in json.loads(done.stdout.splitlines()[-1])}


def test_every_policy_is_in_the_table() -> None:
    """A policy cannot be added without saying what exactly it does."""
    catalog = load_catalog(only=[])
    assert {spec.partition(":")[0] for spec in TABLE} == set(catalog.names("policy"))


@pytest.mark.backends
@pytest.mark.parametrize("policy", TABLE)
def test_policy_moves_what_the_table_says(observed: dict[str, dict[str, Any]], policy: str) -> None:
    """Fixed weights and statistics keep every bit; every open tensor of these active layers moves."""
    row, expected = observed[policy], TABLE[policy]
    wrong = []
    for weight in row["weights"]:
        if weight["block"] == BLOCKS:
            may = weight["trainable"]
        elif weight["role"] == "statistic":
            may = weight["block"] >= expected.statistics_from
        elif weight["role"] in {"gamma", "beta"}:
            may = weight["block"] >= expected.affine_from
        else:
            may = weight["trainable"] and weight["block"] >= expected.others_from
        if weight["moved"] != may and not (may and _may_be_still(weight)):
            wrong.append((weight["path"], "moved" if weight["moved"] else "did not move"))
    assert wrong == []
    assert row["verdict"] in {"PASS", "WARN"}


def _may_be_still(weight: dict[str, Any]) -> bool:
    """A convolution's bias before BatchNorm on batch statistics has no gradient: the mean is taken away again."""
    return str(weight["path"]) == "unit2_conv/bias"


@pytest.mark.backends
@pytest.mark.parametrize("policy", TABLE)
def test_drop_layers_follow_the_table(observed: dict[str, dict[str, Any]], policy: str) -> None:
    """Drop layers work above the boundary where the table says so, and nowhere else."""
    assert observed[policy]["drops"] is TABLE[policy].drops


@pytest.mark.backends
@pytest.mark.parametrize("policy", TABLE)
def test_the_reloaded_model_is_the_fitted_one(observed: dict[str, dict[str, Any]], policy: str) -> None:
    """The saved file holds the fitted weights bit for bit, predicts the same, and is made of stock Keras layers."""
    row = observed[policy]
    assert all(weight["reloaded"] for weight in row["weights"])
    assert row["reload_difference"] <= 1e-6
    assert all(name.startswith("keras.") for name in row["classes"])
    assert not any("Still" in name or "Random" in name for name in row["classes"])


@pytest.mark.backends
def test_pitfall_12_the_count_of_trainable_weights_is_what_can_move(observed: dict[str, dict[str, Any]]) -> None:
    """The board's count for a BN-only policy is the sum of gamma, beta and head."""
    row = observed["bn-affine"]
    named = [w for w in row["weights"] if w["role"] in {"gamma", "beta"} or (w["block"] == BLOCKS and w["trainable"])]
    assert row["counted"] == sum(w["size"] for w in named)


@pytest.mark.backends
def test_pitfall_20_k_0_is_freeze_all_and_k_1_differs_from_k_2(observed: dict[str, dict[str, Any]]) -> None:
    """The number of open blocks counts blocks: none, one, two, all."""

    def moved(policy: str) -> set[str]:
        return {w["path"] for w in observed[policy]["weights"] if w["moved"]}

    assert moved("unfreeze-top-k:k=0") == moved("freeze-all")
    assert moved("unfreeze-top-k:k=1") < moved("unfreeze-top-k:k=2") < moved("unfreeze-top-k:k=99")
    assert moved("unfreeze-top-k:k=99") == moved("unfreeze-all")
