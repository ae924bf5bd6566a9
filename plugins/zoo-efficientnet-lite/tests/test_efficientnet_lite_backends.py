"""The same numbers on every backend, and without this plugin."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

BUILD = """
import sys
import numpy as np
from zoo_efficientnet_lite.plugin import zoo_backbones
lite0 = zoo_backbones()[0]
model = lite0.build(size=64, weights=lite0.weights[0])
pictures = np.load(sys.argv[1])
np.save(sys.argv[2], model.predict(pictures, verbose=0))
import keras
loaded = {"keras_cv", "tensorflow"} & set(sys.modules) - {keras.backend.backend()}
assert not loaded, loaded
print(keras.backend.backend())
"""

PLAIN = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"zoo", "zoo_efficientnet_lite", "keras_cv"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import keras
import numpy as np
model = keras.models.load_model(sys.argv[3])
np.save(sys.argv[2], model.predict(np.load(sys.argv[1]), verbose=0))
print(keras.backend.backend())
"""


def run(script: str, backend: str, *arguments: object, **variables: str) -> str:
    """What a fresh process with that backend prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend, **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_backends_agree(backend: str, converted: Path, small: Any, noise: Any, tmp_path: Path) -> None:
    """lite0 built on each backend gives this process's features to 1e-4, and loads no other library for it."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    np.save(tmp_path / "pictures.npy", noise)
    out = tmp_path / "features.npy"
    assert run(BUILD, backend, tmp_path / "pictures.npy", out, ZOO_CACHE=str(converted)).endswith(backend)
    expected = small.predict(noise, verbose=0)
    assert expected.std() > 0.1
    np.testing.assert_allclose(np.load(out), expected, atol=1e-4)


@pytest.mark.backends
def test_a_saved_model_needs_plain_keras_only(small: Any, noise: Any, tmp_path: Path) -> None:
    """Saved and loaded where neither zoo nor keras_cv can be imported, it gives the same features."""
    import keras

    small.save(tmp_path / "saved.keras")
    np.save(tmp_path / "pictures.npy", noise)
    out = tmp_path / "features.npy"
    run(PLAIN, keras.backend.backend(), tmp_path / "pictures.npy", out, tmp_path / "saved.keras")
    np.testing.assert_allclose(np.load(out), small.predict(noise, verbose=0), atol=1e-6)
