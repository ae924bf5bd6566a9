"""The page of all backbones: one table of what one chooses by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator import layer_counts
from generator.markdown import page, table
from zoo.figures import counted

if TYPE_CHECKING:
    from generator.layer_counts import Counts
    from zoo.contracts import Backbone, Weights

_INTRO = (
    "What keras-zoo itself and its first-party plugins provide: {total}. `zoo list backbones` "
    "shows what is installed with you, and narrows it: "
    "`zoo list backbones --filter 'efficient*' --max-params 10M --has-weights`. Options of each: [catalog](catalog.md)."
)
_LEGEND = """
- **Parameters**: scalar weights without a head, moving statistics included.
- **Blocks**: what policies open, counted from the last. **BN**: BatchNorm layers; **drop**: layers that drop at random
  in training (dropout, stochastic depth). Counted in the built network, with default options.
- **Size**: side of the pictures in pixels, the least and the default one (option `size`).
- **Pixels**: what the network does with 0–255 before its first weights. You scale nothing.
- **Weights**: pretrained ones, with their licence; `bundled` needs no download. All start from random weights with
  `weights=none`.
- **Backends**: those of Keras that it can be built on. On another one, a grid with it is refused when it is planned.
"""
_HEAD = ("name", "family", "parameters", "blocks", "BN", "drop", "size", "pixels", "weights", "backends")


def write() -> str:
    """The page.

    Raises:
        StaleCountsError: The counts are not those of the backbones that there are.
    """
    records = layer_counts.backbones()
    counts = layer_counts.fresh(records)
    families = len({record.family for record in records.values()})
    total = f"{counted(len(records), 'backbone')} of {counted(families, 'family', 'families')}"
    rows = [_row(record, counts[name]) for name, record in records.items()]
    intro = _INTRO.format(total=total)
    return page("Backbones", (intro, _LEGEND.strip(), table(_HEAD, rows)))


def _row(record: Backbone, counts: Counts) -> tuple[str, ...]:
    return (
        f"[`{record.name}`](catalog.md#backbone-{record.name})",
        record.family,
        f"{record.parameters or counts['parameters']:,}",
        str(counts["blocks"]),
        str(counts["batch_norm"]),
        str(counts["drop"]),
        f"{record.min_size} / {record.image_size}",
        record.pixels,
        "; ".join(map(_weights, record.weights)) or "—",
        ", ".join(record.backends) or "all",
    )


def _weights(weights: Weights) -> str:
    size = f"{weights.megabytes:.0f} MB" if weights.megabytes else "download"
    return f"`{weights.id}` ({weights.licence}, {'bundled' if weights.bundled else size})"
