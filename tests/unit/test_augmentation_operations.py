"""The built-in augmentations `randaugment` and `augmix`, and the operations that they draw from."""

from __future__ import annotations

import inspect
import random
from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest

from zoo.augmenting import Augmenter
from zoo.builtin import _picture_layers, augmentation_augmix, augmentation_randaugment
from zoo.builtin._picture_layers import AugMix, RandAugment
from zoo.builtin._picture_operations import OPERATIONS, change

Array = np.ndarray[Any, Any]
Drawn = list[list[tuple[str, float]]]
(RANDAUGMENT,) = augmentation_randaugment.zoo_augmentations()
(AUGMIX,) = augmentation_augmix.zoo_augmentations()
BOTH = pytest.mark.parametrize("item", [RANDAUGMENT, AUGMIX], ids=["randaugment", "augmix"])
NEUTRAL = {"posterise": 8, "solarise": 256, "colour": 1, "contrast": 1, "brightness": 1, "sharpness": 1}


@pytest.fixture
def picture() -> Array:
    """One picture of noise."""
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What the layers ask to be done, picture by picture and chain by chain; nothing is really changed."""
    asked: Drawn = []

    def note(picture: Array, steps: list[tuple[str, float]]) -> Array:
        asked.append(list(steps))
        return picture

    monkeypatch.setattr(_picture_layers, "change", note)
    return asked


def test_no_steps_give_the_very_picture(picture: Array) -> None:
    """Identity costs nothing and changes nothing."""
    assert change(picture, []) is picture


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"autocontrast", "equalise"}))
def test_the_neutral_amount_changes_nothing(picture: Array, name: str) -> None:
    """Each operation with a magnitude begins at no change at all."""
    np.testing.assert_array_equal(change(picture, [(name, NEUTRAL.get(name, 0))]), picture)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_operations_keep_shape_and_treat_channels_alone(name: str, channels: int) -> None:
    """Any number of channels: where there are not three, each is what it would be as a picture of its own."""
    pictures = np.random.default_rng(0).integers(40, 200, (12, 16, channels), dtype=np.uint8)
    amount = {"posterise": 2, "solarise": 128}.get(name, 0.4)
    result = change(pictures, [(name, amount)])
    assert result.shape == pictures.shape
    assert result.dtype == np.uint8
    if channels != 3:
        alone = [change(pictures[..., i : i + 1], [(name, amount)]) for i in range(channels)]
        np.testing.assert_array_equal(result, np.concatenate(alone, axis=-1))


def test_a_shift_brings_in_the_mirror_image(picture: Array) -> None:
    """A quarter of the side: pixels move by whole places, and what is uncovered mirrors the border."""
    right = change(picture, [("shift-x", 0.25)])
    np.testing.assert_array_equal(right[:, :12], picture[:, 4:])
    np.testing.assert_array_equal(right[:, 12:], picture[:, :11:-1])
    up = change(picture, [("shift-y", -0.25)])
    np.testing.assert_array_equal(up[4:], picture[:12])
    np.testing.assert_array_equal(up[:4], picture[3::-1])


def test_turns_and_shears_are_where_they_should_be(picture: Array) -> None:
    """A quarter turn moves whole pixels; a shear moves rows in proportion to their distance from the middle."""
    turned = change(picture, [("turn", 90)]).astype(int)
    np.testing.assert_allclose(turned, np.rot90(picture), atol=1)  # Pillow cuts off below the point
    wide = np.zeros((65, 65, 3), np.uint8)
    wide[:, 32] = 255
    columns = change(wide, [("shear-x", 0.25)])[..., 0].argmax(axis=1)
    np.testing.assert_array_equal(columns[[12, 32, 52]], [37, 32, 27])
    rows = change(wide.transpose(1, 0, 2), [("shear-y", 0.25)])[..., 0].argmax(axis=0)
    np.testing.assert_array_equal(rows[[12, 32, 52]], [37, 32, 27])


def test_values_change_as_their_names_say(picture: Array) -> None:
    """Solarise inverts from the threshold on; posterise keeps the highest bits; the factors scale."""
    expected = np.where(picture >= 100, 255 - picture, picture)
    np.testing.assert_array_equal(change(picture, [("solarise", 100)]), expected)
    np.testing.assert_array_equal(change(picture, [("posterise", 3)]), picture & 0b11100000)
    np.testing.assert_allclose(change(picture, [("brightness", 0.5)]), picture / 2, atol=1)
    assert change(picture, [("contrast", 0.5)]).std() < 0.6 * picture.std()
    grey = change(picture, [("colour", 0.0)])
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    dull = (picture // 4 + 50).astype(np.uint8)
    assert np.ptp(change(dull, [("autocontrast", 0)])) >= 254
    dark = (np.random.default_rng(0).uniform(0, 1, (64, 64, 3)) ** 2 * 255).astype(np.uint8)
    quarters = [np.histogram(p, 4, (0, 256))[0] / p.size for p in (dark, change(dark, [("equalise", 0)]))]
    assert max(quarters[0]) > 0.45
    assert max(quarters[1]) < 0.3


def test_randaugment_draws_every_operation_alike_for_each_picture(drawn: Drawn) -> None:
    """Fourteen operations with identity, equally likely, drawn anew for each picture and each place."""
    RandAugment(n=2, magnitude=0.5, seed=0)(np.zeros((2000, 2, 2, 3), "float32"))
    counts = Counter(name for steps in drawn for name, _ in steps)
    counts["identity"] = 4000 - counts.total()
    assert set(counts) == {*OPERATIONS, "identity"}
    assert len(counts) == 14
    assert min(counts.values()) > 4000 / 14 * 0.8
    assert max(counts.values()) < 4000 / 14 * 1.2
    assert Counter(map(len, drawn))[2] > 0.8 * 2000


@pytest.mark.parametrize("magnitude", [0.2, 0.9])
def test_randaugment_uses_the_ranges_of_the_paper(drawn: Drawn, magnitude: float) -> None:
    """The amount of each operation is the magnitude's share of its range, with either sign."""
    RandAugment(n=3, magnitude=magnitude, seed=1)(np.zeros((400, 2, 2, 3), "float32"))
    amounts: dict[str, set[float]] = {}
    for name, amount in (step for steps in drawn for step in steps):
        amounts.setdefault(name, set()).add(round(amount, 6))
    m = magnitude
    signed = {"turn": 30, "shear-x": 0.3, "shear-y": 0.3, "shift-x": 0.45, "shift-y": 0.45}
    expected = {name: {round(-most * m, 6), round(most * m, 6)} for name, most in signed.items()}
    for name in ("colour", "contrast", "brightness", "sharpness"):
        expected[name] = {round(1 - 0.9 * m, 6), round(1 + 0.9 * m, 6)}
    expected |= {"solarise": {round(256 * (1 - m), 6)}, "posterise": {round(8 - 4 * m, 6)}}
    assert amounts == expected | {"autocontrast": {0.0}, "equalise": {0.0}}


