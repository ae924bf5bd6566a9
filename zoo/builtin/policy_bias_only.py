"""Only biases are trained: those of layers that have one, and the betas of BatchNorm.

What: every block is open, but for biases and betas only. BatchNorm uses the moving statistics and leaves them as they
are; drop layers are off. Fewer weights move than with `bn-affine`, which trains the gammas too.

When: very few pictures, or as a row that shows how far shifting alone goes.

Reference: Ben Zaken, Goldberg, Ravfogel, "BitFit", 2022, arXiv:2106.10199; Cai et al., "TinyTL", 2020,
arXiv:2007.11622.
"""

from __future__ import annotations

from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:
    """One phase that opens the biases and betas of all blocks and fixes the statistics."""
    return (
        Phase(
            name="biases",
            epochs=epochs,
            learning_rate=1e-3,
            open_blocks=blocks,
            open_weights="bias",
            batch_norm="fixed",
            drop_layers=False,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `bias-only`."""
    title = "train the head, all biases and all betas"
    return [Policy(name="bias-only", title=title, plan=plan, reference="https://arxiv.org/abs/2106.10199")]
