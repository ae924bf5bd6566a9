"""(f) Validation pictures that are augmented as training pictures are: what it does to the score.

A model is trained, and then scored on its hold-out pictures as they are, and on augmented versions of them, drawn
anew several times.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evidence.photos import choose, write
from evidence.rig import BATCH, Rig
from evidence.rowwise import key

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.photos import Photos
    from evidence.rig import Ledger

TRAINED = ("none", "light", "strong")
VALIDATED = ("light", "strong")
"""Augmentations, mild and strong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        data: A folder with one sub-folder for each class, or `demo`.
        backbone: Its name.
        policy: What is trained.
        size: Side of the pictures in pixels.
        train: Training pictures.
        validation: Validation pictures.
        holdout: Hold-out pictures, which are augmented.
        epochs: Of each run.
        batch_size: Pictures in a batch.
        draws: Augmented versions of every hold-out picture.
        seeds: Runs of each row.
    """

    data: str
    backbone: str = "efficientnet-lite0"
    policy: str = "unfreeze-top-k:k=2"
    size: int = 96
    train: int = 192
    validation: int = 96
    holdout: int = 300
    epochs: int = 8
    batch_size: int = 16
    draws: int = 8
    seeds: int = 2

    def row(self, augmentation: str, seed: int) -> dict[str, Any]:
        """The arguments of a run."""
        return {
            "backbone": f"{self.backbone}:size={self.size}",
            "policy": self.policy,
            "augmentation": augmentation,
            "seed": seed,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": None,
        }

    def photos(self) -> Photos:
        """The chosen pictures."""
        return choose(self.data, size=self.size, train=self.train, validation=self.validation, holdout=self.holdout)


def train(plan: Plan, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Trains and scores what the ledger does not have."""
    photos = plan.photos()
    with tempfile.TemporaryDirectory(prefix="zoo-measure-", ignore_cleanup_errors=True) as home, Rig() as rig:
        dataset = rig.dataset(write(photos, Path(home)), plan.size)
        for augmentation, seed in itertools.product(TRAINED, range(plan.seeds)):
            wanted = plan.row(augmentation, seed)

            def fit(wanted: dict[str, Any] = wanted) -> dict[str, Any]:
                finished = rig.finished(dataset, **{"head": "gap", **wanted})
                plain = float(rig.correct(finished, photos, "holdout").mean())
                model = rig.model(finished)
                scores = {name: _scores(plan, model, photos, rig.catalog.augmentation(name)) for name in VALIDATED}
                return {"plain": round(plain, 4), "augmented": scores}

            found = ledger.get({**key(photos, wanted), "draws": plan.draws}, fit)
            say(f"{augmentation} · {seed}: {found['plain']:.3f}")


def _scores(plan: Plan, model: Any, photos: Photos, augmentation: Any) -> list[float]:  # noqa: ANN401 - a Keras model, a record
    """Accuracy on each draw of augmented hold-out pictures."""
    import keras

    scores = []
    for draw in range(plan.draws):
        layers = augmentation.build(plan.size, draw)
        right = 0
        for start in range(0, len(photos.labels["holdout"]), BATCH):
            pictures = photos.pixels["holdout"][start : start + BATCH].astype(np.float32)
            for layer in layers:
                pictures = layer(pictures, training=True)
            found = model.predict_on_batch(keras.ops.convert_to_numpy(pictures))
            right += int((found.argmax(axis=1) == photos.labels["holdout"][start : start + BATCH]).sum())
        scores.append(round(right / len(photos.labels["holdout"]), 4))
    return scores


def collect(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """What the ledger has, row by row."""
    photos = plan.photos()
    rows = []
    for augmentation in TRAINED:
        wanted = [plan.row(augmentation, seed) for seed in range(plan.seeds)]
        names = [ledger.name({**key(photos, one), "draws": plan.draws}) for one in wanted]
        done = [ledger.found[name] for name in names if name in ledger.found]
        if done:
            plain = [one["plain"] for one in done]
            rows.append(
                {
                    "trained": augmentation,
                    "plain": round(float(np.mean(plain)), 4),
                    "plain_seeds": plain,
                    "augmented": {name: [one["augmented"][name] for one in done] for name in VALIDATED},
                }
            )
    about = {"data": photos.name, "backbone": plan.backbone, "policy": plan.policy, "size": plan.size}
    return {"about": {**about, "n": photos.counts, "epochs": plan.epochs, "draws": plan.draws}, "rows": rows}
