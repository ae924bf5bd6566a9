"""The built-in augmentations."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from zoo.builtin import augmentation_light, augmentation_none

(LIGHT,) = augmentation_light.zoo_augmentations()
(NONE,) = augmentation_none.zoo_augmentations()

ON_EACH_BACKEND = """
import json, keras, numpy as np
from zoo.builtin.augmentation_light import zoo_augmentations
(light,) = zoo_augmentations()
pictures = np.random.default_rng(0).uniform(0, 255, (6, 24, 24, 3)).astype("float32")
pictures[3:] = pictures[0]
before = pictures.copy()

def augmented(seed, strength=1.0):
    batch = pictures
    for layer in light.build(24, seed, strength=strength):
        batch = layer(batch, training=True)
    return keras.ops.convert_to_numpy(batch)

one, again, other, strong = augmented(1), augmented(1), augmented(2), augmented(1, 2.0)
x = entry = keras.Input((24, 24, 3))
for layer in light.build(24, 5):
    x = layer(x)
model = keras.Model(entry, keras.layers.Conv2D(1, 1, kernel_initializer="ones")(x))
loss = lambda truth, output: keras.ops.mean(output)
model.compile(optimizer=keras.optimizers.SGD(0.0), loss=loss)
first, second = (float(model.train_on_batch(pictures, pictures[..., :1])) for _ in range(2))
print(json.dumps({
    "backend": keras.backend.backend(),
    "shape": list(one.shape),
    "dtype": str(one.dtype),
    "range": all(0 <= a.min() and a.max() <= 255 and a.max() > 100 for a in (one, other, strong)),
    "input kept": bool(np.array_equal(pictures, before)),
    "seed repeats": bool(np.array_equal(one, again)),
    "seed matters": not np.array_equal(one, other),
    "compiled draws anew": bool(np.isfinite([first, second]).all()) and first != second,
    "copies that differ": len({a.tobytes() for a in one[3:]}),
}))
"""


@pytest.fixture
def pictures() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Four pictures of noise over the whole range."""
    return np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")


def applied(pictures: np.ndarray[Any, Any], seed: int, **options: float) -> np.ndarray[Any, Any]:
    """The pictures after all layers of `light`."""
    batch: Any = pictures
    for layer in LIGHT.build(pictures.shape[1], seed, **options):
        batch = layer(batch, training=True)
    return np.asarray(keras.ops.convert_to_numpy(batch))


def test_none_has_no_layers() -> None:
    """Nothing is applied, so nothing can change."""
    assert NONE.build(32, 0) == ()


def test_strength_zero_is_none() -> None:
    """No mirroring is left either."""
    assert LIGHT.build(32, 0, strength=0.0) == ()


def test_layers_have_seeds_of_their_own() -> None:
    """No two layers draw the same numbers, and another seed changes all of them."""
    seeds = [
        [int(keras.ops.convert_to_numpy(layer.generator.state)[0]) for layer in LIGHT.build(32, s)] for s in (0, 1)
    ]
    assert len(set(seeds[0] + seeds[1])) == 8


def test_light_without_training_is_the_identity(pictures: np.ndarray[Any, Any]) -> None:
    """Called for inference, the layers pass pictures through."""
    batch: Any = pictures
    for layer in LIGHT.build(32, 0):
        batch = layer(batch, training=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(batch), pictures)


def test_light_stays_recognisable() -> None:
    """A bright square in the middle of a dark picture stays in the middle and stays bright."""
    pictures = np.full((16, 64, 64, 3), 20.0, "float32")
    pictures[:, 20:44, 20:44] = 220.0
    result = applied(pictures, 7)
    assert result[:, 30:34, 30:34].min() > 150
    assert result[:, :4, :4].max() < 90


def test_more_strength_changes_more() -> None:
    """Brightness moves at most by a tenth of the range for each unit of strength."""
    grey = np.full((64, 8, 8, 3), 127.0, "float32")
    change = [np.abs(applied(grey, 3, strength=s) - 127.0).max() for s in (0.5, 1.0, 2.0)]
    assert change[0] < change[1] < change[2]
    for strength, most in zip((0.5, 1.0, 2.0), change, strict=True):
        assert 0.5 * 25.5 * strength < most <= 25.5 * strength + 1e-3


def test_poses_stay_within_their_limits() -> None:
    """A picture of coordinates shows where each pixel came from: a turn, a zoom and a shift within the limits."""
    from zoo.builtin._random_pose import RandomPose

    side = 65
    rows, columns = np.mgrid[0:side, 0:side].astype("float32")
    coordinates = np.repeat(np.stack([rows, columns], axis=-1)[np.newaxis], 32, axis=0)
    layer = RandomPose(turn=math.radians(10), shift=0.1, zoom=0.1, seed=1)
    came_from = keras.ops.convert_to_numpy(layer(coordinates, training=True))
    middle = came_from[:, 32, 32]
    step_down, step_right = came_from[:, 40, 32] - middle, came_from[:, 32, 40] - middle
    scale = np.hypot(*step_right.T) / 8
    angle = np.degrees(np.arctan2(-step_down[:, 1], step_down[:, 0]))
    assert 1 / 1.1 - 1e-3 <= scale.min() < scale.max() <= 1 / 0.9 + 1e-3
    assert -10.01 <= angle.min() < -5
    assert 5 < angle.max() <= 10.01
    np.testing.assert_allclose((step_down * step_right).sum(axis=1), 0, atol=0.05)  # right angles stay right
    np.testing.assert_allclose(np.hypot(*step_down.T) / 8, scale, atol=1e-2)  # and sides in proportion
    assert np.abs(middle - 32).max() <= 0.1 * side + 1e-3
    assert np.abs(middle - 32).max() > 0.05 * side


def test_a_pose_without_limits_is_the_identity(pictures: np.ndarray[Any, Any]) -> None:
    """No turn, no shift, no zoom: the same pixels, bit for bit, so nothing is blurred for nothing."""
    from zoo.builtin._random_pose import RandomPose

    layer = RandomPose(turn=0.0, shift=0.0, zoom=0.0, seed=0)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(pictures, training=True)), pictures)


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_light_works_on_every_backend(backend: str) -> None:
    """In a process of its own: shape and range stay, a seed repeats, copies of one picture become different ones."""
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
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "backend": backend,
        "shape": [6, 24, 24, 3],
        "dtype": "float32",
        "range": True,
        "input kept": True,
        "seed repeats": True,
        "seed matters": True,
        "compiled draws anew": True,
        "copies that differ": 3,
    }
