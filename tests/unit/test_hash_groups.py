"""Groups of hashes that differ in few bits: the shortcuts lose no pair and add none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo import hash_groups
from zoo.hash_groups import alike, group_labels


def hashes(count: int, centres: int, flips: tuple[int, int], seed: int = 0) -> Any:
    """Pairs of hashes around some centres, with up to so many bits of each changed: uint64 (count, 2)."""
    draw = np.random.default_rng(seed)
    found = draw.integers(0, 1 << 64, (centres, 2), dtype=np.uint64)[draw.integers(0, centres, count)]
    for column, most in enumerate(flips):
        for _ in range(most):
            bit = np.uint64(1) << draw.integers(0, 64, count).astype(np.uint64)
            found[:, column] ^= np.where(draw.random(count) < 0.7, bit, np.uint64(0))
    return found


def plain(bits: Any) -> list[set[int]]:
    """Groups of two or more, by comparing all with all."""
    near = np.bitwise_count(bits[:, None] ^ bits[None])
    near = (near[..., 0] <= 2) | (near <= 4).all(axis=-1)
    groups, left = [], set(range(len(bits)))
    while left:
        group, fresh = set(), {left.pop()}
        while fresh:
            group |= fresh
            fresh = {int(other) for row in fresh for other in np.flatnonzero(near[row])} - group
        left -= group
        groups.append(group)
    return sorted((group for group in groups if len(group) > 1), key=min)


def grouped(bits: Any) -> list[set[int]]:
    """Groups of two or more, as the module finds them."""
    groups: dict[int, set[int]] = {}
    for row, label in enumerate(group_labels(bits).tolist()):
        groups.setdefault(label, set()).add(row)
    return sorted((group for group in groups.values() if len(group) > 1), key=min)


@pytest.mark.parametrize("ahead", [1, 2, 32])
@pytest.mark.parametrize(
    ("centres", "flips"),
    [(1, (1, 1)), (1, (3, 3)), (1, (6, 6)), (1, (9, 2)), (1, (3, 40)), (5, (4, 4)), (40, (5, 4)), (400, (0, 0))],
)
def test_groups_are_those_of_comparing_all_with_all(
    centres: int, flips: tuple[int, int], ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks apart, much the same, and spread around one: with runs cut early or late the groups are the same."""
    monkeypatch.setattr(hash_groups, "_AHEAD", ahead)
    monkeypatch.setattr(hash_groups, "_BLOCK", 1000)
    bits = hashes(400, centres, flips, seed=centres)
    assert grouped(bits) == plain(bits)


def test_rows_much_the_same_cost_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 rows that are all alike, each is compared with a few, not with all others."""
    compared = 0

    def counting(left: Any, right: Any) -> Any:
        nonlocal compared
        compared += np.broadcast_shapes(left.shape, right.shape)[0]
        return alike(left, right)

    monkeypatch.setattr(hash_groups, "alike", counting)
    bits = hashes(20_000, 1, (1, 1))
    assert len(set(group_labels(bits).tolist())) == 1
    assert 20_000 <= compared < 10 * 20_000


def test_rows_apart_cost_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 rows at random only those are compared that share long pieces, which chance seldom makes."""
    compared = 0

    def counting(left: Any, right: Any) -> Any:
        nonlocal compared
        compared += len(left)
        return alike(left, right)

    monkeypatch.setattr(hash_groups, "alike", counting)
    assert len(set(group_labels(hashes(20_000, 20_000, (0, 0))).tolist())) < 20_000  # some centres are drawn twice
    assert compared < 10 * 20_000


def test_few_rows() -> None:
    """None, and one, are no group."""
    assert group_labels(np.empty((0, 2), np.uint64)).tolist() == []
    assert group_labels(np.zeros((1, 2), np.uint64)).tolist() == [0]
