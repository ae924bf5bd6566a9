"""Training options on every Keras backend: accumulation, optimisers with rates of blocks, averages, mixed precision."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest

from zoo.values import Optimiser

CHILD = Path(__file__).with_name("options_child.py")
pytestmark = pytest.mark.backends


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def seen(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the child saw on one backend."""
    backend: str = request.param
    if find_spec(backend) is None:
        if os.environ.get("ZOO_REQUIRE_BACKENDS"):
            pytest.fail(f"ZOO_REQUIRE_BACKENDS is set, but {backend} is not installed.")
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(CHILD)], capture_output=True, text=True, env=environment, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_small_batches_make_the_step_of_a_large_one(seen: dict[str, Any]) -> None:
    """4 × 8 pictures and 1 × 32: equal losses, equal weights, equally many steps, with and without rates of blocks."""
    assert set(seen["accumulation"]) == {"adam head", "lion head", "sgd blockwise"}
    for far in seen["accumulation"].values():
        assert far["weights"] <= 1e-5
        assert far["loss"] <= 1e-5
        assert far["steps"] == [4, 4]


@pytest.mark.parametrize("name", get_args(Optimiser))
def test_every_optimiser_obeys_factors_decay_and_average(seen: dict[str, Any], name: str) -> None:
    """A tenth of the factor goes a tenth of the way; a step begins with w - rate · decay · w; averages are NumPy's."""
    assert all(far <= 2e-6 for far in seen["optimisers"][name].values()), seen["optimisers"][name]


@pytest.mark.parametrize(
    ("run", "kind"), [("bfloat16", "bfloat16"), ("float16", "float16"), ("all options", "float16")]
)
def test_pitfall_82_mixed_precision_reaches_the_backbone_and_spares_the_rest(
    seen: dict[str, Any], run: str, kind: str
) -> None:
    """Convolutions compute in the chosen type; weights, logits and output are float32; losses are finite."""
    row = seen["runs"][run]
    assert row["convolutions"] == [kind]
    assert (row["weights"], row["head"], row["output"]) == (["float32"], "float32", "float32")
    assert row["status"] in {"finished", "not learning in inference mode"}
    assert all(map(math.isfinite, row["losses"]))


@pytest.mark.parametrize("run", ["bfloat16", "float16", "all options"])
def test_a_model_of_mixed_precision_predicts_what_was_scored(seen: dict[str, Any], run: str) -> None:
    """The loaded file gives the stored probabilities, and the receipt holds."""
    assert seen["runs"][run]["difference"] <= 1e-6
    assert seen["runs"][run]["verdict"] == "PASS"


def test_pitfall_76_the_persons_policy_is_given_back(seen: dict[str, Any]) -> None:
    """Keras' global policy is after a run what the person had set, whatever the run's precision."""
    assert {row["policy after"] for row in seen["runs"].values()} == {"mixed_bfloat16"}


def test_a_range_test_goes_with_everything_else(seen: dict[str, Any]) -> None:
    """The chosen rate is the highest of the run; the schedule lowers it to the end."""
    row = seen["runs"]["all options"]
    steps, chosen = row["tested"]
    assert 5 <= steps <= 100
    assert row["rates"][-1] < max(row["rates"]) <= chosen
