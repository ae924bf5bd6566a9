"""The head is trained first, then everything in small steps (linear probing, then fine-tuning).

What: in the first phase no block is open, and the head is trained on fixed features until it stops getting better. In
the second all blocks are open, at a thirtieth of the rate, with BatchNorm on its moving statistics (or with
`bn=adapting` on the batch's). A head that starts right sends no large gradients into the backbone, so what the
weights hold is kept.

When: fine-tuning everything helps, and the pictures to come may differ somewhat from those you have.

Reference: Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022,
arXiv:2202.10054.
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, head_epochs: int = 0, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """A phase for the head, and one for everything if epochs are left."""
    first = min(head_epochs or (epochs + 1) // 2, epochs)
    phases = [Phase(name="head", epochs=first, learning_rate=1e-3, open_blocks=0, drop_layers=False)]
    if epochs > first:
        phases.append(
            Phase(
                name="all blocks",
                epochs=epochs - first,
                learning_rate=3e-5,
                open_blocks=blocks,
                batch_norm=bn,
                drop_layers=True,
            )
        )
    return tuple(phases)


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `lp-ft`."""
    options = (
        Option("head_epochs", 0, "Epochs for the head alone; 0 for half of all.", 0),
        _batch_norm.OPTION,
    )
    title = "train the head first, then everything in small steps"
    reference = "https://arxiv.org/abs/2202.10054"
    return [Policy(name="lp-ft", title=title, plan=plan, reference=reference, options=options)]
