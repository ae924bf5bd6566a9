"""Everything is trained, each block at a rate that its gradients ask for (surgical fine-tuning).

What: all weights of all blocks are open. For each block the norm of the gradient over the steps of an epoch is divided
by the norm of its weights; the rates of blocks in the next epoch are in proportion to it, the largest being the full
rate. The first rates come from four batches without a step. BatchNorm uses the moving statistics (or with
`bn=adapting` the batch's).

When: it is not known which blocks have to change: early ones for another look of the pictures, late ones for other
classes.

Reference: Lee et al., "Surgical Fine-Tuning Improves Adaptation to Distribution Shifts", 2023, arXiv:2210.11466
(Auto-RGN).
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """One phase that opens everything, with measured rates."""
    return (
        Phase(
            name="all blocks",
            epochs=epochs,
            learning_rate=3e-4,
            open_blocks=blocks,
            batch_norm=bn,
            drop_layers=True,
            block_rates="auto-rgn",
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `auto-rgn`."""
    options = (_batch_norm.OPTION,)
    title = "train everything, each block as its gradients ask"
    reference = "https://arxiv.org/abs/2210.11466"
    return [Policy(name="auto-rgn", title=title, plan=plan, reference=reference, options=options)]
