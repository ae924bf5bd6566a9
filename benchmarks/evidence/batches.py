"""(d) Batch size and learning rate: what they do to accuracy on training and on hold-out pictures.

Every row sees every picture equally often, so large batches take fewer steps. `fitted` is the accuracy of the kept
epoch on training pictures in inference mode; what it exceeds the hold-out accuracy by is what was learnt by heart.
"""

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

POLICIES = {"freeze-all": 1e-3, "bn-trainable": 1e-3, "unfreeze-all": 1e-4}
"""Policies with their own learning rates."""

BATCHES = (8, 32, 96)
FACTORS = (1.0, 4.0)
"""Of the policy's own learning rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured; for the fields see `evidence.scaling.Plan`."""

    data: str
    backbone: str = "efficientnet-lite0"
    size: int = 96
    train: int = 192
    validation: int = 96
    holdout: int = 300
    epochs: int = 6
    seeds: int = 2

    def row(self, policy: str, batch_size: int, factor: float, seed: int) -> dict[str, Any]:
        """The arguments of a run."""
        return {
            "backbone": f"{self.backbone}:size={self.size}",
            "policy": policy,
            "seed": seed,
            "epochs": self.epochs,
            "batch_size": batch_size,
            "learning_rate": POLICIES[policy] * factor,
            "patience": None,
        }

    def photos(self) -> Photos:
        """The chosen pictures."""
        return choose(self.data, size=self.size, train=self.train, validation=self.validation, holdout=self.holdout)


def train(plan: Plan, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Trains what the ledger does not have."""
    table = itertools.product(range(plan.seeds), POLICIES, BATCHES, FACTORS)
    runs = [plan.row(policy, batch, factor, seed) for seed, policy, batch, factor in table]
    rowwise.train(plan.photos(), runs, ledger, say)


def collect(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """What the ledger has, row by row."""
    photos = plan.photos()
    rows = []
    for policy, batch, factor in itertools.product(POLICIES, BATCHES, FACTORS):
        wanted = [plan.row(policy, batch, factor, seed) for seed in range(plan.seeds)]
        found = rowwise.collect(photos, wanted, ledger)
        if found:
            count = photos.counts["train"]
            steps = plan.epochs * count // min(batch, count)
            facts = {"policy": policy, "batch_size": batch, "learning_rate": wanted[0]["learning_rate"], "steps": steps}
            rows.append({**facts, **found})
    about = {"data": photos.name, "backbone": plan.backbone, "size": plan.size, "n": photos.counts}
    return {"about": {**about, "epochs": plan.epochs}, "rows": rows}
