"""Groups of pairs of 64-bit hashes that differ in few bits, without comparing all with all.

Two rows are alike if at most `CLOSE` bits of the first hash differ, or at most `NEAR` bits of both. If at most d bits
differ and a hash is cut into p > d pieces, then p - d pieces are the same in both (the pigeonhole principle; Manku,
Jain and Das Sarma 2007, doi:10.1145/1242572.1242592). So only rows that have such pieces in common are compared: rows
are sorted by them, once for each choice of pieces, and each row is compared with those that follow it.

Where many rows are much the same, runs of equal pieces are long. Then rows that are in one group already are not
compared again, and long runs are cut by more and longer pieces. All this saves work; the groups are those of comparing
all with all.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, Any]

CLOSE = 2
"""Bits of the first hash that may differ, whatever the second says."""

NEAR = 4
"""Bits of both hashes that may differ."""

_BITS = 64
_AHEAD = 32
"""Rows that a row is compared with at once; longer runs are cut, or taken one by one."""

_BLOCK = 1 << 20  # comparisons at a time within one run


def alike(left: Array, right: Array) -> Array:
    """Whether pairs are alike: bool (…), from uint64 (…, 2) of each side."""
    differ = np.bitwise_count(left ^ right)
    first, second = differ[..., 0], differ[..., 1]
    return np.asarray((first <= CLOSE) | ((first <= NEAR) & (second <= NEAR)))


def group_labels(bits: Array) -> Array:
    """A number for each row, the same for rows that are alike, directly or through others.

    Args:
        bits: uint64 (n, 2): the two hashes of each row.

    Returns:
        int64 (n,).
    """
    labels = np.arange(len(bits))
    for distance, both in ((CLOSE, False), (NEAR, True)):
        rows = np.arange(len(bits))
        for pieces in (distance + 1, distance + 2):
            crowded = np.zeros(len(bits), bool)
            for key in _keys(bits[rows], pieces, distance, both=both):
                labels, runs = _join(bits, rows, key, labels)
                for run in runs:
                    if pieces == distance + 2:
                        labels = _join_run(bits, run, labels)
                    else:
                        crowded[run] = True
            rows = np.flatnonzero(crowded)
            if not len(rows):
                break
    return labels


def _keys(bits: Array, pieces: int, distance: int, *, both: bool) -> Iterator[Array]:
    """For every choice of pieces, a number that is the same in rows that have these pieces in common."""
    edges = list(itertools.pairwise(_BITS * piece // pieces for piece in range(pieces + 1)))
    choices = list(itertools.combinations(edges, pieces - distance))
    for first in choices:
        own = _gathered(bits[:, 0], first)
        if not both:
            yield own
            continue
        for second in choices:
            width = sum(high - low for low, high in second)
            yield (own << np.uint64(width)) | _gathered(bits[:, 1], second)


def _gathered(hashes: Array, chosen: tuple[tuple[int, int], ...]) -> Array:
    """Some pieces of hashes side by side."""
    found = np.zeros(len(hashes), np.uint64)
    for low, high in chosen:
        width = np.uint64(high - low)
        found = (found << width) | ((hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1))
    return found


def _join(bits: Array, rows: Array, key: Array, labels: Array) -> tuple[Array, list[Array]]:
    """Unites alike rows that have a key in common; gives back labels and long runs that are not one group yet."""
    if not len(key):
        return labels, []
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    paired = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    members, breaks = rows[order][paired], np.concatenate([[True], ~same])[paired]
    if not len(members):
        return labels, []
    starts = np.flatnonzero(breaks)
    ends = np.append(starts[1:], len(members))
    end = np.repeat(ends, ends - starts)  # of the run of each member
    active = np.arange(len(members))
    for ahead in range(1, _AHEAD + 1):
        active = active[active + ahead < end[active]]
        left, right = members[active], members[active + ahead]
        apart = labels[left] != labels[right]
        left, right = left[apart], right[apart]
        found = alike(bits[left], bits[right])
        labels = _united(labels, left[found], right[found])
        if ahead & (ahead - 1) == 0 and len(active):  # 1, 2, 4, …
            mixed = _is_mixed(labels[members], starts)
            active = active[np.repeat(mixed, ends - starts)[active]]
        if not len(active):
            return labels, []
    long = np.unique(end[active])
    begin = starts[np.searchsorted(ends, long)]
    return labels, [members[low:high] for low, high in zip(begin, long, strict=True)]


def _is_mixed(labels: Array, starts: Array) -> Array:
    """Whether each run holds more than one label."""
    return np.asarray(np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts))


def _join_run(bits: Array, run: Array, labels: Array) -> Array:
    """Unites all alike rows of one run: those outside its largest group with all."""
    names, counts = np.unique(labels[run], return_counts=True)
    others = run[labels[run] != names[counts.argmax()]]
    step = max(1, _BLOCK // len(run))
    for start in range(0, len(others), step):
        block = others[start : start + step]
        one, other = np.nonzero(alike(bits[block][:, None], bits[run][None]))
        labels = _united(labels, block[one], run[other])
    return labels


def _united(labels: Array, left: Array, right: Array) -> Array:
    """Labels after pairs of rows have become one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = labels[left], labels[right]
    apart = one != other
    if not apart.any():
        return labels
    size = len(labels)
    edges = coo_array((np.ones(apart.sum(), bool), (one[apart], other[apart])), shape=(size, size))
    return np.asarray(connected_components(edges, directed=False)[1][labels], np.int64)
