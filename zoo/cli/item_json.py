"""Items of the catalog as JSON values."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from zoo.recipe import item_options

if TYPE_CHECKING:
    from zoo.contracts import Augmentation, Backbone
    from zoo.registry import Catalog, Kind


def item_document(catalog: Catalog, *, kind: Kind, name: str) -> dict[str, Any]:
    """An item with its options and origin; a backbone with its weights and blocks as they are with its defaults."""
    item = catalog.get(kind, name)
    options = [dataclasses.asdict(option) for option in item_options(catalog, kind=kind, name=name)]
    document: dict[str, Any] = {
        "kind": kind,
        "name": item.name,
        "title": item.title,
        "options": options,
        "origin": catalog.origin(kind, name),
    }
    if kind == "backbone":
        backbone = cast("Backbone", item)
        document |= {
            "family": backbone.family,
            "image_size": backbone.image_size,
            "min_size": backbone.min_size,
            "parameters": backbone.parameters,
            "backends": list(backbone.backends),
            "blocks": [block.name for block in backbone.blocks_for({})],
            "weights": [dataclasses.asdict(weights) for weights in backbone.weights],
            "pixels": backbone.pixels,
        }
    if kind == "augmentation":
        document["mixes_labels"] = cast("Augmentation", item).mixes_labels
    if hasattr(item, "reference"):
        document["reference"] = item.reference
    return document
