"""The known cases of the programs that measure explanations are wrong in the way that they say, and in no other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "diagnosis"


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module beside the programs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import cases

    yield cases
    del sys.modules["cases"]


def test_labels_by_lot_have_nothing_to_do_with_pictures(cases: Any) -> None:
    """The pictures are the same, about half of the labels are not, and their numbers stay."""
    plain, shuffled = (cases.load(kind=kind, images=200).pictures for kind in ("plain", "shuffled"))
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(plain, shuffled, strict=True))
    changed = sum(one.label != other.label for one, other in zip(plain, shuffled, strict=True))
    assert 60 < changed < 140
    assert sum(one.label for one in shuffled) == sum(one.label for one in plain)


def test_mirrored_validation_comes_from_training(cases: Any) -> None:
    """Each validation picture is the mirror image of the training picture of its name."""
    pictures = {one.id: one for one in cases.load(kind="mirrored", images=40).pictures}
    made = [one for one in pictures.values() if one.part == "validation"]
    assert len(made) == 10
    for one in made:
        assert np.array_equal(one.pixels[:, ::-1], pictures[one.id.removesuffix("-made")].pixels)


def test_few_scenes_have_many_variations(cases: Any) -> None:
    """Twelve panels, thirty variations of each, no two equal."""
    pictures = cases.load(kind="scenes").pictures
    assert len(pictures) == cases.SCENES * cases.VARIATIONS
    assert len({one.id.rpartition("-")[0] for one in pictures}) == cases.SCENES
    assert len({one.pixels.tobytes() for one in pictures}) == len(pictures)


def test_tinted_pictures_tell_their_class_by_brightness(cases: Any) -> None:
    """Damaged panels are 60 steps lighter than they would be beside clean ones."""
    plain, tinted = (cases.load(kind=kind, images=40).pictures for kind in ("plain", "tinted"))
    for one, other in zip(plain, tinted, strict=True):
        wanted = np.clip(one.pixels.astype(int) + (30 if one.label else -30), 0, 255)
        assert np.array_equal(other.pixels, wanted)


def test_shapes_depend_on_the_seed_alone(cases: Any) -> None:
    """Equal seeds give equal pictures, others do not."""
    first, again, other = (cases.load(kind="shapes", images=40, seed=seed).pictures for seed in (1, 1, 2))
    assert first[0].pixels.tobytes() == again[0].pixels.tobytes()
    assert first[0].pixels.tobytes() != other[0].pixels.tobytes()
