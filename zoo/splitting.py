"""Which pictures are on which side: stratified, seeded, and never with copies of one picture on two sides.

Pictures with identical pixels, pictures that look the same (resized, encoded again) and pictures that the source put
into one group form a unit that is never divided.
How units are dealt to the sides stands in `dealing`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from zoo.dealing import Unit, deal
from zoo.errors import SplitError
from zoo.values import PARTS, Split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.values import HealthReport, Part

Fractions = tuple[float, float, float]
"""Shares of training, validation and test pictures; they sum to 1."""

Sides = dict["Part", list[int]]
"""Indices of pictures on each side."""

_NAMED = 5  # items that a note names


def split(report: HealthReport, *, fractions: Fractions = (0.7, 0.15, 0.15), seed: int = 0) -> Split:
    """Divide the pictures of a report. The same pictures and seed give the same sides, in whatever order they come.

    Every class has a training picture; a class of two units has a validation picture too, one of three or more units
    is on every side that is not empty. Parts that the data come with are kept: a missing validation part is drawn
    from the training pictures, a missing test part stays empty, and of a picture that is in two parts the copy
    that would leak (training before validation before test) is dropped.

    Args:
        report: What the scan found.
        fractions: Shares of training (above 0), validation (above 0) and test (0 for no test part). Of data that
            come without a validation part the first two are used in proportion; otherwise given parts decide.
        seed: Of the draw, at least 0.

    Raises:
        SplitError: Fractions or seed cannot be used, or a side or a class would be without training or validation
            pictures.
    """
    _check_request(fractions, seed)
    pictures = report.table.pictures
    units = _units(report)
    rng = np.random.default_rng(seed)
    fixed = any(picture.part for picture in pictures)
    notes: list[str] = []
    if fixed:
        sides = _keep_parts(units, report, fractions=fractions, rng=rng, notes=notes)
    else:
        shares = {part: share for part, share in zip(PARTS, fractions, strict=True) if share}
        sides = _deal(units, shares=shares, rng=rng)
    kept = {index for side in sides.values() for index in side}
    _check_sides(report, sides)
    notes += _thin_notes(report, units, sides)
    notes += _conflict_notes(report, sides)
    named = [sorted(pictures[index].id for index in sides[part]) for part in PARTS]
    return Split(
        train=tuple(sorted(sides["train"])),
        validation=tuple(sorted(sides["validation"])),
        test=tuple(sorted(sides["test"])),
        dropped=tuple(index for index in range(len(pictures)) if index not in kept),
        seed=seed,
        fixed=fixed,
        notes=tuple(notes),
        digest=hashlib.sha256(json.dumps([report.digest, *named]).encode()).hexdigest(),
    )


def _check_request(fractions: Fractions, seed: int) -> None:
    usable = len(fractions) == len(PARTS) and all(math.isfinite(share) and share >= 0 for share in fractions)
    if not usable or not math.isclose(sum(fractions), 1, abs_tol=1e-6) or not fractions[0] or not fractions[1]:
        raise SplitError(
            f"Fractions {tuple(fractions)!r} cannot be used.",
            hint="Give three shares that sum to 1: training and validation above 0, test 0 or more; (0.7, 0.15, 0.15).",
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SplitError(f"The seed {seed!r} cannot be used.", hint="Give a whole number of at least 0.")


def _units(report: HealthReport) -> list[Unit]:
    """Unite pictures by fingerprint, look and group (union-find); sorted by the least id of each unit."""
    pictures = report.table.pictures
    parent = list(range(len(pictures)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    order = sorted(parent, key=lambda index: pictures[index].id)
    looks = {name: str(number) for number, names in enumerate(report.look_alikes) for name in names}
    first: tuple[dict[str, int], ...] = ({}, {}, {})  # by pixels, group and look
    for index in order:
        bonds = (report.fingerprints[index], pictures[index].group, looks.get(pictures[index].id))
        for known, name in zip(first, bonds, strict=True):
            if name is not None:
                parent[root(index)] = root(known.setdefault(name, index))
    members: dict[int, list[int]] = {}
    for index in order:
        members.setdefault(root(index), []).append(index)
    single = {label: {label: 1} for label in range(len(report.table.classes))}  # shared: a million need no million
    return [
        Unit(
            tuple(indices),
            single[pictures[indices[0]].label]
            if len(indices) == 1
            else Counter(pictures[index].label for index in indices),
        )
        for indices in members.values()
    ]


def _deal(units: Sequence[Unit], *, shares: Mapping[Part, float], rng: np.random.Generator) -> Sides:
    sides: Sides = {part: [] for part in PARTS}
    for unit, part in zip(units, deal(units, shares=shares, rng=rng), strict=True):
        sides[part].extend(unit.members)
    return sides


def _keep_parts(
    units: Sequence[Unit], report: HealthReport, *, fractions: Fractions, rng: np.random.Generator, notes: list[str]
) -> Sides:
    """Sides of data that come divided; pictures without a part count as training ones. Adds to `notes`."""
    pictures = report.table.pictures
    sides: Sides = {part: [] for part in PARTS}
    training: list[Unit] = []
    leaks: dict[Part, list[int]] = {"train": [], "validation": []}
    for unit in units:
        parts: list[Part] = [pictures[index].part or "train" for index in unit.members]
        strictest = max(parts, key=PARTS.index)
        stay = [index for index, part in zip(unit.members, parts, strict=True) if part == strictest]
        if strictest == "train":
            training.append(unit)
        sides[strictest].extend(stay)
        for index, part in zip(unit.members, parts, strict=True):
            if part != strictest:
                leaks[part].append(index)
    for part, lost in leaks.items():
        if lost:
            where = "validation or test" if part == "train" else "test"
            notes.append(
                f"Left out of {part}, {len(lost):,}, because {where} holds the same picture, one that looks the "
                f"same or one of its group: {_several([pictures[index].id for index in lost])}."
            )
    if not any(picture.part == "validation" for picture in pictures):
        both = fractions[0] + fractions[1]
        drawn = _deal(training, shares={"train": fractions[0] / both, "validation": fractions[1] / both}, rng=rng)
        sides["train"], sides["validation"] = drawn["train"], drawn["validation"]
        notes.append(f"No validation part is given: {len(sides['validation']):,} training pictures were drawn for it.")
    if not any(picture.part == "test" for picture in pictures):
        notes.append("No test part is given, so there is none: scores are those of the validation part.")
    return sides


def _check_sides(report: HealthReport, sides: Sides) -> None:
    table = report.table
    members = [index for part in PARTS for index in sides[part]]
    if len(set(members)) != len(members):
        raise SplitError(f"A picture of {table.location} is on two sides. This is a fault of the library.")
    more = "Add pictures, or make groups smaller: pictures that are or look the same and groups are never divided."
    needed: tuple[Part, ...] = ("train", "validation")
    for part in needed:
        if not sides[part]:
            raise SplitError(f"No picture of {table.location} is left for the {part} part.", hint=more)
    learnt = {table.pictures[index].label for index in sides["train"]}
    unlearnt = [repr(name) for label, name in enumerate(table.classes) if label not in learnt]
    if unlearnt:
        raise SplitError(f"Classes without a training picture in {table.location}: {_several(unlearnt)}.", hint=more)


def _thin_notes(report: HealthReport, units: Sequence[Unit], sides: Sides) -> list[str]:
    """Classes that a side has no picture of, and in how many units they come."""
    table = report.table
    held = Counter(label for unit in units for label in unit.counts)
    notes = []
    later: tuple[Part, ...] = ("validation", "test")
    for part in later:
        seen = {table.pictures[index].label for index in sides[part]}
        absent = [f"{name!r} ({held[label]})" for label, name in enumerate(table.classes) if label not in seen]
        if sides[part] and absent:
            notes.append(
                f"Classes without a {part} picture, so that their recall there is unknown (in brackets: how many "
                f"pictures or groups of copies they have in all): {_several(absent)}."
            )
    return notes


def _conflict_notes(report: HealthReport, sides: Sides) -> list[str]:
    if not report.conflicts:
        return []
    part_of = {report.table.pictures[index].id: part for part in PARTS for index in sides[part]}
    where = Counter(next((part_of[name] for name in group if name in part_of), "dropped") for group in report.conflicts)
    found = ", ".join(f"{part} {where[part]}" for part in (*PARTS, "dropped") if where[part])
    return [f"Identical pictures with different labels stay together, whole groups on each side: {found}."]


def _several(items: Sequence[str]) -> str:
    rest = len(items) - _NAMED
    return "; ".join(items[:_NAMED]) + (f"; and {rest:,} more" if rest > 0 else "")
