"""Gamma and beta of every BatchNorm layer are trained, on the statistics that came with the weights.

What: every block is open, but for gamma and beta only. Normalisation uses the moving statistics and leaves them as they
are; drop layers are off. So training and inference compute the same function, and few weights move (42,000 of the 4
million of EfficientNetB0).

When: the pictures are somewhat unlike those of the weights, and there are too few to train everything; batches are
small, so that statistics of a batch are noise.

Reference: Mudrakarta et al., "K for the Price of 1", 2019, arXiv:1810.10703 (scales and biases alone transfer);
Frankle, Schwab, Morcos, "Training BatchNorm and Only BatchNorm", 2021, arXiv:2003.00152.
"""

from __future__ import annotations

from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:
    """One phase that opens gamma and beta of all blocks and fixes the statistics."""
    return (
        Phase(
            name="gamma and beta",
            epochs=epochs,
            learning_rate=1e-3,
            open_blocks=blocks,
            open_weights="batch-norm",
            batch_norm="fixed",
            drop_layers=False,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `bn-affine`."""
    title = "train the head and all gammas and betas, on fixed statistics"
    return [Policy(name="bn-affine", title=title, plan=plan, reference="https://arxiv.org/abs/1810.10703")]
