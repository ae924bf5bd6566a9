"""What is judged from facts of pixels and from responses, without a network."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from zoo.inputs import Limits, Response, gain, judge, late, response, strength
from zoo.moments import LayerMoments
from zoo.pixel_facts import pixel_facts

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (20, 24, 24, 3)).astype(np.uint8)


def as_jpeg(picture: np.ndarray) -> np.ndarray:
    """A picture that was saved as JPEG."""
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=85)
    return np.asarray(Image.open(held).convert("RGB"))


def some(pixels: np.ndarray, rows: object, value: float) -> np.ndarray:
    """Float pictures with a value put into some rows."""
    changed = pixels.astype(np.float32)
    changed[rows, 3, 3] = value
    return changed


@pytest.mark.parametrize(
    ("pixels", "cause"),
    [
        (PICTURES, None),
        (PICTURES.astype(np.float32), None),
        (some(PICTURES, 4, np.nan), "not-a-number"),
        (some(PICTURES, slice(None), np.inf), "not-a-number"),
        (PICTURES.astype(np.float32) / 255, "rescaled-twice"),
        ((PICTURES > 127).astype(np.uint8), "rescaled-twice"),
        ((PICTURES.astype(np.float32) / 127.5) - 1, "not-rescaled"),
        (PICTURES.astype(np.float32) * 257, "not-rescaled"),
        (PICTURES // 16, "rescaled-twice"),
        (np.zeros_like(PICTURES), "constant"),
        (np.broadcast_to(np.array([200, 30, 90], np.uint8), PICTURES.shape), "constant"),
        (np.repeat(PICTURES[..., :1], 3, axis=3), "grey"),
        (np.stack([as_jpeg(np.repeat(one[..., :1], 3, axis=2)) for one in PICTURES]), "grey"),
        (PICTURES[..., :1], None),
    ],
)
def test_pixels_tell_what_is_wrong(pixels: np.ndarray, cause: str | None) -> None:
    """Each mistake that pixels show has its cause; pictures of one channel are no grey colour pictures."""
    found = judge(pixel_facts(pixels))
    assert (None if found is None else found.cause) == cause


def test_few_odd_pictures_are_no_fault_of_the_set() -> None:
    """Some black, some grey and some dark pictures say nothing about the others."""
    mixed = PICTURES.copy()
    mixed[:3] = 0
    mixed[3:6] = mixed[3:6, :, :, :1]
    mixed[6:9] //= 128
    assert judge(pixel_facts(mixed)) is None


def test_mixed_scales_are_told_with_their_share() -> None:
    """Of pictures that are half divided and half not, the message says how many are."""
    mixed = PICTURES.astype(np.float32)
    mixed[:12] /= 255
    found = judge(pixel_facts(mixed))
    assert found is not None
    assert found.fact.startswith("12 of 20 pictures looked at hold no value above 1")


def layer(mean: np.ndarray, square: np.ndarray, stored_mean: float = 0.0, stored_variance: float = 1.0) -> LayerMoments:
    """A BatchNorm layer with equal statistics in all channels and epsilon 0."""
    width = mean.shape[1]
    return LayerMoments(
        name="bn",
        mean=mean,
        square=square,
        places=9,
        stored_mean=np.full(width, stored_mean, np.float32),
        stored_variance=np.full(width, stored_variance, np.float32),
        epsilon=0.0,
        momentum=0.9,
    )


def test_strength_is_energy_and_sparsity() -> None:
    """The logarithm of energy in stored variances, plus how far means are below the stored one in deviations."""
    one = layer(np.array([[1.0, 3.0]]), np.array([[8.0, 24.0]]), stored_mean=4.0, stored_variance=4.0)
    assert strength([one]) == pytest.approx([np.log(4.0) + 1.0])
    assert strength([one, one]) == pytest.approx(strength([one]))


def test_response_tells_the_first_layer_from_the_late_ones() -> None:
    """Misfit is that of the first layer, strength that of the others."""
    fits = layer(np.zeros((4, 3)), np.ones((4, 3)))
    wild = layer(np.full((4, 3), 5.0), np.full((4, 3), 26.0))
    assert response([fits, wild]).misfit == pytest.approx(0.0, abs=1e-9)
    assert response([wild, fits]).misfit == pytest.approx(25.0)
    assert response([fits, wild]).strength == pytest.approx(strength([wild]))
    assert late(list(range(10))) == [6, 7, 8, 9]
    assert late([7]) == [7]


def test_gain_is_paired() -> None:
    """Differences between pictures cancel out; few pictures and equal ones say nothing."""
    given = RNG.normal(0, 10, 30)
    noise = RNG.normal(0, 1, 30)
    mean, errors = gain(given + 1 + noise, given)
    assert mean == pytest.approx(1 + noise.mean())
    assert errors == pytest.approx(mean / (noise.std(ddof=1) / np.sqrt(30)))
    assert gain(given[:4] + 1, given[:4])[1] == 0
    assert gain(given, given) == (0, 0)


FACTS = pixel_facts(PICTURES)
GIVEN = RNG.normal(0, 1, 40)


def read(misfit: float, *, raised: float = 0.0, whole: float = 0.1) -> Response:
    """A response whose strength is by so much higher, with an error of about 0.16."""
    return Response(misfit, whole, GIVEN + raised + np.where(np.arange(40) % 2, 1.0, -1.0))


@pytest.mark.parametrize(
    ("readings", "cause", "sure"),
    [
        ({"given": read(0.5), "swapped": read(0.5, raised=-1), "inverted": read(0.5, raised=-1)}, None, True),
        ({"given": read(0.5), "swapped": read(0.5, raised=1), "inverted": read(0.5, raised=-1)}, "swapped", True),
        ({"given": read(0.5), "swapped": read(0.5, raised=0.2), "inverted": read(0.5)}, "swapped", False),
        ({"given": read(0.5), "swapped": read(0.5, raised=1), "inverted": read(0.5, raised=2)}, "inverted", True),
        ({"given": read(0.5), "swapped": read(0.5, raised=1, whole=0.2)}, None, True),
        ({"given": read(0.5, whole=0.6), "inverted": read(0.5, raised=1, whole=0.6)}, None, True),
        ({"given": read(0.5, whole=5.0), "inverted": read(0.5, raised=-1, whole=0.3)}, "inverted", True),
        ({"given": read(900), "times-255": read(3), "over-255": read(1000)}, "rescaled-twice", True),
        ({"given": read(900), "times-255": read(1e6), "over-255": read(30)}, "not-rescaled", True),
        ({"given": read(900), "times-255": read(1e6), "over-255": read(700)}, None, True),
        ({"given": read(float("nan"))}, "not-a-number", True),
    ],
)
def test_readings_tell_what_is_wrong(readings: dict, cause: str | None, *, sure: bool) -> None:
    """A reading that fits or is responded to better names its cause; a misfit that none cures is a shift, no mistake.

    A reading under which statistics fit much worse is not taken although the response is higher.
    """
    given = readings["given"]
    readings["given"] = Response(given.misfit, given.whole, GIVEN)
    found = judge(FACTS, readings)
    assert (None if found is None else found.cause) == cause
    if found is not None:
        assert found.sure == sure
        assert ("may be" in found.text) != sure


def test_limits_are_obeyed() -> None:
    """What a caller tunes counts instead of the usual limits."""
    readings = {"given": Response(0.5, 0.1, GIVEN), "swapped": read(0.5, raised=1)}
    assert judge(FACTS, readings, Limits(likely=100.0)) is None


def test_equal_channels_cannot_be_swapped() -> None:
    """Grey pictures are told as grey, whatever rounding makes of a swap."""
    grey = pixel_facts(np.repeat(PICTURES[..., :1], 3, axis=3))
    found = judge(grey, {"given": Response(0.5, 0.1, GIVEN), "swapped": read(0.5, raised=1)})
    assert found is not None
    assert found.cause == "grey"
