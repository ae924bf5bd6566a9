"""The card of a run: everything someone who gets the model must know, as plain JSON."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from typing import TYPE_CHECKING, Any

from zoo.channels import words
from zoo.precision import dtype_policy
from zoo.specs import channels_of

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.contracts import Backbone
    from zoo.rate_curve import RangeTest
    from zoo.values import RunRecord

FORMAT = 1


def can_be_read(path: Path) -> bool:
    """Whether a file of a run is there, and was not cut off or emptied: a card, or what is packed as a ZIP archive."""
    if path.suffix != ".json":
        return zipfile.is_zipfile(path)  # its contents stand at the end
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False


def card_of(record: RunRecord, backbone: Backbone, *, tested: RangeTest | None = None) -> dict[str, Any]:
    """Card of a finished run: classes, pixels, recipe, weights and their licence, scores, receipt, versions.

    Args:
        record: The run.
        backbone: What it was built on.
        tested: Its learning-rate range test, if it made one.
    """
    weights_id = record.recipe.backbone.values()["weights"]
    declared = next((weights for weights in backbone.weights if weights.id == weights_id), None)
    channels = channels_of(record.recipe.backbone)
    return {
        "format": FORMAT,
        "run": record.id,
        "classes": list(record.recipe.classes),
        "input": {
            "size": record.recipe.backbone.values()["size"],
            "channels": channels,
            "pixels": f"{words(channels)}, 0-255, channels last; "
            "resized to the square with Pillow's bilinear filter, EXIF applied",
        },
        "dtype_policies": {"backbone": dtype_policy(record.recipe.precision), "head": "float32"},
        "output": "probabilities, one for each class in the order of `classes`",
        "recipe": {
            "backbone": str(record.recipe.backbone),
            "head": str(record.recipe.head),
            "policy": str(record.recipe.policy),
            "augmentation": str(record.recipe.augmentation),
            **{
                field.name: getattr(record.recipe, field.name)
                for field in dataclasses.fields(record.recipe)
                if field.name not in {"backbone", "head", "policy", "augmentation", "classes"}
            },
        },
        "range_test": dataclasses.asdict(tested) if tested else None,
        "digest": record.digest,
        "weights": dataclasses.asdict(declared) if declared else {"id": str(weights_id), "licence": "your own"},
        "backbone": {"title": backbone.title, "family": backbone.family, "reference": backbone.reference},
        "status": record.status,
        "reason": record.reason,
        "notes": list(record.notes),
        "validation": dataclasses.asdict(record.validation) if record.validation else None,
        "best_epoch": record.best_epoch,
        "receipt": dataclasses.asdict(record.receipt) if record.receipt else None,
        "environment": dict(record.environment),
        "started": record.started,
    }
