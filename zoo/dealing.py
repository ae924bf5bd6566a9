"""Deals units of pictures to sides, so that each side gets its share of each class and no unit is divided.

Each unit goes to the side that lags furthest behind its share, counted over what was dealt so far of its class; large
units come first, units of one size in random order, rare classes before common ones. What a class leaves over by
rounding is carried to the next, as error diffusion does with shades of grey. So a class of single pictures is never
two or more pictures off its shares, nor are all classes together (but for classes so small that coverage decides).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from zoo.values import Part


_MOST_CARRIED = 2.0
"""Pictures: more than rounding can leave over. What coverage or large units leave over is not made good elsewhere."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Pictures that stay together.

    Attributes:
        members: Indices of the pictures.
        counts: How many of them have each label.
    """

    members: tuple[int, ...]
    counts: Mapping[int, int]


def deal(units: Sequence[Unit], *, shares: Mapping[Part, float], rng: np.random.Generator) -> list[Part]:
    """Deal units to sides.

    A class of one unit is dealt to the first side; one of fewer units than sides to the first ones; any other to all
    sides. Only where units hold several classes can a later side miss one; the first side never does.

    Args:
        units: What to deal. Their order matters for the draw.
        shares: Sides with their shares, each above 0; they sum to 1. `train` is the first.
        rng: Draws the order of units of one size.

    Returns:
        The side of each unit.
    """
    holders: dict[int, list[int]] = {}
    for number, unit in enumerate(units):
        for label in unit.counts:
            holders.setdefault(label, []).append(number)
    sides: dict[int, Part] = {}
    carry = dict.fromkeys(shares, 0.0)
    for label in sorted(holders, key=lambda label: (len(holders[label]), label)):
        held = [holders[label][index] for index in rng.permutation(len(holders[label]))]
        held.sort(key=lambda number: -len(units[number].members))
        lag = _deal_class([(number, units[number].counts[label]) for number in held], sides, shares=shares, lag=carry)
        carry = {part: min(_MOST_CARRIED, max(-_MOST_CARRIED, value)) for part, value in lag.items()}
    first = next(iter(shares))
    for held in holders.values():
        if all(sides[number] != first for number in held):
            sides[min(held, key=lambda number: len(units[number].members))] = first
    return [sides[number] for number in range(len(units))]


def _deal_class(
    held: Sequence[tuple[int, int]], sides: dict[int, Part], *, shares: Mapping[Part, float], lag: Mapping[Part, float]
) -> dict[Part, float]:
    """Deal the units of one class that a rarer class has not dealt already. Adds to `sides`.

    Args:
        held: Number of each unit and how many pictures of the class it has, in the order of dealing.
        sides: Where units lie.
        shares: As in `deal`.
        lag: Pictures that each side lags behind at the start.

    Returns:
        Pictures that each side lags behind in the end.
    """
    lags = dict(lag)
    missing = [part for part in list(shares)[: len(held)] if all(sides.get(number) != part for number, _ in held)]
    left = sum(number not in sides for number, _ in held)
    for number, count in sorted(held, key=lambda pair: pair[0] not in sides):  # those that lie already come first
        for part, share in shares.items():
            lags[part] += share * count
        if number not in sides:
            allowed = missing[:left] if left <= len(missing) else list(shares)
            sides[number] = max(allowed, key=lags.__getitem__)
            missing = [part for part in missing if part != sides[number]]
            left -= 1
        lags[sides[number]] -= count
    return lags
