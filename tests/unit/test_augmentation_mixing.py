"""The built-in augmentations that mix labels: `mixup` and `cutmix`."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from zoo.augmenting import Augmenter
from zoo.builtin import augmentation_cutmix, augmentation_light, augmentation_mixup
from zoo.builtin._mixing_layers import CutMix, MixUp
from zoo.compiling import compile_tail
from zoo.contracts import Phase
from zoo.errors import TrainingError

Array = np.ndarray[Any, Any]
(MIXUP,) = augmentation_mixup.zoo_augmentations()
(CUTMIX,) = augmentation_cutmix.zoo_augmentations()
(LIGHT,) = augmentation_light.zoo_augmentations()
BOTH = pytest.mark.parametrize("item", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])


def coded(count: int, side: int = 24) -> tuple[Array, Array]:
    """Pictures that each fill a channel of their own, so that a mixture shows how much of each is in it; and labels."""
    pictures = np.zeros((count, side, side, count), np.uint8)
    for row in range(count):
        pictures[row, :, :, row] = 255
    return pictures, np.eye(count, dtype=np.float32)


def augmenter(item: Any, seed: int = 0, **options: Any) -> Augmenter:
    """The augmentation as training uses it."""
    return Augmenter(tuple(item.build(24, seed, **options)), mixes_labels=item.mixes_labels)


@BOTH
@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 1, 10.0])
def test_labels_are_the_measured_shares_of_the_pictures(item: Any, alpha: float) -> None:
    """The label of every mixture is, class by class, what its pixels hold of each picture."""
    pictures, targets = coded(16)
    mixing = augmenter(item, alpha=alpha, base="none")
    for _ in range(5):
        mixed, labels = mixing(pictures, targets)
        np.testing.assert_allclose(labels, mixed.mean(axis=(1, 2)) / 255, atol=1e-5)
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
        assert (np.count_nonzero(labels > 1e-6, axis=1) <= 2).all()


@BOTH
def test_shares_are_drawn_for_each_picture_and_each_batch(item: Any) -> None:
    """No batch has one share for all, and no two batches are alike."""
    pictures, targets = coded(16)
    mixing = augmenter(item, alpha=1.0, base="none")
    first, second = (mixing(pictures, targets)[1].max(axis=1) for _ in range(2))
    assert len(np.unique(first.round(4))) > 8
    assert not np.array_equal(first, second)


@BOTH
def test_a_seed_repeats_and_another_does_not(item: Any) -> None:
    """The same seed gives the same pictures and labels, bit for bit, whatever was drawn in between."""
    pictures, targets = coded(8)
    one = augmenter(item, 1)(pictures, targets)
    keras.random.normal((7,))
    np.random.default_rng().normal()
    again, other = augmenter(item, 1)(pictures, targets), augmenter(item, 2)(pictures, targets)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])


@BOTH
def test_alpha_zero_mixes_nothing(item: Any) -> None:
    """Without a base nothing is left; with one it is applied, and labels stay."""
    pictures, targets = coded(8)
    assert item.build(24, 0, alpha=0.0, base="none") == ()
    changed, labels = augmenter(item, alpha=0.0)(pictures, targets)
    np.testing.assert_array_equal(labels, targets)
    assert not np.array_equal(changed, pictures)


@BOTH
def test_the_base_is_the_light_augmentation(item: Any) -> None:
    """With `base=light` pictures are changed as `light` does with one of the two seeds, before they are mixed."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
    changed, _ = augmenter(item, 5, alpha=0.0)(noise, np.eye(8, dtype=np.float32))
    first = int(np.random.SeedSequence(5).generate_state(2)[0] >> 1)
    expected, _ = Augmenter(tuple(LIGHT.build(24, first)))(noise, np.eye(8, dtype=np.float32))
    np.testing.assert_array_equal(changed, expected)


@BOTH
def test_inference_changes_nothing(item: Any) -> None:
    """With training=False pictures and labels pass through."""
    pictures, targets = coded(4)
    data: Any = {"images": pictures.astype("float32"), "labels": targets}
    for layer in item.build(24, 0):
        data = layer(data, training=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(data["images"]), pictures)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(data["labels"]), targets)


