"""Everything is trained from random weights.

What: all weights of all blocks are open, each batch is normalised with its own statistics while the moving ones are
updated, and drop layers work. The learning rate is 1e-3. It suits a backbone without weights (`scratch-cnn`), or any
other with `weights=none`; on pretrained weights it is training with large steps, and `unfreeze-all` is the better
choice.

When: as a baseline that shows what pretraining is worth; with a great many pictures of a kind no weights know.

Reference: He, Girshick, Dollár, "Rethinking ImageNet Pre-training", 2018, arXiv:1811.08883.
"""

from __future__ import annotations

from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:
    """One phase that opens everything and lets the statistics adapt."""
    return (Phase(name="from scratch", epochs=epochs, learning_rate=1e-3, open_blocks=blocks, batch_norm="adapting"),)


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `from-scratch`."""
    title = "train everything, in large steps, for random weights"
    return [Policy(name="from-scratch", title=title, plan=plan, reference="https://arxiv.org/abs/1811.08883")]
