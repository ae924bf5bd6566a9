"""The scores of chosen runs on the test part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo import statistics
from zoo.artefact import load_models
from zoo.building import size_of
from zoo.events import Stage
from zoo.recipe import row_digest
from zoo.specs import channels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.experiment import Bench
    from zoo.values import RunRecord


def score_test(records: Sequence[RunRecord], bench: Bench) -> None:
    """Scores the models of one row on the test part, decoded for it; the store keeps that it was looked at.

    Args:
        records: Of the row's runs, at least one.
        bench: Data set and store.
    """
    from zoo.evaluation import predict

    dataset, store = bench.dataset, bench.store
    bench.observe(Stage("scoring the test part"))
    backbone = records[0].recipe.backbone
    side = dataset.test_side(size_of(backbone), channels_of(backbone))
    models = load_models([store.folder(record.id) for record in records])
    for record, model in zip(records, models, strict=True):
        probabilities = predict(model, side.pixels).probabilities
        store.save_predictions(
            record.id, "test", ids=dataset.ids("test"), labels=side.labels, probabilities=probabilities
        )
        store.record_test_look(
            row=row_digest(record.recipe),
            run_id=record.id,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            scores=statistics.score(probabilities, side.labels),
        )
