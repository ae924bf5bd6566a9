"""The method that deals units of pictures to sides."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.dealing import Unit, deal

if TYPE_CHECKING:
    from zoo.values import Part

THREE: dict[Part, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}


def singles(sizes: list[int]) -> list[Unit]:
    """Single pictures of classes of these sizes."""
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    return [Unit((index,), {label: 1}) for index, label in enumerate(labels)]


def table(units: list[Unit], sides: list[Part]) -> dict[int, Counter[Part]]:
    """Pictures of each class on each side."""
    counts: dict[int, Counter[Part]] = {}
    for unit, side in zip(units, sides, strict=True):
        for label, count in unit.counts.items():
            counts.setdefault(label, Counter())[side] += count
    return counts


def dealt(units: list[Unit], *, shares: dict[Part, float] | None = None, seed: int = 0) -> dict[int, Counter[Part]]:
    """Deal, and count."""
    return table(units, deal(units, shares=shares or THREE, rng=np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (20, (14, 3, 3)), (100, (70, 15, 15))],
)
def test_one_class_gets_its_shares(size: int, expected: tuple[int, int, int]) -> None:
    """One picture is for training, two are for training and validation, more are on all sides in proportion."""
    counts = dealt(singles([size]))[0]
    assert tuple(counts[part] for part in THREE) == expected


def test_rounding_evens_out_over_classes() -> None:
    """A hundred classes of eleven pictures are divided exactly in all, and each within one picture."""
    counts = dealt(singles([11] * 100))
    total = sum(counts.values(), Counter[str]())
    assert [total[part] for part in THREE] == [770, 165, 165]
    assert {one["train"] for one in counts.values()} <= {7, 8}
    assert {one["test"] for one in counts.values()} <= {1, 2}


def test_large_units_are_not_all_for_training() -> None:
    """Twenty groups of five among singles lie on all sides in proportion."""
    units = [Unit(tuple(range(5 * i, 5 * i + 5)), {0: 5}) for i in range(20)]
    units += [Unit((100 + i,), {0: 1}) for i in range(100)]
    sides = deal(units, shares=THREE, rng=np.random.default_rng(0))
    assert Counter(sides[:20]) == {"train": 14, "validation": 3, "test": 3}
    assert table(units, sides)[0] == {"train": 140, "validation": 30, "test": 30}


def test_seeds_draw_differently_and_repeatably() -> None:
    """A seed gives one draw; every picture is in validation under some seed."""
    units = singles([12, 12])
    draws = [deal(units, shares=THREE, rng=np.random.default_rng(seed)) for seed in range(60)]
    assert draws[3] == deal(units, shares=THREE, rng=np.random.default_rng(3))
    assert all(any(draw[index] == "validation" for draw in draws) for index in range(24))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(20, 90), min_size=1, max_size=12),
    weights=st.tuples(st.integers(2, 9), st.integers(1, 4), st.integers(0, 4)),
    seed=st.integers(0, 99),
)
def test_single_pictures_are_within_two_of_their_shares(
    sizes: list[int], weights: tuple[int, int, int], seed: int
) -> None:
    """Per class and in all, no side is two pictures off, unless a tiny share makes coverage decide."""
    shares = {part: weight / sum(weights) for part, weight in zip(THREE, weights, strict=True) if weight}
    counts = dealt(singles(sizes), shares=shares, seed=seed)
    total = sum(counts.values(), Counter[str]())
    for part, share in shares.items():
        assert abs(total[part] - share * sum(sizes)) < 2
        for label, size in enumerate(sizes):
            assert abs(counts[label][part] - share * size) < 2


@settings(max_examples=80, deadline=None)
@given(
    groups=st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=9), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_units_of_any_size_cover_the_sides(groups: list[list[int]], seed: int) -> None:
    """Whatever the sizes: one unit is for training, two are for training and validation, three or more on all sides."""
    units: list[Unit] = []
    start = 0
    for label, sizes in enumerate(groups):
        for size in sizes:
            units.append(Unit(tuple(range(start, start + size)), {label: size}))
            start += size
    counts = dealt(units, seed=seed)
    for label, sizes in enumerate(groups):
        assert [part for part in THREE if counts[label][part]] == list(THREE)[: len(sizes)]
        assert sum(counts[label].values()) == sum(sizes)


@settings(max_examples=80, deadline=None)
@given(
    mixed=st.lists(st.dictionaries(st.integers(0, 5), st.integers(1, 4), min_size=1), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_units_of_several_classes_leave_no_class_untrained(mixed: list[dict[int, int]], seed: int) -> None:
    """Units that hold several classes are dealt whole, and each class has a training picture."""
    units = [Unit((index,), counts) for index, counts in enumerate(mixed)]
    counts = dealt(units, seed=seed)
    assert all(one["train"] for one in counts.values())
    assert sum(sum(one.values()) for one in counts.values()) == sum(sum(one.values()) for one in mixed)
