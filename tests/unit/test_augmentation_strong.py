"""The built-in augmentation `strong`, layer by layer."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest

from zoo.builtin import augmentation_strong
from zoo.builtin._colour_jitter import ColourJitter
from zoo.builtin._random_patch import RandomPatch
from zoo.builtin._random_pose import RandomView

Array = np.ndarray[Any, Any]
(STRONG,) = augmentation_strong.zoo_augmentations()
LUMA = np.array([0.299, 0.587, 0.114])


def called(layer: Any, pictures: Array) -> Array:
    """What a layer makes of pictures in training."""
    return np.asarray(keras.ops.convert_to_numpy(layer(pictures, training=True)))


def applied(pictures: Array, seed: int, **options: float) -> Array:
    """The pictures after all layers of `strong`."""
    for layer in STRONG.build(pictures.shape[1], seed, **options):
        pictures = called(layer, pictures)
    return pictures


@pytest.fixture
def pictures() -> Array:
    """Eight pictures of noise over the middle of the range."""
    return np.random.default_rng(0).uniform(90, 160, (8, 32, 32, 3)).astype("float32")


def test_strength_zero_is_none() -> None:
    """No layer is left, the mirroring included, so frozen work can be kept."""
    assert STRONG.build(32, 0, strength=0.0) == ()


def test_inference_passes_pictures_through(pictures: Array) -> None:
    """Called with training=False no layer changes a bit."""
    batch: Any = pictures
    for layer in STRONG.build(32, 0):
        batch = layer(batch, training=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(batch), pictures)


@pytest.mark.parametrize("strength", [0.01, 1.0, 2.0])
def test_shape_and_range_stay(pictures: Array, strength: float) -> None:
    """At every strength the results are pictures of the same shape within 0–255."""
    result = applied(pictures * 1.5, 3, strength=strength)
    assert result.shape == pictures.shape
    assert result.dtype == np.float32
    assert 0 <= result.min() < result.max() <= 255


def test_more_strength_changes_more() -> None:
    """On a picture of stripes the mean change grows with the strength, and a little strength changes little."""
    stripes = np.tile(np.linspace(50, 200, 32, dtype="float32")[:, None, None], (64, 1, 32, 3))
    change = [np.abs(applied(stripes, 5, strength=s) - stripes).mean() for s in (0.02, 0.5, 1.0, 2.0)]
    assert change == sorted(change)
    assert change[0] < 3


def test_layers_have_seeds_of_their_own() -> None:
    """No two layers draw the same numbers, and another seed changes all of them."""
    seeds = [int(keras.ops.convert_to_numpy(la.generator.state)[0]) for s in (0, 1) for la in STRONG.build(32, s)]
    assert len(set(seeds)) == 8


def test_crops_lie_in_the_picture_and_keep_their_limits() -> None:
    """A picture of coordinates shows the rectangle that each crop came from."""
    side = 101
    rows, columns = np.mgrid[0:side, 0:side].astype("float32")
    coordinates = np.repeat(np.stack([rows, columns], axis=-1)[np.newaxis], 64, axis=0)
    came_from = called(RandomView(turn=0.0, area=0.3, ratio=1.5, seed=1), coordinates)
    tall, wide = (np.ptp(came_from[..., axis], axis=(1, 2)) / (side - 1) for axis in (0, 1))
    area, ratio = tall * wide, wide / tall
    assert 0.3 - 0.02 <= area.min() < 0.4
    assert 0.85 < area.max() <= 1
    assert 1 / 1.5 - 0.02 <= ratio.min() < 0.8
    assert 1.25 < ratio.max() <= 1.5 + 0.02
    middles = came_from[:, side // 2, side // 2] / (side - 1)
    reach = np.abs(middles - 0.5) - (1 - np.stack([tall, wide], axis=1)) / 2
    assert reach.max() < 0.01  # no rectangle sticks out
    assert len(np.unique(middles.round(3), axis=0)) > 60


def test_a_crop_without_limits_is_the_identity(pictures: Array) -> None:
    """The whole picture, not turned: the same pixels to a thousandth of a grey level."""
    layer = RandomView(turn=0.0, area=1.0, ratio=1.0, seed=0)
    np.testing.assert_allclose(called(layer, pictures), pictures, atol=1e-2)


def test_hue_and_saturation_keep_luma_and_grey(pictures: Array) -> None:
    """Only chroma changes: its length by saturation, its direction by hue."""
    pictures[:, :4] = pictures[:, :4, :, :1]  # grey rows
    for options in ({"saturation": 0.5, "hue": 0.0}, {"saturation": 0.0, "hue": 0.1}):
        result = called(ColourJitter(brightness=0.0, contrast=0.0, seed=1, **options), pictures)
        np.testing.assert_allclose(result @ LUMA, pictures @ LUMA, atol=0.02)
        np.testing.assert_allclose(result[:, :4], pictures[:, :4], atol=0.02)
        assert np.median(np.abs(result - pictures)[:, 4:].max(axis=(1, 2, 3))) > 5


def test_saturation_scales_all_colours_of_a_picture_alike(pictures: Array) -> None:
    """Each picture has one factor of its own, within the limit."""
    result = called(ColourJitter(brightness=0.0, contrast=0.0, saturation=0.5, hue=0.0, seed=1), pictures)
    before = pictures - (pictures @ LUMA)[..., None]
    factors = ((result - (result @ LUMA)[..., None]) * before).sum(axis=(1, 2, 3)) / (before**2).sum(axis=(1, 2, 3))
    expected = (pictures @ LUMA)[..., None] + factors[:, None, None, None] * before
    np.testing.assert_allclose(result, expected, atol=0.05)
    assert 0.5 <= factors.min() < factors.max() <= 1.5
    assert len(np.unique(factors.round(4))) == len(pictures)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_brightness_and_contrast_keep_their_limits(channels: int) -> None:
    """Brightness multiplies, contrast stretches around the mean; any number of channels."""
    pictures = np.random.default_rng(1).uniform(100, 140, (32, 8, 8, channels)).astype("float32")
    light = called(ColourJitter(brightness=0.3, contrast=0.0, saturation=0.0, hue=0.0, seed=2), pictures) / pictures
    assert light.std(axis=(1, 2, 3)).max() < 1e-3
    assert 0.7 - 1e-3 <= light.min() < 0.8
    assert 1.2 < light.max() <= 1.3 + 1e-3
    stretched = called(ColourJitter(brightness=0.0, contrast=0.3, saturation=0.0, hue=0.0, seed=2), pictures)
    ratio = stretched.std(axis=(1, 2, 3)) / pictures.std(axis=(1, 2, 3))
    assert 0.7 - 1e-2 <= ratio.min() < ratio.max() <= 1.3 + 1e-2
    weights = LUMA if channels == 3 else np.full(channels, 1 / channels)
    np.testing.assert_allclose(
        (stretched @ weights).mean(axis=(1, 2)), (pictures @ weights).mean(axis=(1, 2)), atol=0.1
    )


@pytest.mark.parametrize("channels", [1, 4])
def test_colours_are_left_alone_where_there_are_not_three(channels: int) -> None:
    """Saturation and hue have no meaning for other numbers of channels."""
    pictures = np.random.default_rng(1).uniform(0, 255, (4, 8, 8, channels)).astype("float32")
    result = called(ColourJitter(brightness=0.0, contrast=0.0, saturation=0.9, hue=0.5, seed=2), pictures)
    np.testing.assert_array_equal(result, pictures)
    assert applied(pictures, 0, strength=2.0).shape == pictures.shape


def test_patches_are_rectangles_of_noise_of_the_right_size() -> None:
    """The share of pictures, the area and the sides of patches, and their values are as asked."""
    pictures = np.full((400, 40, 40, 3), -1.0, "float32")
    result = called(RandomPatch(chance=0.25, area=(0.1, 0.2), ratio=0.5, seed=1), pictures)
    mask = (result != -1).all(axis=-1)
    patched = mask[mask.any(axis=(1, 2))]
    assert 0.18 < len(patched) / 400 < 0.32
    tall, wide = patched.any(axis=2).sum(axis=1), patched.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(tall * wide, patched.sum(axis=(1, 2)))  # filled rectangles
    assert 0.1 - 0.02 <= (tall * wide / 1600).min() < 0.13
    assert 0.17 < (tall * wide / 1600).max() <= 0.2 + 0.02
    assert 0.5 - 0.1 <= (tall / wide).min() < 0.8
    assert 1.3 < (tall / wide).max() <= 2 + 0.3
    corners = {(int(m.any(axis=1).argmax()), int(m.any(axis=0).argmax())) for m in patched}
    assert len(corners) > len(patched) / 2
    noise = result[result != -1]
    assert 0 <= noise.min() < 3
    assert 252 < noise.max() <= 255
    assert 120 < noise.mean() < 135


def test_a_turn_leaves_no_dark_corner(pictures: Array) -> None:
    """What comes into view is the picture's mirror image, never black."""
    result = called(RandomView(turn=math.radians(30), area=0.9, ratio=1.0, seed=1), pictures)
    assert result.min() >= pictures.min() - 1e-2
