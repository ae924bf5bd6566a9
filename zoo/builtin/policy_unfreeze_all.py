"""The whole backbone is trained with the head, in small steps.

What: all weights of all blocks are open and drop layers work. BatchNorm uses the moving statistics as they are, or with
`bn=adapting` those of the batch. The learning rate is 1e-4, for the head too, because large steps destroy what the
weights hold before the head has learnt anything. Nothing can be computed once, so every epoch costs a full one.

When: there are many pictures (thousands), or `freeze-all` and `unfreeze-top-k` leave accuracy behind.

Reference: Kornblith, Shlens, Le, "Do Better ImageNet Models Transfer Better?", 2019, arXiv:1805.08974.
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """One phase that opens everything."""
    return (Phase(name="all blocks", epochs=epochs, learning_rate=1e-4, open_blocks=blocks, batch_norm=bn),)


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `unfreeze-all`."""
    options = (_batch_norm.OPTION,)
    title = "train everything, in small steps"
    reference = "https://arxiv.org/abs/1805.08974"
    return [Policy(name="unfreeze-all", title=title, plan=plan, reference=reference, options=options)]
