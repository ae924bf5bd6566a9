"""Backbones of keras_cv in processes of their own: without it, with a broken one, on other backends, and quiet."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from zoo.builtin import backbone_cv_csp_darknet, backbone_cv_mit, backbone_cv_mobilenetv3, backbone_cv_resnet
from zoo.errors import PluginError

if TYPE_CHECKING:
    from pathlib import Path

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="keras_cv needs TensorFlow")

BUILD = """
import sys
from zoo.errors import ZooError
from zoo.plugins import load_catalog
catalog = load_catalog(only=[])
assert "cv-resnet18" in catalog.names("backbone")
assert "keras_cv" not in sys.modules, "listing imports keras_cv"
assert "keras" not in sys.modules, "listing imports Keras"
try:
    catalog.backbone("cv-resnet18").build(size=32, weights=None)
except ZooError as error:
    print(type(error).__name__, error.message, error.hint, sep="|")
print("keras_cv" in sys.modules)
print(catalog.backbone("scratch-cnn").build(size=32, weights=None).output.shape)
"""


def _run(code: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **variables},
    )


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_are_refused_before_keras_cv_is_imported(backend: str) -> None:
    """The message names the backbone and the backend, and keras_cv, which imports TensorFlow, stays out."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = _run(BUILD, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    error, imported, _ = done.stdout.splitlines()
    assert error.startswith("UsageError|cv-resnet18 is built by keras_cv, which needs the TensorFlow backend")
    assert f"Keras runs on {backend}" in error
    assert "KERAS_BACKEND=tensorflow" in error
    assert imported == "False"


@needs_tensorflow
def test_pitfall_100_a_broken_keras_cv_is_isolated(tmp_path: Path) -> None:
    """A keras_cv that cannot be imported is one error with its text; listing and other backbones do not notice."""
    (tmp_path / "keras_cv.py").write_text("raise AttributeError('no [bold]Resolver[/] in kagglehub')", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = _run(BUILD, KERAS_BACKEND="tensorflow", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    error, _, other = done.stdout.splitlines()
    assert error.startswith("PluginError|keras_cv, which builds cv-resnet18, fails: AttributeError: ")
    assert "no [bold]Resolver[/] in kagglehub|keras_cv is no longer developed" in error
    assert other.startswith("(None, 2, 2, ")


@needs_tensorflow
@pytest.mark.parametrize(
    ("module", "fact"),
    [
        (None, "ModuleNotFoundError: import of keras_cv halted"),
        (types.SimpleNamespace(), "AttributeError: .*no attribute 'models'"),
        (types.SimpleNamespace(models=types.SimpleNamespace(ResNetBackbone=int)), "TypeError: .*keyword argument"),
        (types.SimpleNamespace(models=types.SimpleNamespace(ResNetBackbone=lambda **_: 1)), "AttributeError: 'int'"),
    ],
    ids=["missing", "without models", "other arguments", "other result"],
)
def test_a_keras_cv_that_does_not_fit_is_isolated(module: object, fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, or of another shape: the same error, with what happened and what to install."""
    monkeypatch.setitem(sys.modules, "keras_cv", module)
    with pytest.raises(PluginError, match=f"keras_cv, which builds cv-resnet18, fails: {fact}") as caught:
        backbone_cv_resnet.zoo_backbones()[0].build(size=32, weights=None)
    assert "keras-cv>=0.9,<1" in caught.value.hint


@needs_tensorflow
def test_building_is_quiet() -> None:
    """Nothing is written while keras_cv is imported and a network is built, TensorFlow's greeting included."""
    code = """
from zoo.backend import require_keras
require_keras()
from zoo.builtin.backbone_cv_resnet import zoo_backbones
model = zoo_backbones()[0].build(size=32, weights=None)
import keras_cv, sys
assert model.count_params() == 11186112
"""
    done = _run(code, KERAS_BACKEND="tensorflow")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


PLAIN = """
import sys
for name in ("zoo", "keras_cv", "kagglehub"):
    sys.modules[name] = None
import keras, numpy
folder = sys.argv[1]
pictures = numpy.load(folder + "/pictures.npy")
for name in sys.argv[2:]:
    model = keras.models.load_model(f"{folder}/{name}.keras", safe_mode=True)
    numpy.save(f"{folder}/{name}.npy", model.predict(pictures, verbose=0))
"""


@needs_tensorflow
def test_a_saved_network_needs_plain_keras_only(tmp_path: Path) -> None:
    """Where neither zoo nor keras_cv can be imported, saved networks load and give the same features."""
    families = (backbone_cv_csp_darknet, backbone_cv_mit, backbone_cv_mobilenetv3, backbone_cv_resnet)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    np.save(tmp_path / "pictures.npy", pictures)
    features = {}
    for family in families:
        record = family.zoo_backbones()[0]
        model = record.build(size=64, weights=None)
        model.save(tmp_path / f"{record.name}.keras")
        features[record.name] = keras.ops.convert_to_numpy(model(pictures, training=False))
    done = _run(PLAIN, tmp_path, *features, KERAS_BACKEND="tensorflow", PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    for name, wanted in features.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_saved_network_runs_on_other_backends(backend: str, tmp_path: Path) -> None:
    """Built on TensorFlow, loaded with plain Keras on another backend, equal to 1e-4 of the features' size."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    record = backbone_cv_mobilenetv3.zoo_backbones()[0]
    model = record.build(size=32, weights=None)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    np.save(tmp_path / "pictures.npy", pictures)
    model.save(tmp_path / "small.keras")
    done = _run(PLAIN, tmp_path, "small", KERAS_BACKEND=backend, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    wanted = keras.ops.convert_to_numpy(model(pictures, training=False))
    np.testing.assert_allclose(np.load(tmp_path / "small.npy"), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
