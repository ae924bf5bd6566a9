"""Every policy with several heads on several networks: hold-out scores of all, and what sets of runs say of each other.

Runs can be shared between processes: each trains every n-th of what the common ledger does not have.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence import rowwise
from evidence.photos import Photos, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.rig import Ledger

    Run = dict[str, Any]

POLICIES = (
    "freeze-all",
    "bn-stats",
    "bias-only",
    "bn-affine",
    "bn-trainable:stats=moving",
    "bn-trainable:stats=precise",
    "unfreeze-top-k:k=2",
    "unfreeze-all",
    "lp-ft",
    "gradual",
    "fine-tune",
    "layer-decay",
    "l2-sp",
    "auto-rgn",
    "lora",
    "from-scratch",
)
"""All that are built in; `from-scratch` trains everything, here from pretrained weights, on batch statistics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        data: Folders with one sub-folder for each class, or `demo`.
        backbones: Their names.
        heads: Their names.
        policies: Names with options.
        size: Side of the pictures in pixels.
        train: Training pictures of each data set, drawn evenly from its classes.
        validation: Validation pictures, which choose the epoch.
        holdout: Hold-out pictures at most, which compare the policies.
        epochs: Of each run; none ends early.
        batch_size: Pictures in a batch.
        seeds: Runs of each row.
        share: As `2/16`: what this process trains of all runs.
    """

    data: tuple[str, ...]
    backbones: tuple[str, ...] = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
    heads: tuple[str, ...] = ("gap", "probe", "concat-pool")
    policies: tuple[str, ...] = POLICIES
    size: int = 96
    train: int = 240
    validation: int = 100
    holdout: int = 400
    epochs: int = 5
    batch_size: int = 16
    seeds: int = 3
    share: str = "1/1"

    def photos(self) -> list[Photos]:
        """The chosen pictures of each data set."""
        counts = {"train": self.train, "validation": self.validation, "holdout": self.holdout}
        return [choose(folder, size=self.size, **counts) for folder in self.data]

    def run(self, backbone: str, head: str, policy: str, seed: int) -> Run:
        """The arguments of a run."""
        row = {"backbone": f"{backbone}:size={self.size}", "head": head, "policy": policy, "seed": seed}
        return {**row, "epochs": self.epochs, "batch_size": self.batch_size, "patience": None}

    def runs(self) -> Iterator[Run]:
        """The runs on one data set; those of one network and one policy follow each other."""
        for backbone, head, policy in itertools.product(self.backbones, self.heads, self.policies):
            yield from (self.run(backbone, head, policy, seed) for seed in range(self.seeds))

    def mine(self, waiting: list[Any]) -> list[Any]:
        """What this process trains of what is waiting: pieces of equal length, in order, so that networks are shared.

        Raises:
            ValueError: The share is none.
        """
        number, _, of = self.share.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ValueError(f"share={self.share} is no share; write share=1/4, share=2/4 and so on.")
        index, count = int(number) - 1, int(of)
        return waiting[len(waiting) * index // count : len(waiting) * (index + 1) // count]


def train(plan: Plan, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Trains this process' share of what the ledger does not have; seed by seed."""
    sets = plan.photos()
    waiting = [
        (index, run)
        for index, photos in enumerate(sets)
        for run in plan.runs()
        if ledger.name(rowwise.key(photos, run)) not in ledger.found
    ]
    mine = plan.mine(waiting)
    for index, photos in enumerate(sets):
        here = [run for number, run in mine if number == index]
        rowwise.train(photos, sorted(here, key=lambda run: run["seed"]), ledger, say)


def collect(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """What the ledger has.

    Returns:
        `about` with all settings; `sets` with classes, numbers of pictures and majority of each data set; `rows`: data,
        backbone, head, policy, and as `rig.summary` says, with `correct` (hexadecimal bits of each seed) and `trained`
        weights.
    """
    rows, sets = [], {}
    for photos in plan.photos():
        sets[photos.name] = {**photos.counts, "classes": len(photos.classes), "majority": round(photos.majority, 4)}
        for backbone, head, policy in itertools.product(plan.backbones, plan.heads, plan.policies):
            seeds = [plan.run(backbone, head, policy, seed) for seed in range(plan.seeds)]
            found = rowwise.collect(photos, seeds, ledger)
            if found:
                done = [ledger.found.get(ledger.name(rowwise.key(photos, seed))) for seed in seeds]
                bits = [one["correct"] for one in done if one]
                facts = {"data": photos.name, "backbone": backbone, "head": head, "policy": policy}
                kept = {name: found[name] for name in ("holdout", "low", "high", "holdout_seeds", "best_epochs")}
                trained = next(one["trained"] for one in done if one)
                rows.append({**facts, **kept, "correct": bits, "trained": trained})
    about = {"backbones": plan.backbones, "heads": plan.heads, "policies": plan.policies, "seeds": plan.seeds}
    settings = {"size": plan.size, "epochs": plan.epochs, "batch_size": plan.batch_size}
    return {"about": {**about, **settings}, "sets": sets, "rows": rows}
