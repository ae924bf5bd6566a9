"""Everything is trained, each block at a lower rate than the one above it.

What: all weights of all blocks are open and drop layers work. A block's updates are those of Adam times `decay` for
each block above it, so the top block moves at the full rate and the stem hardly at all. The update is scaled and not
the gradient, which Adam would scale back. BatchNorm uses the moving statistics (or with `bn=adapting` the batch's).

When: `unfreeze-all` is better than `freeze-all`, but forgets too much.

Reference: Clark et al., "ELECTRA", 2020, arXiv:2003.10555; Bao et al., "BEiT", 2022, arXiv:2106.08254 (layer-wise
decay of the learning rate).
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, decay: float = 0.75, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """One phase that opens everything, with a factor for each block."""
    return (
        Phase(
            name="all blocks",
            epochs=epochs,
            learning_rate=1e-3,
            open_blocks=blocks,
            batch_norm=bn,
            drop_layers=True,
            layer_decay=decay,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `layer-decay`."""
    options = (
        Option("decay", 0.75, "Factor of the rate for each block further down.", 0.01, 1.0),
        _batch_norm.OPTION,
    )
    title = "train everything, each block more slowly than the one above"
    reference = "https://arxiv.org/abs/2106.08254"
    return [Policy(name="layer-decay", title=title, plan=plan, reference=reference, options=options)]
