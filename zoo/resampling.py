"""What other pictures and other seeds would have given: the random draws behind intervals and comparisons.

Two things make a score uncertain: which pictures happen to be in the part, and which seeds happened to be run. Both are
taken as random, as readers and cases are in studies of diagnostic images (Obuchowski and Rockette 1995,
doi:10.1080/03610919508813243; degrees of freedom after Hillis 2007, doi:10.1002/sim.2532).

* *Pictures* are drawn with replacement (a bootstrap).
* *Seeds* are not: three seeds drawn from three leave out a third of the variance and all of the tail. Their spread is
  measured, freed of the noise that single pictures put into it, and drawn from Student's t.

A row with one seed has no spread. It borrows that of the row that it is compared with; if that has none either, what is
said holds for those two runs only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Float64Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 10_000
"""Draws of the bootstrap and of the permutation test."""

EXACT = 15
"""Up to this number of pictures on which two rows differ, all sign flips are tried."""


def deviations(
    tables: Sequence[Float64Array], share: Float64Array, rng: np.random.Generator, *, unseen: tuple[float, ...] = ()
) -> Float64Array:
    """What the sum of some rows' scores may be off by: `RESAMPLES` draws around 0.

    Args:
        tables: For each row the values of its runs on the pictures, of shape (seeds, n); numbers of seeds may differ.
        share: Weights of the pictures (n,), with the sum 1. Pictures of equal weight are drawn among themselves.
        rng: Source of chance.
        unseen: Values of pictures that might have come up but did not; together they count as one picture.
    """
    pictures = _resampled(np.sum([table.mean(axis=0) for table in tables], axis=0), share, rng, unseen=unseen)
    measured = [_spread(table, share) if len(table) > 1 else None for table in tables]
    known = next((spread for spread in measured if spread), None)
    if known is None:
        return pictures
    spreads = [(spread or known).mean_of(len(table)) for spread, table in zip(measured, tables, strict=True)]
    variance = float(pictures.var())
    seeds = max(0.0, sum(spread.variance - spread.noise for spread in spreads))
    # Satterthwaite: a part that was estimated from few seeds makes the tails of the whole heavier.
    weights = [variance**2 / max(len(share) - 1, 1), *(spread.variance**2 / spread.freedom for spread in spreads)]
    if not sum(weights):
        return pictures
    freedom = max(1.0, (variance + seeds) ** 2 / sum(weights))
    tails = np.sqrt(freedom / rng.chisquare(freedom, RESAMPLES))
    return np.asarray((pictures + math.sqrt(seeds) * rng.standard_normal(RESAMPLES)) * tails)


def sign_flip(contributions: Float64Array, rng: np.random.Generator) -> float:
    """How often random signs make a sum as large as it is, either way: the p-value of a paired permutation test.

    Args:
        contributions: What each picture adds to the difference of two rows, of shape (n,).
        rng: Source of chance, where there are too many flips to try all.
    """
    sizes = np.abs(contributions[contributions != 0])
    observed = abs(float(contributions.sum())) - 1e-12
    if len(sizes) <= EXACT:
        signs = 1 - 2 * (np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes)) & 1)
        return float((np.abs(signs @ sizes) >= observed).mean())
    cells, counts = np.unique(sizes, return_counts=True)
    sums = (2 * rng.binomial(counts, 0.5, (RESAMPLES, len(counts))) - counts) @ cells
    return float(1 + (np.abs(sums) >= observed).sum()) / (RESAMPLES + 1)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Variance of a score over seeds, the part of it that is noise of single pictures, degrees of freedom."""

    variance: float
    noise: float
    freedom: int

    def mean_of(self, seeds: int) -> _Spread:
        """The same for the mean of so many seeds."""
        return _Spread(self.variance / seeds, self.noise / seeds, self.freedom)


def _spread(table: Float64Array, share: Float64Array) -> _Spread:
    scores = table @ share
    rest = table - table.mean(axis=0) - (scores - scores.mean())[:, None]
    freedom = len(table) - 1
    return _Spread(float(scores.var(ddof=1)), float((rest**2).sum(axis=0) @ share**2) / freedom, freedom)


def _resampled(
    values: Float64Array, share: Float64Array, rng: np.random.Generator, *, unseen: tuple[float, ...]
) -> Float64Array:
    """Bootstrap deviations of Σ share · values, pictures of equal share (a class, if balanced) drawn among themselves.

    Drawing pictures is drawing how often each distinct value comes, so the cost does not grow with their number.
    """
    total = np.zeros(RESAMPLES)
    for weight in np.unique(share):
        cells, counts = np.unique(values[share == weight], return_counts=True)
        cells = np.concatenate([cells, unseen])
        odds = np.concatenate([counts, np.full(len(unseen), 1 / max(len(unseen), 1))])
        odds /= odds.sum()
        drawn = rng.multinomial(int(counts.sum()), odds, RESAMPLES)
        total += weight * (drawn @ cells - counts.sum() * (odds @ cells))
    return total
