"""What only a built network tells, counted once and kept beside this file, so that the pages need no Keras."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.catalog import everything
from zoo.contracts import Backbone

if TYPE_CHECKING:
    from collections.abc import Mapping

    Counts = Mapping[str, int]

FILE = Path(__file__).resolve().parent / "layer_counts.json"
"""By name of a backbone: `size` that it was built for, `parameters`, `batch_norm` and `drop` layers, `blocks`."""

COMMAND = "python docs/count_layers.py"


class StaleCountsError(Exception):
    """A backbone was not counted, or one was that there is no more."""


def backbones() -> dict[str, Backbone]:
    """All built-in and first-party backbones by name, sorted."""
    found = [item for item, _ in everything() if isinstance(item, Backbone)]
    return {item.name: item for item in sorted(found, key=lambda item: item.name)}


def read() -> dict[str, Counts]:
    """The counts that are kept; nothing where there is no file."""
    if not FILE.is_file():
        return {}
    counts: dict[str, Counts] = json.loads(FILE.read_text(encoding="utf-8"))
    return counts


def write(counts: Mapping[str, Counts]) -> None:
    """Keeps counts, a line for each backbone; a process that is killed meanwhile leaves the old ones."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(dict(counts[name]))}" for name in sorted(counts))
    draft = FILE.with_suffix(".draft")
    draft.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
    os.replace(draft, FILE)  # noqa: PTH105 - atomic on every system


def fresh(records: Mapping[str, Backbone]) -> dict[str, Counts]:
    """The counts of exactly these backbones.

    Raises:
        StaleCountsError: Says which are missing or too many, and the command that mends it.
    """
    counts = read()
    missing, gone = sorted(set(records) - set(counts)), sorted(set(counts) - set(records))
    if missing:
        raise StaleCountsError(f"layers of these backbones are not counted: {', '.join(missing)}. Run: {COMMAND}")
    if gone:
        raise StaleCountsError(f"layers of backbones are counted that are no more: {', '.join(gone)}. Run: {COMMAND}")
    return counts


def count(record: Backbone) -> dict[str, Any]:
    """Builds a backbone from random weights at its least size, with its default options, and counts. Needs Keras."""
    from zoo.backend import require_keras

    keras = require_keras()
    from zoo.assembly import assemble, functional, is_drop_layer
    from zoo.graph import leaves

    options = {option.name: option.default for option in record.options}
    built = record.build(size=record.min_size, weights=None, **options)
    model = functional(built, name=record.name)
    head = keras.Sequential([keras.Input(model.output.shape[1:]), keras.layers.GlobalAveragePooling2D()])
    assembled = assemble(model, head, record.blocks_for({}), name=record.name)
    found = {id(leaf): leaf for layer in model.layers for leaf in leaves(layer)}.values()
    norms = [leaf for leaf in found if isinstance(leaf, keras.layers.BatchNormalization) and leaf.weights]
    drops = [leaf for leaf in found if is_drop_layer(leaf) and getattr(leaf, "rate", 1) != 0]
    return {
        "size": record.min_size,
        "parameters": int(model.count_params()),
        "blocks": len(assembled.blocks),
        "batch_norm": len(norms),
        "drop": len(drops),
    }
