"""The head first, then everything, one cycle each, with lower rates for deeper blocks: what fastai's `fine_tune` does.

What: `head_epochs` for the head alone, then all blocks are open. The rate rises and falls once in each phase; in the
second it is half of the first one's, and from the top to the bottom block it falls by a factor of 100 in equal steps.
Drop layers work.

Where it differs from fastai: the rate peaks after 30 % of the steps in the first phase, too (fastai: 99 %), rises
from 1/25 of it in the second, too (fastai: 1/5), and ends at 1/250,000 of it (fastai: 1/100,000). BatchNorm uses the
moving statistics (`bn=adapting` for those of the batch, which fastai takes; Keras' momentum makes its moving statistics
follow more slowly), gammas and betas are fixed while the head alone is trained, the optimiser is Adam with fixed
momentum and without weight decay, and rates fall block by block and not in three groups.

When: as a strong default if you can afford to train everything.

Reference: Howard & Gugger, "fastai: A Layered API for Deep Learning", 2020, arXiv:2002.04688; Smith & Topin, "Super-
Convergence", 2018, arXiv:1708.07120.
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, head_epochs: int = 1, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """A phase for the head, and one for everything if epochs are left."""
    first = min(head_epochs, epochs)
    phases = []
    if first:
        phases.append(
            Phase(
                name="head",
                epochs=first,
                learning_rate=2e-3,
                open_blocks=0,
                drop_layers=False,
                schedule="one-cycle",
            )
        )
    if epochs > first:
        phases.append(
            Phase(
                name="all blocks",
                epochs=epochs - first,
                learning_rate=1e-3,
                open_blocks=blocks,
                batch_norm=bn,
                drop_layers=True,
                schedule="one-cycle",
                layer_decay=0.01 ** (1 / max(1, blocks - 1)),
            )
        )
    return tuple(phases)


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `fine-tune`."""
    options = (
        Option("head_epochs", 1, "Epochs for the head alone.", 0),
        _batch_norm.OPTION,
    )
    title = "head first, then everything, one cycle each, lower rates below"
    reference = "https://arxiv.org/abs/2002.04688"
    return [Policy(name="fine-tune", title=title, plan=plan, reference=reference, options=options)]
