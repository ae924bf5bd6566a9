"""(a, b) Pictures scaled wrongly and rightly: what each policy makes of them, epoch by epoch.

Pictures are divided by 255 and given to a network that rescales 0–255 itself, so that its BatchNorm layers see next to
no variance. Training accuracy is taken in training mode (statistics of the batch where they adapt), validation accuracy
in inference mode (moving statistics). Hold-out pictures are scored with the kept epoch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evidence import rowwise
from evidence.altered import SUFFIX, catalog_with
from evidence.photos import choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.photos import Photos
    from evidence.rig import Ledger


@dataclass(frozen=True, slots=True)
class Row:
    """A policy and how long it may train.

    Attributes:
        policy: With options.
        momentum: Of the moving statistics; 0 for the network's own.
        patience: In epochs; None never ends a run early.
        long: Whether it trains for the long time, for statistics that arrive late.
    """

    policy: str
    momentum: float = 0.0
    patience: int | None = None
    long: bool = False


ROWS = (
    Row("freeze-all"),
    Row("bn-stats"),
    Row("bn-affine"),
    Row("fine-tune"),
    Row("bn-trainable:stats=moving", patience=5),
    Row("bn-trainable:stats=moving", momentum=0.9),
    Row("bn-trainable"),
    Row("bn-trainable:stats=moving", long=True),
)
"""What is measured, the long one last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        data: A folder with one sub-folder for each class, or `demo`.
        backbone: Its name; it must have one `Rescaling` layer.
        size: Side of the pictures in pixels.
        train: Training pictures.
        validation: Validation pictures, which choose the epoch.
        holdout: Hold-out pictures.
        batch_size: Pictures in a batch.
        epochs: Of short rows.
        long_epochs: Of long rows.
        seeds: Runs of each row.
    """

    data: str
    backbone: str = "efficientnet-lite0"
    size: int = 96
    train: int = 192
    validation: int = 96
    holdout: int = 300
    batch_size: int = 16
    epochs: int = 12
    long_epochs: int = 100
    seeds: int = 2

    def row(self, row: Row, *, divided: bool, seed: int) -> dict[str, Any]:
        """The arguments of a run."""
        parts = [f"size={self.size}", *["divided=true"] * divided, *[f"momentum={row.momentum}"] * bool(row.momentum)]
        return {
            "backbone": f"{self.backbone}-{SUFFIX}:{','.join(parts)}",
            "policy": row.policy,
            "seed": seed,
            "epochs": self.long_epochs if row.long else self.epochs,
            "batch_size": self.batch_size,
            "patience": row.patience,
        }

    def photos(self) -> Photos:
        """The chosen pictures."""
        return choose(self.data, size=self.size, train=self.train, validation=self.validation, holdout=self.holdout)

    def runs(self) -> list[tuple[int, bool, Row]]:
        """Seeds, inputs and rows, in the order in which they are trained. Right inputs need no long row."""
        table = itertools.product(range(self.seeds), (True, False), ROWS)
        return [(seed, divided, row) for seed, divided, row in table if divided or not row.long]


def train(plan: Plan, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Trains what the ledger does not have."""
    runs = [plan.row(row, divided=divided, seed=seed) for seed, divided, row in plan.runs()]
    rowwise.train(plan.photos(), runs, ledger, say, catalog_with(plan.backbone))


def collect(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """What the ledger has, row by row, with the course of each seed."""
    photos = plan.photos()
    rows = []
    for divided, row in itertools.product((True, False), ROWS):
        wanted = [plan.row(row, divided=divided, seed=seed) for seed in range(plan.seeds)]
        found = rowwise.collect(photos, wanted, ledger)
        if found:
            facts: dict[str, Any] = {"inputs": "divided by 255" if divided else "right", "policy": row.policy}
            facts |= {"momentum": row.momentum or None, "patience": row.patience, "epochs": wanted[0]["epochs"]}
            rows.append({**facts, **found})
    steps = photos.counts["train"] // plan.batch_size
    about = {"data": photos.name, "backbone": plan.backbone, "size": plan.size, "n": photos.counts}
    about |= {"batch_size": plan.batch_size, "steps_per_epoch": steps, "majority": round(photos.majority, 4)}
    layer = {"data": photos.name, **photos.counts, "backbone": plan.backbone, "size": plan.size, "layer": "first"}
    return {"about": about, "rows": rows, "first_layer": ledger.get(layer, lambda: first_layer(plan, photos))}


def first_layer(plan: Plan, photos: Photos) -> dict[str, Any]:
    """What the first BatchNorm layer sees of the training pictures: variances, medians over channels.

    Returns:
        `epsilon` of the layer, `stored` variance, and for right and divided inputs the variance over the `whole` map
        and over its `inside`, without the two outermost rows and columns, which zero padding reaches.
    """
    import keras

    record = catalog_with(plan.backbone).backbone(f"{plan.backbone}-{SUFFIX}")
    weights = record.weights[0] if record.weights else None
    found: dict[str, Any] = {}
    for divided in (False, True):
        keras.utils.set_random_seed(0)  # for a backbone without weights
        model = record.build(size=plan.size, weights=weights, divided=divided, momentum=0.0)
        layer = next(one for one in model.layers if isinstance(one, keras.layers.BatchNormalization))
        maps = keras.Model(model.input, layer.input).predict(photos.pixels["train"].astype(np.float32), verbose=0)
        stored = np.median(keras.ops.convert_to_numpy(layer.moving_variance))
        found |= {"layer": layer.name, "epsilon": layer.epsilon, "stored": float(f"{stored:.3g}")}
        variances = {"whole": maps.var(axis=(0, 1, 2)), "inside": maps[:, 2:-2, 2:-2].var(axis=(0, 1, 2))}
        name = "divided by 255" if divided else "right"
        found[name] = {part: float(f"{np.median(values):.3g}") for part, values in variances.items()}
    return found
