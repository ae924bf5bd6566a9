"""TensorFlow's greeting stays off the terminal, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from zoo.greeting import without_greeting

GREETING = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795584914.577762   15227 port.cc:153] oneDNN custom operations are on. You may see more.\n"
    b"I0000 00:00:1795584914.577762   15227 cpu_feature_guard.cc:227] This binary is optimized to use instructions.\n"
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild.\n"
)
START = "from zoo.backend import require_keras; require_keras(); import tensorflow as tf; tf.ones(2) + 1"


def test_the_greeting_is_held_back_and_the_rest_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    """What a library writes meanwhile comes out in order, the lines of the greeting do not."""
    with without_greeting():
        os.write(2, b"before\n" + GREETING + b"after")
    assert capfd.readouterr().err == "before\nafter"


def test_an_error_passes_and_what_was_written_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    """An import that fails loses neither its exception nor its words."""

    def load() -> None:
        with without_greeting():
            os.write(2, b"cannot load libx.so\n")
            raise ImportError("no such library")

    with pytest.raises(ImportError, match="no such library"):
        load()
    os.write(2, b"again\n")
    assert capfd.readouterr().err == "cannot load libx.so\nagain\n"


def test_a_process_without_standard_error_starts_as_well() -> None:
    """Where descriptor 2 is closed there is nothing to hold back, and the block runs."""
    code = (
        "import os; os.close(2)\nfrom zoo.greeting import without_greeting\nwith without_greeting():\n    print('ran')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "ran"


def test_tensorflow_starts_without_a_word_and_with_onednn() -> None:
    """A fresh process that asks for Keras writes nothing to standard error, and has the oneDNN kernels."""
    plain = {k: v for k, v in os.environ.items() if k not in {"TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"}}
    code = f"{START}\nimport keras; from zoo.runtime import runtime; print(runtime(keras)['onednn'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**plain, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_what_the_person_set_stays() -> None:
    """The oneDNN kernels, switched off, stay off, and the record of the run says so."""
    code = f"{START}\nimport keras; from zoo.runtime import runtime; print(runtime(keras)['onednn'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip() == "False", done.stderr
