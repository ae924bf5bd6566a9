"""Runs of zoo on many small data sets in one process, each scored on hold-out pictures, all kept in a ledger.

One network and its traced functions serve all data sets with the same number of classes: runs of one policy follow
each other. A run does not depend on what ran before it, so they are what `zoo fit` gives for the same pictures.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import zoo
from zoo.backend import quiet
from zoo.dataset import Dataset, prepare
from zoo.experiment import ENGINE, Bench, make_bench, run
from zoo.lineup import combinations, lines_of, recipe_of
from zoo.plugins import load_catalog
from zoo.statistics import interval
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from evidence.photos import Photos, Side
    from zoo.registry import Catalog

    Array = np.ndarray[Any, Any]

BATCH = 32
"""Hold-out pictures that are predicted at a time."""

RENAMED = {"bn-trainable": "bn-trainable:stats=moving", "bn-trainable:stats=precise": "bn-trainable"}
"""What policies in ledgers from before `ENGINE` 3 are called now: the default of their option has changed."""


@dataclass
class Ledger:
    """Results of runs by what was run: a file with a line of JSON for each, so that a call goes on where one ended.

    A line says of which engine it is. Lines without are older and name policies by the defaults of their time.
    """

    path: Path | None = None
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.found[entry["key"] if "engine" in entry else _renamed(entry["key"])] = entry["result"]

    @staticmethod
    def name(key: dict[str, Any]) -> str:
        """A key as text."""
        return json.dumps(key, sort_keys=True)

    def get(self, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is known under a key, else what is made now."""
        name = self.name(key)
        if name not in self.found:
            self.found[name] = make()
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": name, "engine": ENGINE, "result": self.found[name]}) + "\n")
        return self.found[name]


def _renamed(name: str) -> str:
    """The key of an older line with its policy under today's name."""
    key = json.loads(name)
    return Ledger.name(key | {"policy": RENAMED.get(key["policy"], key["policy"])}) if "policy" in key else name


class Rig:
    """Trains rows, in a store that is gone with it.

    Args:
        catalog: Items to choose from; all that are installed if not given.
    """

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.catalog = catalog or load_catalog()
        self._home = Path(tempfile.mkdtemp(prefix="zoo-evidence-"))
        self._store = Store(self._home / "runs")
        self._bench: Bench | None = None
        self._model: tuple[tuple[str, str, int], Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def dataset(self, pictures: Path, size: int) -> Dataset:
        """Divided pictures, read and checked."""
        return prepare(pictures, self.catalog, sizes=(size,))

    def result(
        self,
        dataset: Dataset,
        photos: Photos,
        *,
        backbone: str,
        policy: str,
        seed: int,
        head: str = "gap",
        augmentation: str = "none",
        **settings: Any,  # noqa: ANN401 - of zoo.fit
    ) -> dict[str, Any]:
        """One run, trained and scored on the hold-out pictures.

        Returns:
            `holdout`, `validation` and `fitted` (on training pictures) accuracy of the kept epoch, in inference mode;
            `correct` (which hold-out pictures are right, as hexadecimal bits), `best_epoch`, `seconds`, `trained`
            weights; and for each epoch the accuracy `training` (on training pictures, in training mode) and
            `inference` (on validation pictures, in inference mode).
        """
        finished = self.finished(
            dataset, backbone=backbone, policy=policy, seed=seed, head=head, augmentation=augmentation, **settings
        )
        right, fitted = self.correct(finished, photos, "holdout"), self.correct(finished, photos, "train")
        shutil.rmtree(finished.folder, ignore_errors=True)  # 14 MB for each run
        record = finished.record
        return {
            "holdout": round(float(right.mean()), 4),
            "validation": round(record.validation.accuracy, 4) if record.validation else 0.0,
            "fitted": round(float(fitted.mean()), 4),
            "correct": np.packbits(right).tobytes().hex(),
            "best_epoch": record.best_epoch,
            "training": [round(epoch.accuracy, 4) for epoch in record.history],
            "inference": [round(epoch.val_accuracy, 4) for epoch in record.history],
            "seconds": round(record.seconds, 1),
            "trained": record.trainable_weights,
        }

    def finished(self, dataset: Dataset, **row: Any) -> zoo.Run:  # noqa: ANN401 - as `result`
        """One run, trained. Raises: ZooError, where it fails; one at chance is no failure here."""
        names = [[row.pop(kind)] for kind in ("backbone", "head", "policy", "augmentation")]
        seed = row.pop("seed")
        (specs,) = combinations(self.catalog, *names)
        (settings,) = lines_of(row)
        recipe = recipe_of(dataset, specs, seed, settings)
        with quiet():
            if self._bench is None:
                self._bench = make_bench(self.catalog, dataset, self._store, lambda event: None)  # noqa: ARG005 - an observer
            record = run(recipe, dataclasses.replace(self._bench, dataset=dataset), reraise=True)
        return zoo.Run(record, self._store.folder(record.id))

    def correct(self, finished: zoo.Run, photos: Photos, side: Side) -> Array:
        """Which pictures of a side the delivered model of a run gets right, booleans (n,)."""
        found = self.model(finished).predict(photos.pixels[side].astype(np.float32), batch_size=BATCH, verbose=0)
        right: Array = found.argmax(axis=1) == photos.labels[side]
        return right

    def model(self, finished: zoo.Run) -> Any:  # noqa: ANN401 - a Keras model
        """The delivered model of a run. Models of one shape are one network, which takes the weights of the last."""
        recipe = finished.recipe
        key = (str(recipe.backbone), str(recipe.head), len(recipe.classes))
        if self._model is not None and self._model[0] == key:
            self._model[1].load_weights(finished.folder / "model.keras")
        else:
            self._model = (key, finished.model)
        return self._model[1]


def summary(results: Sequence[dict[str, Any]], n: int) -> dict[str, Any]:
    """Seeds of one row together.

    Args:
        results: As `Rig.result` gives them, one for each seed.
        n: Number of hold-out pictures.

    Returns:
        `holdout` with `low` and `high` (95 %, bootstrap over pictures and seeds), `validation`, and what each seed had.
    """
    bits = [np.unpackbits(np.frombuffer(bytes.fromhex(one["correct"]), np.uint8))[:n] for one in results]
    mean, low, high = interval(np.array(bits, bool))
    return {
        "holdout": round(mean, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "holdout_seeds": [one["holdout"] for one in results],
        "validation": round(float(np.mean([one["validation"] for one in results])), 4),
        "validation_seeds": [one["validation"] for one in results],
        "training_seeds": [one["training"][-1] for one in results],
        "best_epochs": [one["best_epoch"] for one in results],
        "seconds": [one["seconds"] for one in results],
    }
