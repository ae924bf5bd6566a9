"""The built-in augmentations on TensorFlow, JAX and torch, each in a process of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from zoo.augmenting import Augmenter
from zoo.builtin import augmentation_augmix, augmentation_randaugment

ON_EACH_BACKEND = """
import hashlib, json, warnings
import numpy as np
import keras
from zoo.augmenting import Augmenter
from zoo.builtin import augmentation_augmix, augmentation_cutmix, augmentation_mixup
from zoo.builtin import augmentation_randaugment, augmentation_strong

warnings.simplefilter("error", UserWarning)
items = [item for module in (augmentation_augmix, augmentation_cutmix, augmentation_mixup,
                             augmentation_randaugment, augmentation_strong) for item in module.zoo_augmentations()]
draw = np.random.default_rng(0)
told = {"backend": keras.backend.backend()}
for item in items:
    for channels in (1, 3, 5):
        pictures = draw.integers(0, 256, (8, 24, 24, channels), dtype=np.uint8)
        pictures[4:] = pictures[0]
        targets = np.eye(8, dtype=np.float32)
        def made(seed):
            return Augmenter(tuple(item.build(24, seed)), mixes_labels=item.mixes_labels)
        first = made(1)
        one, labels = first(pictures, targets)
        next_epoch, _ = first(pictures, targets)
        again, same = made(1)(pictures, targets)
        other, _ = made(2)(pictures, targets)
        told[f"{item.name} {channels}"] = bool(
            one.shape == pictures.shape and one.dtype == np.float32
            and all(0 <= a.min() < a.max() <= 255 for a in (one, next_epoch, other))
            and np.array_equal(one, again) and np.array_equal(labels, same)
            and not np.array_equal(one, other) and not np.array_equal(one, next_epoch)
            and len({a.tobytes() for a in one[4:]}) > 1
            and np.allclose(labels.sum(axis=1), 1, atol=1e-6)
            and item.mixes_labels != np.array_equal(labels, targets)
        )
pictures = np.random.default_rng(1).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
for item in (items[0], items[3]):
    batch, _ = Augmenter(tuple(item.build(24, 7)))(pictures, np.eye(8))
    told[item.name] = hashlib.sha256(batch.tobytes()).hexdigest()
print(json.dumps(told))
"""


def digest(item: Any) -> str:
    """Of what an augmentation makes of some pictures in this process."""
    pictures = np.random.default_rng(1).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
    batch, _ = Augmenter(tuple(item.build(24, 7)))(pictures, np.eye(8))
    return hashlib.sha256(batch.tobytes()).hexdigest()


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_augmentations_work_on_every_backend(backend: str) -> None:
    """With 1, 3 and 5 channels: shape and range stay, seeds repeat, epochs and copies differ, labels sum to 1.

    What Pillow does is the same on every backend, bit for bit. No warning is given.
    """
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", ON_EACH_BACKEND],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    names = ("augmix", "cutmix", "mixup", "randaugment", "strong")
    expected: dict[str, Any] = {f"{name} {channels}": True for name in names for channels in (1, 3, 5)}
    expected["backend"] = backend
    expected["augmix"] = digest(augmentation_augmix.zoo_augmentations()[0])
    expected["randaugment"] = digest(augmentation_randaugment.zoo_augmentations()[0])
    assert told == expected
