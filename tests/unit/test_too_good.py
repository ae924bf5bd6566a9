"""Rules for scores that are too good, from what was measured of the two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoo import nearness, too_good
from zoo.explanations import Explanation
from zoo.nearness import Likeness
from zoo.records import dumps, loads
from zoo.too_good import Suspicion

N = 100


def likeness(*, across: float = 0.4, within: float = 0.4, copies: int = 0, scenes: int = 240) -> Likeness:
    """A hundred validation and two hundred training pictures around these cosines."""
    draw = np.random.default_rng(0)
    cosines = across + draw.uniform(-0.1, 0.1, N)
    cosines[:copies] = 0.97
    return Likeness(
        by="features",
        across=cosines,
        partner=np.arange(N),
        within=within + draw.uniform(-0.1, 0.1, 200),
        scenes=scenes,
        components=64,
        count=300,
    )


def suspicion(found: Likeness, **changes: object) -> Suspicion:
    """Of a perfect score."""
    plain = Suspicion(
        accuracy=1.0,
        majority=0.5,
        correct=np.ones(N, bool),
        likenesses=[(found, np.arange(N), np.arange(200))],
        neighbours={"features": 0.97},
        cues={"border": 0.55, "all of them": 0.6},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


NAMES = ([f"train/{place}" for place in range(200)], [f"val/{place}" for place in range(N)])


def explained(found: Suspicion) -> Explanation:
    """What is said of it."""
    said = too_good.explain(found, names=NAMES)
    assert said is not None
    return said


@pytest.mark.parametrize(
    ("cause", "found", "changes"),
    [
        ("near-copies", likeness(copies=30), {}),
        ("validation nearer than training", likeness(across=0.6), {}),
        ("few scenes", likeness(scenes=20), {}),
        ("trivial cue", likeness(), {"cues": {"file format": 0.99, "border": 0.5, "all of them": 0.99}}),
        ("nothing found", likeness(), {}),
    ],
)
def test_each_reason_is_named(cause: str, found: Likeness, changes: dict[str, object]) -> None:
    """One thing is wrong with the data, and it comes first."""
    assert explained(suspicion(found, **changes)).causes[0].name == cause


def test_near_copies_come_with_the_score_without_them() -> None:
    """All thirty copies are right, and of the seventy others thirty-five are."""
    correct = np.ones(N, bool)
    correct[65:] = False
    found = explained(suspicion(likeness(copies=30), correct=correct, accuracy=0.65, majority=0.3))
    assert "30 of 100 validation pictures have a near-copy" in found.causes[0].measurement
    assert "without them the score is 0.500 of 70" in found.causes[0].measurement
    assert found.causes[0].figures["without"] == pytest.approx(0.5)


def test_worst_pairs_are_listed_by_name() -> None:
    """The most alike first, twenty at most, each validation picture once, under the names of the sides."""
    first, second = likeness(copies=3), replace(likeness(copies=1), by="thumbnails", partner=np.arange(N) + 50)
    rows = (np.arange(N), np.arange(200))
    found = explained(suspicion(first, likenesses=[(first, *rows), (second, *rows)]))
    assert len(found.pairs) == too_good.PAIRS
    assert [pair.validation for pair in found.pairs[:3]] == ["val/0", "val/1", "val/2"]
    assert found.pairs[1].training == "train/1"
    assert len({pair.validation for pair in found.pairs}) == len(found.pairs)
    likes = [pair.likeness for pair in found.pairs]
    assert likes == sorted(likes, reverse=True)


def test_an_ordinary_score_without_a_finding_is_left_alone() -> None:
    """Below 0.995 nothing is said where nothing is found; a finding is said whatever the score."""
    assert too_good.explain(suspicion(likeness(), accuracy=0.95), names=NAMES) is None
    assert too_good.explain(suspicion(likeness(copies=30), accuracy=0.95), names=NAMES) is not None


def test_what_is_suspicious() -> None:
    """A very high score, or one that a nearest neighbour nearly reaches; not one that is hardly above guessing."""
    assert too_good.is_suspicious(1.0, 165, majority=0.5, neighbours={})
    assert too_good.is_suspicious(0.93, 165, majority=0.5, neighbours={"thumbnails": 0.92})
    assert not too_good.is_suspicious(0.93, 165, majority=0.5, neighbours={"thumbnails": 0.70, "features": 0.8})
    assert not too_good.is_suspicious(0.55, 165, majority=0.5, neighbours={"thumbnails": 0.5})


def test_explanations_with_pairs_survive_the_store() -> None:
    """Written as JSON and read again it is equal."""
    found = explained(suspicion(likeness(copies=30)))
    assert loads(Explanation, dumps(found)) == found
    assert found.line.startswith("most likely near-copies: 30 of 100")


def test_thresholds_are_those_of_the_descriptors() -> None:
    """What counts as a near-copy by features may not count by thumbnails, which see less."""
    border = likeness()
    border = replace(border, across=np.full(N, 0.82))
    assert border.near.all()
    assert not replace(border, by="thumbnails").near.any()
    assert nearness.NEAR["features"] < nearness.NEAR["thumbnails"]


def test_too_few_pictures_are_said_to_be_too_few() -> None:
    """Where near-copies were not looked for, it is not said that there are none."""
    few = explained(suspicion(replace(likeness(copies=1), components=11))).causes[0]
    assert few.name == "nothing found"
    assert "300 pictures are too few to look for near-copies" in few.measurement
    assert "0 of 100 have a near-copy" in explained(suspicion(likeness())).causes[0].measurement
