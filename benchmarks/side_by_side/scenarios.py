"""The grids that are measured, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, field

LITE = ("efficientnet-lite0", "efficientnet-lite1")
RATE = 1e-3
MOVING = "bn-trainable:stats=moving"
"""With running averages, as Keras alone has them: the others do not take statistics anew before every validation."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A grid that ours and others train.

    Attributes:
        name: Of `--scenario`.
        title: One line.
        backbones: Specs.
        heads: Specs.
        policies: Specs.
        rates: Learning rates, the same for ours and for the others.
        seeds: Of each row.
        contenders: Who takes part besides ours, if asked for.
        goals: By contender: how many times as long as ours it is to take at least; for `limit`, how many times as
            long as the limit ours is to take at most.
    """

    name: str
    title: str
    backbones: tuple[str, ...] = LITE[:1]
    heads: tuple[str, ...] = ("gap",)
    policies: tuple[str, ...] = ("freeze-all",)
    rates: tuple[float, ...] = (RATE,)
    seeds: int = 1
    contenders: tuple[str, ...] = ("peer",)
    goals: dict[str, float] = field(default_factory=dict)


GRIDS = (
    Scenario(
        name="frozen-12",
        title="12 frozen rows: 2 backbones × 2 heads × 3 learning rates",
        backbones=LITE,
        heads=("gap", "concat-pool"),
        rates=(3e-4, 1e-3, 3e-3),
        contenders=("peer", "tuner", "limit", "limit-folded"),
        goals={"peer": 25.0, "limit": 1.5},
    ),
    Scenario(
        name="frozen-1",
        title="one frozen row",
        contenders=("peer", "tuner", "limit", "limit-folded"),
        goals={"peer": 4.5},
    ),
    Scenario(name="top-1", title="one row, the top block open", policies=("unfreeze-top-k:k=1",), goals={"peer": 2.0}),
    Scenario(
        name="top-4", title="one row, the top four blocks open", policies=("unfreeze-top-k:k=4",), goals={"peer": 2.0}
    ),
    Scenario(
        name="mixed",
        title="five policies, two seeds each",
        policies=("freeze-all", "bn-stats", "bn-affine", MOVING, "unfreeze-top-k:k=2"),
        seeds=2,
        goals={"peer": 2.5},
    ),
    Scenario(
        name="bn-trainable",
        title="one row, gamma and beta open on statistics that adapt",
        policies=(MOVING,),
        goals={"peer": 1.7},
    ),
)
"""Those that are run against others."""

ADDED_HEAD = "mlp"
"""What `add-a-head` adds to the grid `frozen-12`."""

SMALL = Scenario(
    name="rows-30",
    title="30 small rows in one call",
    backbones=("scratch-cnn:size=32",),
    heads=("gap", "concat-pool", "cosine", "flatten", "mlp"),
    policies=("freeze-all", "bn-stats", "bn-affine", MOVING, "unfreeze-top-k:k=1", "unfreeze-all"),
)
"""Rows of which each builds, traces and trains something else."""

GOOD = Scenario(
    name="faults",
    title="good rows with and without bad ones among them",
    backbones=("scratch-cnn:size=32",),
    heads=("gap", "concat-pool", "cosine"),
)
"""The good rows of `faults`."""

CHECKED = Scenario(
    name="equality",
    title="probabilities with and without kept features",
    backbones=LITE,
    heads=("gap", "concat-pool"),
    policies=("freeze-all", "bn-stats", "unfreeze-top-k:k=2"),
)
"""Rows with frozen blocks of each kind."""

OTHERS = {
    "add-a-head": "a finished frozen-12 grid gets one more head",
    "start": "zoo --help and zoo list beside python -c pass",
    "rows-30": SMALL.title,
    "faults": GOOD.title,
    "equality": CHECKED.title,
}
"""Those that ours runs alone, with what they are."""
