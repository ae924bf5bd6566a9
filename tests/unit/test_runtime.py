"""The runtime record: what Keras and a backend are set to after their start."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import pytest

from zoo.runtime import runtime

CHILD = """
import json, keras
from zoo.runtime import runtime
seen = []
{steps}
print(json.dumps(seen, allow_nan=False))
"""
WORK = "keras.ops.convert_to_numpy(keras.ops.matmul(keras.ops.ones((9, 9)), keras.ops.ones((9, 9))))"
STEPS = {
    "tensorflow": (
        "import tensorflow as tf",
        {
            "tf.config.threading.set_intra_op_parallelism_threads(3)": {"intra_op_threads": 3},
            "tf.config.threading.set_inter_op_parallelism_threads(1)": {"inter_op_threads": 1},
            WORK: {},
            "tf.config.experimental.enable_op_determinism()": {"deterministic": True},
            "tf.config.experimental.enable_tensor_float_32_execution(False)": {"tensor_float_32": False},
            "tf.config.optimizer.set_jit('autoclustering')": {"jit": "autoclustering"},
        },
    ),
    "torch": (
        "import torch; torch.set_num_threads(2)",
        {
            WORK: {},
            "torch.set_num_threads(1)": {"intra_op_threads": 1},
            "torch.use_deterministic_algorithms(True, warn_only=True)": {
                "deterministic": True,
                "deterministic_warn_only": True,
            },
            "torch.backends.cudnn.benchmark = True": {"cudnn_benchmark": True},
            "torch.set_float32_matmul_precision('medium')": {"matmul_precision": "medium"},
        },
    ),
    "jax": (
        "import jax",
        {
            WORK: {},
            "jax.config.update('jax_default_matmul_precision', 'bfloat16')": {"matmul_precision": "bfloat16"},
            "jax.config.update('jax_enable_x64', True)": {"x64": True},
            "jax.config.update('jax_default_prng_impl', 'rbg')": {"prng": "rbg"},
        },
    ),
}


@pytest.mark.backends
@pytest.mark.parametrize("backend", sorted(STEPS))
def test_what_is_set_after_the_start_is_told(backend: str) -> None:
    """Each setting of a backend changes its field; to compute something, which starts the backend, changes none."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    begin, steps = STEPS[backend]
    lines = "\n".join(f"{step}\nseen.append(runtime(keras))" for step in (begin, *steps))
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(steps=lines)],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *later = json.loads(done.stdout.splitlines()[-1])
    for before, after, (step, changes) in zip([first, *later], later, steps.items(), strict=False):
        assert changes.items() <= after.items(), step
        assert bool(changes) == (before != after), step


def test_it_is_json_and_repeats() -> None:
    """The record survives JSON and is the same when it is asked for again."""
    record = runtime(keras)
    assert json.loads(json.dumps(record, allow_nan=False)) == record == runtime(keras)


def test_keras_is_asked_and_not_its_file() -> None:
    """Fuzz factor and type of floats are what they were set to last, as soon as they are set."""
    epsilon, floatx = keras.config.epsilon(), keras.config.floatx()
    before = runtime(keras)
    try:
        keras.config.set_epsilon(1e-3)
        keras.config.set_floatx("float16")
        assert runtime(keras) == {**before, "epsilon": 1e-3, "floatx": "float16"} != before
    finally:
        keras.config.set_epsilon(epsilon)
        keras.config.set_floatx(floatx)
    assert runtime(keras) == before


def stand_in(backend: str) -> Any:
    """Keras with a backend of that name."""
    config = SimpleNamespace(floatx=lambda: "float32", epsilon=lambda: 1e-7)
    return SimpleNamespace(config=config, backend=SimpleNamespace(backend=lambda: backend))


@pytest.mark.parametrize("backend", [*sorted(STEPS), "openvino"])
def test_nothing_is_imported(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    """A backend that is not there, or of which nothing is known, adds nothing and stays out."""
    for name in [name for name in sys.modules if name.partition(".")[0] == backend]:
        monkeypatch.delitem(sys.modules, name)
    assert runtime(stand_in(backend)) == {"floatx": "float32", "epsilon": 1e-7}
    assert backend not in sys.modules


def test_a_backend_that_refuses_or_lacks_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch raises after its two ways of setting precision were mixed, and older versions know less."""

    def mixed() -> str:
        raise RuntimeError("mixed use of legacy and new settings")

    torch: Any = ModuleType("torch")
    torch.get_num_threads = lambda: 4
    torch.get_float32_matmul_precision = mixed
    torch.backends = SimpleNamespace(cudnn=SimpleNamespace(enabled=True))
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert runtime(stand_in("torch")) == {
        "floatx": "float32",
        "epsilon": 1e-7,
        "intra_op_threads": 4,
        "matmul_precision": "unknown",
        "cudnn": True,
    }


def test_values_that_json_lacks_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is an object to JAX and text in the record."""
    jax: Any = ModuleType("jax")
    jax.config = SimpleNamespace(jax_default_device=complex(1, 2), jax_platforms=("cpu", float("inf")))
    monkeypatch.setitem(sys.modules, "jax", jax)
    record = runtime(stand_in("jax"))
    assert (record["default_device"], record["platforms"]) == ("(1+2j)", ["cpu", "inf"])
