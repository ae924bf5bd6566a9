"""(e) Pooling against flattening, and shallow against deep networks from scratch, with few and with more pictures."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence import rowwise
from evidence.photos import choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.photos import Photos
    from evidence.rig import Ledger

HEADS = ("gap", "flatten")
DEPTHS = (2, 4, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        data: A folder with one sub-folder for each class, or `demo`.
        backbone: Under whose features heads are compared, all blocks frozen.
        size: Side of the pictures in pixels.
        few: Training pictures.
        some: Training pictures.
        most: Training pictures at most: all that the training side has.
        validation: Validation pictures.
        holdout: Hold-out pictures.
        steps: Of training heads, about: epochs are as many as that takes.
        scratch_steps: Of training networks from scratch.
        batch_size: Pictures in a batch.
        seeds: Runs of each row.
    """

    data: str
    backbone: str = "efficientnet-lite0"
    size: int = 96
    few: int = 50
    some: int = 200
    most: int = 100_000
    validation: int = 96
    holdout: int = 300
    steps: int = 200
    scratch_steps: int = 300
    batch_size: int = 16
    seeds: int = 2

    def photos(self, train: int) -> Photos:
        """The chosen pictures; validation and hold-out pictures are the same whatever the number for training."""
        return choose(self.data, size=self.size, train=train, validation=self.validation, holdout=self.holdout)

    def rows(self, photos: Photos) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """What tells each row, and the arguments of its runs."""
        per_epoch = max(1, photos.counts["train"] // self.batch_size)
        long, short = -(-self.scratch_steps // per_epoch), -(-self.steps // per_epoch)
        rows: list[tuple[str, str, str, int]] = [
            (f"{self.backbone}, frozen", f"{self.backbone}:size={self.size}", "freeze-all", short)
        ]
        for depth in DEPTHS:
            name = f"scratch-cnn:size={self.size},depth={depth}"
            rows.append((f"scratch-cnn, depth {depth}", name, "from-scratch", long))
        found: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({"network": title, "head": head}, {"backbone": name, "policy": policy, "epochs": epochs, "head": head})
            for (title, name, policy, epochs), head in itertools.product(rows, HEADS)
        ]
        same = {"batch_size": self.batch_size, "patience": None}
        return [(facts, [{**run, **same, "seed": seed} for seed in range(self.seeds)]) for facts, run in found]

    def counts(self) -> tuple[int, ...]:
        """Numbers of training pictures."""
        return (self.few, self.some, self.most)


def train(plan: Plan, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Trains what the ledger does not have."""
    for count in plan.counts():
        photos = plan.photos(count)
        rowwise.train(photos, [run for _, runs in plan.rows(photos) for run in runs], ledger, say)


def collect(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """What the ledger has, row by row."""
    rows = []
    for count in plan.counts():
        photos = plan.photos(count)
        for facts, runs in plan.rows(photos):
            found = rowwise.collect(photos, runs, ledger)
            if found:
                rows.append({"train": photos.counts["train"], **facts, "epochs": runs[0]["epochs"], **found})
    about = {"data": photos.name, "size": plan.size, "batch_size": plan.batch_size, "n": photos.counts}
    return {"about": {**about, "majority": round(photos.majority, 4)}, "rows": rows}
