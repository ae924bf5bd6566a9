"""Predictions as a table, as CSV and as JSON values."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

from zoo import figures
from zoo.cli import screen, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from zoo.runs import Prediction

FORMAT = 1


def show(console: Console, predictions: Sequence[Prediction]) -> None:
    """A row for each picture that could be read; the others below, with the reason."""
    read = [prediction for prediction in predictions if not prediction.error]
    if read:
        screen.draw(console, _table(read))
    for prediction in predictions:
        if prediction.error:
            name = "" if prediction.item in prediction.error else f"{prediction.item}: "
            screen.say(console, f"{name}{prediction.error}", label="error")
    failed = len(predictions) - len(read)
    if failed:
        screen.say(console, f"{failed} of {figures.counted(len(predictions), 'picture')} could not be read.")


def _table(predictions: Sequence[Prediction]) -> Table:
    drawn = tables.table()
    tables.column(drawn, "picture", wrap=True)
    tables.column(drawn, "class", wrap=True)
    tables.column(drawn, "probability", justify="right")
    for prediction in predictions:
        drawn.add_row(
            tables.name_of(prediction.item),
            tables.name_of(prediction.label or figures.MISSING),
            figures.share(prediction.probability),
        )
    return drawn


def write_csv(classes: Sequence[str], predictions: Sequence[Prediction]) -> None:
    """CSV on stdout, in UTF-8: path, label, probability, the probability of each class, error.

    Paths that are no valid Unicode are written with escapes.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "label", "probability", *(f"p({name})" for name in classes), "error"])
    for prediction in predictions:
        known = not prediction.error
        probabilities = [f"{prediction.probabilities[name]:.6f}" if known else "" for name in classes]
        best = f"{prediction.probability:.6f}" if known else ""
        writer.writerow([prediction.item, prediction.label or "", best, *probabilities, prediction.error])


def document(run: str, classes: Sequence[str], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """The JSON document; a picture that could not be read has an `error` and no label."""
    rows = [
        {
            "path": prediction.item,
            "label": prediction.label,
            "probability": None if prediction.error else prediction.probability,
            "probabilities": dict(prediction.probabilities),
            "error": prediction.error or None,
        }
        for prediction in predictions
    ]
    return {"format": FORMAT, "run": run, "classes": list(classes), "predictions": rows}
