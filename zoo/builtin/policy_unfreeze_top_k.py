"""The top k blocks of the backbone are trained with the head; everything below stays fixed.

What: all weights of the top k blocks are open. Their BatchNorm uses the moving statistics as they are, or with
`bn=adapting` those of the batch. Drop layers work in the open blocks and are off below. A block is a whole residual,
inverted-bottleneck or dense unit (`zoo show NAME` lists them), so nothing is cut in half.

The learning rate depends on how much that came with the weights is opened: 1e-3 while fewer than half of the blocks are
open, 1e-4 from there on, because large steps in the lower blocks destroy what they hold before the head has learnt
anything. k=0 is `freeze-all`; k = all blocks, or more, is `unfreeze-all`.

When: the pictures are like those of the weights at the level of edges and textures but not of objects; there are
hundreds of pictures. Start with k=2.

Reference: Yosinski et al., "How transferable are features in deep neural networks?", 2014, arXiv:1411.1792.
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, k: int = 1, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """One phase that opens the top k blocks."""
    if k <= 0:
        return (Phase(name="head", epochs=epochs, learning_rate=1e-3, open_blocks=0, drop_layers=False),)
    if k >= blocks:
        return (Phase(name="all blocks", epochs=epochs, learning_rate=1e-4, open_blocks=blocks, batch_norm=bn),)
    return (
        Phase(
            name="top block" if k == 1 else f"top {k} blocks",
            epochs=epochs,
            learning_rate=1e-3 if 2 * k < blocks else 1e-4,
            open_blocks=k,
            open_weights="all",
            batch_norm=bn,
            drop_layers=True,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `unfreeze-top-k`."""
    options = (
        Option("k", 1, "Number of open blocks, counted from the top; 0 opens none.", 0),
        _batch_norm.OPTION,
    )
    title = "train the head and the top k blocks"
    reference = "https://arxiv.org/abs/1411.1792"
    return [Policy(name="unfreeze-top-k", title=title, plan=plan, reference=reference, options=options)]
