"""A run as JSON values."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from zoo.rate_curve import read_curve
from zoo.recipe import recipe_to_json

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.values import RunRecord

FORMAT = 1


def run_document(record: RunRecord, folder: Path) -> dict[str, Any]:
    """All that the store knows of a run, with its folder and the weights it started from (null for a failed run)."""
    document = {
        field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.name != "recipe"
    }
    receipt, tested = document.pop("receipt"), read_curve(folder)
    return {
        "format": FORMAT,
        "title": record.recipe.title,
        "folder": str(folder),
        "recipe": recipe_to_json(record.recipe),
        "weights": weights_card(folder),
        "range_test": None if tested is None else dataclasses.asdict(tested),
        "receipt": None if receipt is None else {"verdict": receipt.verdict, **dataclasses.asdict(receipt)},
        **document,
    }


def weights_card(folder: Path) -> dict[str, Any] | None:
    """What the card in a run's folder says of the pretrained weights; None where there is no readable card."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # a run that failed has none
    weights = card.get("weights") if isinstance(card, dict) else None
    return weights if isinstance(weights, dict) else None
