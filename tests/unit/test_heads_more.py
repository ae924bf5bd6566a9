"""What the heads `concat-pool`, `mlp` and `cosine` compute, train and save."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.builtin import head_concat_pool, head_cosine, head_mlp

if TYPE_CHECKING:
    from pathlib import Path

HEADS = {
    "concat-pool": (head_concat_pool, {}),
    "mlp": (head_mlp, {"width": 8}),
    "mlp of two": (head_mlp, {"width": 8, "hidden": 2, "dropout": 0.0}),
    "cosine": (head_cosine, {}),
    "cosine of fixed scale": (head_cosine, {"learned": False, "scale": 4.0}),
}
Array = np.ndarray[Any, Any]


def built(name: str, shape: tuple[int | None, ...] = (4, 5, 6), classes: int = 3) -> Any:
    """A head by its name here."""
    module, options = HEADS[name]
    return module.build(shape, classes, **options)


def value(head: Any, layer: str, weight: int = 0) -> Array:
    """A weight of a layer of a head."""
    return np.array(keras.ops.convert_to_numpy(head.get_layer(layer).weights[weight]))


@pytest.fixture
def features() -> Array:
    """Feature maps of 24 pictures, 4 by 5 places, 6 channels, none negative."""
    return np.random.default_rng(0).gamma(2.0, size=(24, 4, 5, 6)).astype("float32")


@pytest.fixture
def labels() -> Array:
    """Three classes by turns, one-hot."""
    return np.eye(3, dtype="float32")[np.arange(24) % 3]


def trained(head: Any, features: Array, labels: Array, *, rate: float = 0.05) -> Any:
    """A head after six steps of Adam."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    head.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
    for _ in range(6):
        head.train_on_batch(features, labels)
    return head


def test_concat_pool_is_mean_and_maximum_times_a_matrix(features: Array) -> None:
    """In inference: logits = (mean over places, maximum over places) · kernel + bias."""
    head = built("concat-pool")
    pooled = np.concatenate([features.mean(axis=(1, 2)), features.max(axis=(1, 2))], axis=1)
    expected = pooled @ value(head, "logits") + value(head, "logits", 1)
    np.testing.assert_allclose(head.predict(features, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_mlp_has_the_layers_of_fastai() -> None:
    """Pooling, BatchNorm, dropout p/2, 512 units without bias, ReLU, BatchNorm, dropout p, and the logits."""
    head = head_mlp.build((4, 5, 6), 3)
    kinds = [type(layer).__name__ for layer in head.layers[3:]]
    norm = ["BatchNormalization", "Dropout", "Dense"]
    assert kinds == ["Concatenate", *norm, "ReLU", *norm]
    assert [head.get_layer(f"head_dropout_{n}").rate for n in (1, 2)] == [0.25, 0.5]
    assert head.get_layer("head_norm_1").momentum == 0.9
    hidden = head.get_layer("head_hidden_1")
    assert (hidden.units, hidden.use_bias) == (512, False)
    assert head.count_params() == 4 * 12 + 12 * 512 + 4 * 512 + (512 + 1) * 3


def test_mlp_takes_more_hidden_layers_and_no_dropout() -> None:
    """hidden=3 repeats the unit, with half the dropout before each hidden layer; dropout=0 builds none."""
    head = head_mlp.build((6,), 3, width=7, hidden=3, dropout=0.4)
    assert [head.get_layer(f"head_dropout_{n}").rate for n in (1, 2, 3, 4)] == [0.2, 0.2, 0.2, 0.4]
    assert [head.get_layer(f"head_hidden_{n}").kernel.shape for n in (1, 2, 3)] == [(6, 7), (7, 7), (7, 7)]
    assert not any("dropout" in layer.name for layer in head_mlp.build((6,), 3, dropout=0.0).layers)


def test_mlp_normalises_whatever_the_scale_of_the_features(features: Array, labels: Array) -> None:
    """A batch in training gives the same logits for features and for 1,000 times them: BatchNorm comes first."""
    head = built("mlp of two")
    plain, large = (keras.ops.convert_to_numpy(head(x, training=True)) for x in (features, 1000 * features))
    np.testing.assert_allclose(plain, large, atol=2e-3)
    assert np.ptp(plain) > 0.1


@pytest.mark.parametrize("name", ["cosine", "cosine of fixed scale"])
def test_cosine_is_the_angle_times_the_scale(name: str, features: Array) -> None:
    """Logits are scale · cos(mean features, direction of the class), for directions of length 1 from the start."""
    head = built(name)
    directions = value(head, "head_directions")
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, atol=1e-6)
    pooled = features.mean(axis=(1, 2))
    cosines = pooled @ directions / np.linalg.norm(pooled, axis=1, keepdims=True)
    scale = 10.0 if name == "cosine" else 4.0
    np.testing.assert_allclose(head.predict(features, verbose=0), scale * cosines, rtol=1e-4, atol=1e-5)
    louder = head.predict(7 * features, verbose=0)
    np.testing.assert_allclose(louder, scale * cosines, rtol=1e-4, atol=1e-5)


def test_cosine_keeps_length_1_in_training_and_learns_its_scale(features: Array, labels: Array) -> None:
    """After steps the directions have turned and still have length 1 up to the constraint's 1e-7; the scale moved."""
    head = built("cosine")
    before = value(head, "head_directions")
    trained(head, features, labels)
    after = value(head, "head_directions")
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(after, axis=0), 1, atol=1e-6)
    assert abs(float(value(head, "head_scale").item()) - 10) > 0.01
    assert built("cosine of fixed scale").trainable_weights[0].shape == (6, 3)
    assert len(built("cosine of fixed scale").trainable_weights) == 1


