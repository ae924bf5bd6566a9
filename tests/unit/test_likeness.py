"""Looks of pictures, and which of them are alike."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.likeness import LARGEST_LEAST, look_alikes, look_of


def scene(seed: int, side: int = 200) -> Image.Image:
    """A picture of soft shapes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def look(phash: int, dhash: int = 0) -> str:
    """A look of given bits."""
    return f"{phash:016x}{dhash:016x}"


def test_a_smaller_copy_looks_alike_and_another_scene_does_not() -> None:
    """Resizing changes few bits; pictures of different things differ in many."""
    looks = [look_of(np.asarray(image)) for image in (scene(1), scene(2), scene(1).resize((64, 64)), scene(3))]
    assert look_alikes(looks).groups == ((0, 2),)


def test_pictures_of_one_colour_are_like_nothing() -> None:
    """They have no look, so that blank pages do not become copies of one another."""
    blank = [look_of(np.full((9, 9, 3), tone, np.uint8)) for tone in (0, 90, 90)]
    assert blank == ["", "", ""]
    assert look_alikes(blank).groups == ()


@pytest.mark.parametrize(("of_phash", "most_of_dhash"), [(0, 64), (2, 64), (3, 4), (4, 4), (5, -1)])
def test_the_rule_is_two_bits_or_four_of_both(of_phash: int, most_of_dhash: int) -> None:
    """At most 2 bits of the phash alone, or at most 4 of both; one bit more is another picture."""
    for of_dhash in (0, 4, 5, 64):
        found = look_alikes([look(0), look((1 << of_phash) - 1, (1 << of_dhash) - 1)])
        assert bool(found.groups) is (of_dhash <= most_of_dhash)


def test_pairs_are_found_wherever_their_bits_differ() -> None:
    """Against a comparison of all with all: the shortcut over pieces of the hash loses no pair."""
    draw = np.random.default_rng(0)
    originals = [int(value) for value in draw.integers(0, 1 << 64, 60, dtype=np.uint64)]
    looks = [look(value) for value in originals]
    for value in originals[:40]:
        changed = value
        for bit in draw.choice(64, size=int(draw.integers(1, 5)), replace=False):
            changed ^= 1 << int(bit)
        looks.append(look(changed))
    assert look_alikes(looks).groups == tuple((n, 60 + n) for n in range(40))


def test_alike_goes_through_others() -> None:
    """A chain of small changes is one group; identical looks are in it too."""
    assert look_alikes([look(0b11), look(0b1111), look(0), look(0b11)]).groups == ((0, 1, 2, 3),)


def test_a_group_too_large_for_copies_is_told_apart() -> None:
    """Scans of one form all look alike: they are reported as of one kind, not as copies."""
    uniform = [look(7)] * (LARGEST_LEAST + 1)
    found = look_alikes([*uniform, look((1 << 40) - 1), look((1 << 41) - 1)])
    assert found.uniform == (tuple(range(LARGEST_LEAST + 1)),)
    assert found.groups == ((LARGEST_LEAST + 1, LARGEST_LEAST + 2),)


def test_nothing_is_like_nothing() -> None:
    """No pictures, or one, make no group."""
    assert look_alikes([]).groups == look_alikes([look(3)]).groups == ()