def test_colour_is_not_drawn_without_three_channels(drawn: Drawn) -> None:
    """The other twelve operations are."""
    RandAugment(n=2, magnitude=0.5, seed=0)(np.zeros((500, 2, 2, 1), "float32"))
    assert {name for steps in drawn for name, _ in steps} == set(OPERATIONS) - {"colour"}


@pytest.mark.parametrize(("depth", "lengths"), [(0, {1, 2, 3}), (1, {1}), (4, {4})])
def test_augmix_has_chains_of_the_depth_asked_for(drawn: Drawn, depth: int, lengths: set[int]) -> None:
    """Each picture has `width` chains; depth 0 draws 1 to 3; levels stay below the severity."""
    AugMix(severity=4.0, width=2, depth=depth, alpha=1.0, seed=0)(np.zeros((100, 2, 2, 3), "float32"))
    assert len(drawn) == 200
    assert {len(steps) for steps in drawn} == lengths
    steps = [step for steps in drawn for step in steps]
    assert {name for name, _ in steps} == set(AugMix.NAMES)
    turns = [abs(amount) for name, amount in steps if name == "turn"]
    assert 0.3 <= min(turns) < max(turns) <= 12
    assert {amount for name, amount in steps if name == "posterise"} <= {3, 4}
    assert min(amount for name, amount in steps if name == "solarise") >= 256 * 0.6


def test_augmix_mixes_chains_and_picture_by_weights_that_sum_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With chains that turn everything white a black picture gets one grey, another for each picture."""
    monkeypatch.setattr(_picture_layers, "change", lambda picture, _: np.full_like(picture, 255))
    mixed = keras.ops.convert_to_numpy(
        AugMix(severity=3.0, width=3, depth=1, alpha=1.0, seed=0)(np.zeros((300, 2, 2, 3), "float32"))
    )
    assert np.ptp(mixed, axis=(1, 2, 3)).max() == 0
    shares = mixed[:, 0, 0, 0] / 255
    assert len(np.unique(shares.round(5))) > 290
    assert shares.mean() == pytest.approx(0.5, abs=0.05)  # Beta(1, 1)
    assert shares.std() == pytest.approx(12**-0.5, abs=0.03)


def test_nothing_is_left_without_strength() -> None:
    """Severity 0, magnitude 0 and no operations give no layers, so frozen work can be kept."""
    assert RANDAUGMENT.build(32, 0, magnitude=0.0) == ()
    assert RANDAUGMENT.build(32, 0, n=0) == ()
    assert AUGMIX.build(32, 0, severity=0.0) == ()


@BOTH
def test_draws_depend_on_the_seed_alone(item: Any) -> None:
    """Equal seeds give equal pictures whatever Python's, NumPy's and Keras' own generators did; others differ."""
    pictures = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)

    def augmented(seed: int, times: int = 1) -> Array:
        augment = Augmenter(tuple(item.build(20, seed)))
        return [augment(pictures, np.eye(6))[0] for _ in range(times)][-1]

    random.seed(1)
    one = augmented(3)
    random.seed(2)
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(augmented(3), one)
    assert not np.array_equal(augmented(4), one)
    assert not np.array_equal(augmented(3, times=2), one)  # the next epoch


@BOTH
def test_copies_become_different_and_stay_pictures(item: Any) -> None:
    """Each picture has draws of its own; shape, type and range stay; the input is not written to."""
    pictures = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 20, 20, 3), dtype=np.uint8), 16, axis=0)
    before = pictures.copy()
    result, _ = Augmenter(tuple(item.build(20, 0)))(pictures, np.eye(16))
    np.testing.assert_array_equal(pictures, before)
    assert len({row.tobytes() for row in result}) > 10
    assert (result.shape, result.dtype) == (pictures.shape, np.float32)
    assert 0 <= result.min() < result.max() <= 255


@BOTH
def test_inference_changes_nothing(item: Any) -> None:
    """With training=False pictures pass through, not even rounded."""
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    for layer in item.build(8, 0):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(pictures, training=False)), pictures)


@BOTH
def test_the_declared_options_are_those_of_build(item: Any) -> None:
    """Names and defaults of the record and of the function agree."""
    keywords = {
        name: parameter.default
        for name, parameter in inspect.signature(item.build).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keywords == {option.name: option.default for option in item.options}
