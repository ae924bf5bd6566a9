"""The environment record: what is in it, and where it is read."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from zoo.environment import environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for Keras' configuration, and no variable that overrides it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return tmp_path


def test_it_is_json_and_repeats(keras_home: Path) -> None:
    """The record survives JSON and is the same when it is asked for again."""
    record = environment()
    assert json.loads(json.dumps(record, allow_nan=False)) == record == environment()


def test_versions_come_from_metadata(keras_home: Path) -> None:
    """Packages that are installed are there with their versions, others are not."""
    record = environment("jax")
    packages = record["packages"]
    assert isinstance(packages, dict)
    assert packages["keras"] == metadata.version("keras")
    assert packages["numpy"] == metadata.version("numpy")
    assert packages["Pillow"] == metadata.version("Pillow")
    assert not any(name.startswith("tensorflow") for name in packages)
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_backend_is_found_as_keras_finds_it(keras_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument before variable before configuration file before TensorFlow; a damaged file is ignored."""
    assert environment()["backend"] == "tensorflow"
    (keras_home / "keras.json").write_text('{"backend": "torch", "floatx": "float16"}', encoding="utf-8")
    assert environment()["backend"] == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert environment()["backend"] == "jax"
    assert environment("openvino")["backend"] == "openvino"
    monkeypatch.setenv("KERAS_BACKEND", "")
    for text in ("{", "[]"):
        (keras_home / "keras.json").write_text(text, encoding="utf-8")
        assert environment()["backend"] == "tensorflow"


def test_home_is_where_keras_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without KERAS_HOME the configuration is in the home folder."""
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"backend": "torch"}', encoding="utf-8")
    assert environment()["backend"] == "torch"


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_DETERMINISTIC_OPS", "XLA_FLAGS"])
def test_variables_that_change_bits_are_in_it(keras_home: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Set or not, and to what, makes another record; other variables do not."""
    monkeypatch.delenv(variable, raising=False)
    unset = environment()
    monkeypatch.setenv("ZOO_TEST_OTHER", "1")
    assert environment() == unset
    monkeypatch.setenv(variable, "1")
    assert environment()["variables"] == {**dict(unset["variables"]), variable: "1"}  # type: ignore[call-overload]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be pinned on this system")
def test_cores_are_those_of_the_process(keras_home: Path) -> None:
    """A process pinned to one core runs with other thread counts than one that is not."""
    before = os.sched_getaffinity(0)
    assert environment()["cores"] == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert environment()["cores"] == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_processor_is_named(keras_home: Path) -> None:
    """The kernels that are chosen depend on the processor."""
    assert environment()["cpu"]
