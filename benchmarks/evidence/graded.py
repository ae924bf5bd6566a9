"""(c) Which policy wins under which shift: photos shifted in kind and grade, policies, seeds, hold-out scores."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.photos import Photos, changed, choose, write
from evidence.rig import Ledger, Rig, summary
from evidence.shifts import GRADES, Shift, shift_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.dataset import Dataset

POLICIES = (
    "freeze-all",
    "bn-stats",
    "unfreeze-top-k:k=2",
    "bn-affine",
    "bn-trainable",
    "bn-trainable:stats=moving",
    "fine-tune",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        data: Folders with one sub-folder for each class, or `demo`.
        backbone: Its name.
        size: Side of the pictures in pixels.
        train: Training pictures of each data set, drawn evenly from its classes.
        validation: Validation pictures, which choose the epoch.
        holdout: Hold-out pictures, which compare the policies.
        epochs: Of each run; none ends early.
        batch_size: Pictures in a batch.
        seeds: Runs of each row.
        policies: Names with options.
        shifts: What is done to all pictures.
    """

    data: tuple[str, ...]
    backbone: str = "efficientnet-lite0"
    size: int = 96
    train: int = 192
    validation: int = 96
    holdout: int = 300
    epochs: int = 5
    batch_size: int = 16
    seeds: int = 2
    policies: tuple[str, ...] = POLICIES
    shifts: tuple[str, ...] = tuple(shift.title for shift in GRADES)

    @property
    def settings(self) -> dict[str, Any]:
        """What all runs share."""
        return {"backbone": self.backbone, "size": self.size, "epochs": self.epochs, "batch_size": self.batch_size}

    def key(self, photos: Photos, shift: str, policy: str, seed: int) -> dict[str, Any]:
        """Names a run in the ledger."""
        run = {"data": photos.name, "shift": shift, "policy": policy, "seed": seed}
        return {**self.settings, **photos.counts, **run}


@dataclass
class Copies:
    """Shifted copies in a folder that is gone afterwards, each made when it is first asked for."""

    home: Path
    rig: Rig
    size: int
    _made: dict[tuple[str, str], tuple[Dataset, Photos]] = field(default_factory=dict, repr=False)

    def of(self, photos: Photos, shift: Shift) -> tuple[Dataset, Photos]:
        """The copy as zoo reads it, and with its hold-out pictures."""
        key = (photos.name, shift.title)
        if key not in self._made:
            shifted = changed(photos, shift.change)
            folder = write(shifted, self.home / photos.name / shift.title)
            self._made[key] = (self.rig.dataset(folder, self.size), shifted)
        return self._made[key]


def photos_of(plan: Plan) -> list[Photos]:
    """The chosen pictures of each data set."""
    counts = {"train": plan.train, "validation": plan.validation, "holdout": plan.holdout}
    return [choose(folder, size=plan.size, **counts) for folder in plan.data]


def train(plan: Plan, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Trains what the ledger does not have: seed by seed, and policy by policy, so that all shifts share a network."""
    sets = photos_of(plan)
    with tempfile.TemporaryDirectory(prefix="zoo-shifts-", ignore_cleanup_errors=True) as home, Rig() as rig:
        copies = Copies(Path(home), rig, plan.size)
        for seed, photos, policy, title in itertools.product(range(plan.seeds), sets, plan.policies, plan.shifts):
            row = {"backbone": f"{plan.backbone}:size={plan.size}", "policy": policy, "seed": seed}
            row |= {"epochs": plan.epochs, "batch_size": plan.batch_size, "patience": None}

            def fit(photos: Photos = photos, title: str = title, row: dict[str, Any] = row) -> dict[str, Any]:
                dataset, shifted = copies.of(photos, shift_named(title))
                return rig.result(dataset, shifted, **row)

            found = ledger.get(plan.key(photos, title, policy, seed), fit)
            say(f"{photos.name} · {title} · {policy} · {seed}: {found['holdout']:.3f}, {found['seconds']} s")


def collect(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """The cells of which the ledger has every policy, each with the seeds that it has.

    Returns:
        `about` with all settings, and `cells`: data, shift, grade, numbers of pictures, accuracy of the majority, and
        for each policy hold-out accuracy with seeds and interval, validation accuracy, kept epochs and seconds.
    """
    cells = []
    for photos, title in itertools.product(photos_of(plan), plan.shifts):
        results = {}
        for policy in plan.policies:
            names = [ledger.name(plan.key(photos, title, policy, seed)) for seed in range(plan.seeds)]
            results[policy] = [ledger.found[name] for name in names if name in ledger.found]
        if all(results.values()):
            cells.append(_cell(photos, shift_named(title), results))
    counts = {"train": plan.train, "validation": plan.validation, "holdout": plan.holdout}
    return {"about": {**plan.settings, **counts, "seeds": plan.seeds, "policies": list(plan.policies)}, "cells": cells}


def _cell(photos: Photos, shift: Shift, results: dict[str, Any]) -> dict[str, Any]:
    n = photos.counts
    return {
        "data": photos.name,
        "shift": shift.name,
        "grade": shift.grade,
        "words": shift.words,
        "classes": len(photos.classes),
        "n": {"train": n["train"], "validation": n["val"], "holdout": n["holdout"]},
        "majority": round(photos.majority, 4),
        "policies": {policy: summary(found, n["holdout"]) for policy, found in results.items()},
    }


def write_copies(plan: Plan, folder: Path) -> None:
    """Writes the shifted copies alone: `folder/DATA/SHIFT/pictures` as zoo reads it, and `holdout` beside it."""
    for photos, title in itertools.product(photos_of(plan), plan.shifts):
        write(changed(photos, shift_named(title).change), folder / photos.name / title)