def test_cosine_never_turns_its_scale_round(features: Array, labels: Array) -> None:
    """A step that would make the scale negative leaves 0."""
    head = head_cosine.build((4, 5, 6), 3, scale=0.1)
    trained(head, features, labels[:, ::-1] * 0 + 1 / 3, rate=0.5)
    assert float(value(head, "head_scale").item()) >= 0


@pytest.mark.parametrize("name", HEADS)
def test_gradients_reach_every_weight(name: str, features: Array, labels: Array) -> None:
    """A few steps move every tensor that can be trained."""
    head = built(name)
    before = [np.array(keras.ops.convert_to_numpy(weight)) for weight in head.trainable_weights]
    trained(head, features, labels)
    after = [np.array(keras.ops.convert_to_numpy(weight)) for weight in head.trainable_weights]
    assert all((one != other).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("name", HEADS)
def test_plain_keras_loads_a_trained_head(name: str, features: Array, labels: Array, tmp_path: Path) -> None:
    """Saved and loaded it predicts the same, and its constraints still hold when it is trained on."""
    head = trained(built(name), features, labels)
    head.save(tmp_path / "head.keras")
    again = keras.models.load_model(tmp_path / "head.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(features, verbose=0), head.predict(features, verbose=0))
    assert all(type(layer).__module__.startswith("keras.") for layer in again.layers)
    again.train_on_batch(features, labels)
    if name.startswith("cosine"):
        np.testing.assert_allclose(np.linalg.norm(value(again, "head_directions"), axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("name", HEADS)
def test_a_batch_of_one_size_fits_all(name: str, features: Array) -> None:
    """A head for any picture size gives what the head for this size gives, with equal weights."""
    fixed, free = built(name), built(name, (None, None, 6))
    free.set_weights(fixed.get_weights())
    np.testing.assert_array_equal(free.predict(features, verbose=0), fixed.predict(features, verbose=0))


CHILD = """
import sys
sys.path.insert(0, {folder!r})
import keras, numpy as np
from test_heads_more import HEADS, built, trained, value
draw = np.random.default_rng(0)
features = draw.gamma(2.0, size=(24, 4, 5, 6)).astype("float32")
labels = np.eye(3, dtype="float32")[np.arange(24) % 3]
for name in HEADS:
    head = built(name)
    before = [np.array(keras.ops.convert_to_numpy(w)) for w in head.trainable_weights]
    trained(head, features, labels)
    after = [np.array(keras.ops.convert_to_numpy(w)) for w in head.trainable_weights]
    assert all((one != other).any() for one, other in zip(before, after)), name
    if name.startswith("cosine"):
        assert np.abs(np.linalg.norm(value(head, "head_directions"), axis=0) - 1).max() < 1e-6
    head.save("head.keras")
    again = keras.models.load_model("head.keras", compile=False, safe_mode=True)
    assert np.abs(again.predict(features, verbose=0) - head.predict(features, verbose=0)).max() < 1e-5, name
print("done", keras.backend.backend())
"""


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_heads_train_and_load_on_other_backends(backend: str, tmp_path: Path) -> None:
    """On JAX and torch too every weight moves, the directions keep length 1, and plain Keras loads what was saved."""
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(folder=os.path.dirname(__file__))],  # noqa: PTH120 - a text for the child
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["done", backend]
