"""The statistics of every BatchNorm layer are taken from the training pictures; then the head alone is trained.

What: before training, the moving mean and variance of all BatchNorm layers are replaced by those of the training
pictures, without a gradient. From then on all of the backbone is fixed, to the bit, and its drop layers are off, so
that its features are computed once. It costs one pass over the pictures more than `freeze-all`.

When: the pictures are unlike those of the weights in brightness, contrast or colour, and `freeze-all` learns little.
If it helps, the statistics were the trouble. With few pictures the new statistics are noise.

Reference: Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation" (AdaBN), 2016,
arXiv:1603.04779.
"""

from __future__ import annotations

from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:
    """One phase that opens no block, after the statistics of all blocks were replaced."""
    return (
        Phase(
            name="head",
            epochs=epochs,
            learning_rate=1e-3,
            open_blocks=0,
            drop_layers=False,
            re_estimated_blocks=blocks,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `bn-stats`."""
    title = "take the statistics from your pictures, then train the head only"
    return [Policy(name="bn-stats", title=title, plan=plan, reference="https://arxiv.org/abs/1603.04779")]
