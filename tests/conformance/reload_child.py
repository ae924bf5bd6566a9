"""Loads every network in a folder with plain Keras, without keras-zoo, and prints how far its features are off.

Run as a program: KERAS_BACKEND=… python reload_child.py FOLDER
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import keras
import numpy as np

sys.modules["zoo"] = None  # type: ignore[assignment]  # importing it from now on raises ImportError

for path in sorted(Path(sys.argv[1]).glob("*.keras")):
    stored = np.load(path.with_suffix(".npz"))
    model = keras.models.load_model(path)
    found = np.asarray(keras.ops.convert_to_numpy(model(stored["pixels"], training=False)))
    off = float(np.abs(found - stored["features"]).max() / max(1e-30, float(np.abs(stored["features"]).max())))
    print(json.dumps({"name": path.stem, "off": off}), flush=True)  # noqa: T201 - the parent reads it
    del model
    gc.collect()