@BOTH
def test_the_declared_options_are_those_of_build(item: Any) -> None:
    """Names and defaults of the record and of the function agree."""
    keywords = {
        name: parameter.default
        for name, parameter in inspect.signature(item.build).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keywords == {option.name: option.default for option in item.options}


def test_a_tiny_alpha_mixes_hardly_anything() -> None:
    """Where both gamma draws underflow, the share is not one half, as 0 / 0 comes out under TensorFlow and torch."""
    pictures, targets = coded(16, side=8)
    layer = MixUp(alpha=0.001, seed=1)
    data = {"images": pictures.astype("float32"), "labels": targets}
    labels = np.concatenate([keras.ops.convert_to_numpy(layer(data, training=True)["labels"]) for _ in range(20)])
    assert ((labels > 0.1) & (labels < 0.9)).any(axis=1).mean() < 0.02


def test_mixup_lets_every_picture_prevail_and_alpha_says_how_much() -> None:
    """A picture keeps at least half of itself; small alpha leaves nearly all, large alpha about half."""
    pictures, targets = coded(32, side=4)
    own = {}
    for alpha in (0.05, 1.0, 100.0):
        layer = MixUp(alpha=alpha, seed=1)
        shares = []
        for _ in range(20):
            mixed = layer({"images": pictures.astype("float32"), "labels": targets}, training=True)
            shares.append(np.diag(keras.ops.convert_to_numpy(mixed["labels"])))
        own[alpha] = np.concatenate(shares)
        assert own[alpha].min() >= 0.5
    assert own[0.05].mean() > 0.95
    assert own[1.0].mean() == pytest.approx(0.75, abs=0.03)  # of the larger part of a stick broken anywhere
    assert own[100.0].mean() < 0.6


def test_cutmix_puts_in_one_rectangle_of_the_drawn_size() -> None:
    """With λ pinned to a half, rectangles away from the border have sides of √½ of the picture's."""
    pictures, targets = coded(32, side=40)
    mixed = CutMix(alpha=1e6, seed=1)({"images": pictures.astype("float32"), "labels": targets}, training=True)
    images = keras.ops.convert_to_numpy(mixed["images"])
    foreign = np.stack([images[row, :, :, row] == 0 for row in range(32)])
    foreign = foreign[foreign.any(axis=(1, 2))]
    tall, wide = foreign.any(axis=2).sum(axis=1), foreign.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(tall * wide, foreign.sum(axis=(1, 2)))
    assert set(tall.tolist() + wide.tolist()) <= set(range(14, 29))
    assert 28 in tall  # floor(√½ · 40)
    assert 28 in wide
    assert len(np.unique(foreign.argmax(axis=1), axis=0)) > 10


def test_smoothing_and_accuracy_work_on_mixed_labels() -> None:
    """The loss is cross-entropy with the mixed label, smoothed; accuracy asks for its largest class."""
    entry = keras.Input((3,))
    tail = keras.Model(entry, keras.layers.Dense(3, kernel_initializer="identity", use_bias=False)(entry))
    recipe = SimpleNamespace(optimiser="sgd", weight_decay=0.0, ema=0.0, precision="float32", label_smoothing=0.1)
    phase = Phase(name="p", epochs=1, learning_rate=1e-9)
    compile_tail(tail, SimpleNamespace(blocks=(), weights=()), phase, recipe)  # type: ignore[arg-type]
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]], "float32")
    mixed = np.array([[0.7, 0.3, 0.0], [0.6, 0.4, 0.0]], "float32")
    told = tail.train_on_batch(logits, mixed, return_dict=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert float(told["loss"]) == pytest.approx(-((0.9 * mixed + 0.1 / 3) * logs).sum(axis=1).mean(), abs=1e-6)
    assert float(told["accuracy"]) == 0.5


@pytest.mark.parametrize(
    ("scale", "offset", "words"),
    [(1 / 255, 0, "0 to 1"), (1, -128, "-128 to 127"), (2, 0, "0 to 510"), (np.nan, 0, "nan")],
)
def test_an_augmentation_that_leaves_the_range_is_refused(scale: float, offset: float, words: str) -> None:
    """Divided, shifted, stretched or not a number: training would see other pictures than validation."""

    class Scaled(keras.layers.Layer):
        def call(self, pictures: Any) -> Any:
            return pictures * scale + offset

    pictures, targets = coded(4)
    with pytest.raises(TrainingError, match=f"turned pictures of 0 to 255 into values from {words}"):
        Augmenter((Scaled(),))(pictures, targets)
    dark = np.zeros_like(pictures)
    np.testing.assert_array_equal(Augmenter((keras.layers.Rescaling(0.5),))(dark, targets)[0], dark)
