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


@dataclass(frozen=True)
class Expected:
    """A row of the table: how many blocks, counted from the top, are open in which way."""

    affine: int  # gamma and beta are trained
    others: int  # other weights are trained
    statistics: int  # moving statistics change
    drops: bool
    shifts: int = 0  # of all trained weights, beta and biases only
    kernels: int = 0  # of all trained weights, kernels of dense and convolution layers only


ALL = 99
TABLE = {
    "freeze-all": Expected(0, 0, 0, drops=False),
    "bn-stats": Expected(0, 0, ALL, drops=False),
    "bias-only": Expected(0, 0, 0, drops=False, shifts=ALL),
    "lora": Expected(0, 0, 0, drops=False, kernels=ALL),
    "bn-affine": Expected(ALL, 0, 0, drops=False),
    "bn-trainable": Expected(ALL, 0, ALL, drops=True),
    "bn-trainable:stats=moving": Expected(ALL, 0, ALL, drops=True),
    "unfreeze-top-k:k=0": Expected(0, 0, 0, drops=False),
    "unfreeze-top-k:k=1": Expected(1, 1, 0, drops=False),  # the top blocks have no drop layer
    "unfreeze-top-k:k=2": Expected(2, 2, 0, drops=True),
    "unfreeze-top-k:k=2,bn=adapting": Expected(2, 2, 2, drops=True),
    "unfreeze-top-k:k=99": Expected(ALL, ALL, 0, drops=True),
    "unfreeze-all": Expected(ALL, ALL, 0, drops=True),
    "unfreeze-all:bn=adapting": Expected(ALL, ALL, ALL, drops=True),
    "lp-ft": Expected(ALL, ALL, 0, drops=True),
    "lp-ft:head_epochs=1,bn=adapting": Expected(ALL, ALL, ALL, drops=True),
    "gradual:stages=3": Expected(ALL, ALL, 0, drops=True),
    "fine-tune": Expected(ALL, ALL, 0, drops=True),
    "layer-decay": Expected(ALL, ALL, 0, drops=True),
    "l2-sp": Expected(ALL, ALL, 0, drops=True),
    "auto-rgn": Expected(ALL, ALL, 0, drops=True),
    "from-scratch": Expected(ALL, ALL, ALL, drops=True),
}
Observed = dict[str, dict[str, Any]]


def observe(backend: str, backbone: str, *, plugins: str = "") -> Observed:
    """What each policy did to a backbone on one Keras backend, by policy."""
    if find_spec(backend) is None:
        if os.environ.get("ZOO_REQUIRE_BACKENDS"):
            pytest.fail(f"ZOO_REQUIRE_BACKENDS is set, but {backend} is not installed.")
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "ZOO_LOAD_PLUGINS": plugins}
    command = [sys.executable, str(CHILD), backbone, *TABLE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {row["policy"]: row for row in json.loads(done.stdout.splitlines()[-1])}


def wrong_moves(row: dict[str, Any], expected: Expected) -> list[tuple[str, str]]:
    """Weights that moved and must not, or the reverse."""
    head = max(weight["block"] for weight in row["weights"])
    wrong = []
    for weight in row["weights"]:
        from_top = head - weight["block"]  # 0 for the head, 1 for the top block
        if weight["block"] == head:
            may = weight["trainable"]
        elif weight["role"] == "statistic":
            may = from_top <= expected.statistics
        elif weight["role"] in {"gamma", "beta"}:
            shifts = expected.shifts if weight["role"] == "beta" else 0
            may = from_top <= max(shifts, expected.affine)
        else:
            extra = {"bias": expected.shifts, "kernel": expected.kernels}.get(weight["role"], 0)
            may = weight["trainable"] and from_top <= max(extra, expected.others)
        if weight["moved"] and not may:
            wrong.append((weight["path"], "moved"))
        # A convolution's bias before BatchNorm on batch statistics has no gradient: the mean is taken away again.
        if may and not weight["moved"] and weight["path"] != "unit2_conv/bias":
            wrong.append((weight["path"], "did not move"))
    return wrong


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_table_holds_for_efficientnet_lite0() -> None:
    """On real weights too, no fixed weight or statistic changes, and the reloaded model is the fitted one."""
    pytest.importorskip("zoo_efficientnet_lite")
    rows = observe("tensorflow", "efficientnet-lite0:size=64", plugins="efficientnet-lite")
    for policy, expected in TABLE.items():
        moves = [path for path, what in wrong_moves(rows[policy], expected) if what == "moved"]
        assert moves == [], policy
        assert all(weight["reloaded"] for weight in rows[policy]["weights"])
        assert rows[policy]["reload_difference"] <= 1e-6
        assert rows[policy]["verdict"] in {"PASS", "WARN"}


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def observed(request: pytest.FixtureRequest) -> Observed:
    """What each policy did to the tiny backbone on one Keras backend."""
    return observe(request.param, "tiny")


def test_every_policy_is_in_the_table() -> None:
    """A policy cannot be added without saying what exactly it does."""
    catalog = load_catalog(only=[])
    assert {spec.partition(":")[0] for spec in TABLE} == set(catalog.names("policy"))


@pytest.mark.backends
@pytest.mark.parametrize("policy", TABLE)
def test_policy_moves_what_the_table_says(observed: Observed, policy: str) -> None:
    """Fixed weights and statistics keep every bit; every open tensor of these active layers moves."""
    assert wrong_moves(observed[policy], TABLE[policy]) == []
    assert observed[policy]["verdict"] in {"PASS", "WARN"}


@pytest.mark.backends
@pytest.mark.parametrize("policy", TABLE)
def test_drop_layers_follow_the_table(observed: Observed, policy: str) -> None:
    """Drop layers work above the boundary where the table says so, and nowhere else."""
    assert observed[policy]["drops"] is TABLE[policy].drops


@pytest.mark.backends
@pytest.mark.parametrize("policy", TABLE)
def test_the_reloaded_model_is_the_fitted_one(observed: Observed, policy: str) -> None:
    """The saved file holds the fitted weights bit for bit, predicts the same, and is made of stock Keras layers."""
    row = observed[policy]
    assert all(weight["reloaded"] for weight in row["weights"])
    assert row["reload_difference"] <= 1e-6
    assert all(name.startswith("keras.") for name in row["classes"])
    assert not any("Still" in name or "Random" in name for name in row["classes"])


@pytest.mark.backends
def test_pitfall_12_the_count_of_trainable_weights_is_what_can_move(observed: Observed) -> None:
    """The board's count for a BN-only policy is the sum of gamma, beta and head."""
    row = observed["bn-affine"]
    named = [w for w in row["weights"] if w["role"] in {"gamma", "beta"} or (w["block"] == 4 and w["trainable"])]
    assert row["counted"] == sum(w["size"] for w in named)


@pytest.mark.backends
def test_pitfall_20_k_0_is_freeze_all_and_k_1_differs_from_k_2(observed: Observed) -> None:
    """The number of open blocks counts blocks: none, one, two, all."""

    def moved(policy: str) -> set[str]:
        return {w["path"] for w in observed[policy]["weights"] if w["moved"]}

    assert moved("unfreeze-top-k:k=0") == moved("freeze-all")
    assert moved("unfreeze-top-k:k=1") < moved("unfreeze-top-k:k=2") < moved("unfreeze-top-k:k=99")
    assert moved("unfreeze-top-k:k=99") == moved("unfreeze-all")
