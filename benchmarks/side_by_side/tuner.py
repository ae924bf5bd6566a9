"""KerasTuner's grid search over the model function of `peer`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

from side_by_side import peer
from side_by_side.network import size_of
from side_by_side.pictures import read_split

if TYPE_CHECKING:
    from side_by_side.work import Work


def run(work: Work) -> dict[str, Any]:
    """Trains every combination; what became of it."""
    from zoo.plugins import load_catalog

    imported = time.time() - work.started
    catalog, split = load_catalog(), read_split(work)
    sides: dict[int, tuple[Any, Any]] = {}

    def data_of(backbone: str) -> tuple[Any, Any]:
        size = size_of(backbone, catalog)
        if size not in sides:
            sides[size] = peer.datasets(split, size, work.batch)
        return sides[size]

    class Grid(keras_tuner.HyperModel):  # type: ignore[misc]
        """Every combination of backbone, head, policy and rate."""

        def build(self, hp: Any) -> Any:  # noqa: ANN401 - KerasTuner's and Keras'
            """The network of a combination, compiled."""
            backbone = hp.Choice("backbone", list(work.backbones))
            head, policy = hp.Choice("head", list(work.heads)), hp.Choice("policy", list(work.policies))
            train = data_of(backbone)[0]
            model = peer.model_of(backbone, head, policy, train, len(split["classes"]), catalog)
            peer.compile_model(model, hp.Choice("rate", list(work.rates)))
            return model

        def fit(self, hp: Any, model: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
            """Trains it on pictures of its size."""
            train, validation = data_of(hp.get("backbone"))
            return model.fit(train, validation_data=validation, shuffle=False, **options)

    keras.utils.set_random_seed(0)
    search = keras_tuner.GridSearch(
        Grid(), objective="val_accuracy", seed=0, directory=work.folder, project_name="tuner", overwrite=True
    )
    search.search(epochs=work.epochs, callbacks=[peer.stopping(work)], verbose=0)
    return {"rows": rows_of(search, work), "imported": imported, "onednn": peer.onednn()}


def rows_of(search: Any, work: Work) -> list[dict[str, Any]]:  # noqa: ANN401 - of KerasTuner
    """What became of every trial; it does not tell their times."""
    return [
        {
            **{name: trial.hyperparameters.get(name) for name in ("backbone", "head", "policy", "rate")},
            "seed": 0,
            "accuracy": float(trial.score),
            "epochs": work.epochs,
            "seconds": 0.0,
        }
        for trial in search.oracle.trials.values()
        if trial.score is not None
    ]
