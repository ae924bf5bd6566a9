"""Low-rank adapters: each kernel may only change by a matrix of low rank.

What: beside the kernel of every convolution and dense layer of the backbone two small matrices are trained, whose
product is added to it. Depthwise and separable kernels, for which Keras has no adapters, stay fixed: nearly all of
`xception`, half of NASNet. BatchNorm is fixed; drop layers are off. After training the products are part of the
kernels, and the model is as large and as fast as before.

When: there are few pictures, and `bn-affine` is too little but `unfreeze-all` overfits. It saves memory for the
optimiser, not time: gradients pass through the whole network.

Reference: Hu et al., "LoRA", 2021, arXiv:2106.09685.
"""

from __future__ import annotations

from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, rank: int = 4) -> tuple[Phase, ...]:
    """One phase that opens the kernels of all blocks for changes of low rank."""
    return (
        Phase(
            name="adapters",
            epochs=epochs,
            learning_rate=1e-3,
            open_blocks=blocks,
            open_weights="low-rank",
            rank=rank,
            batch_norm="fixed",
            drop_layers=False,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `lora`."""
    rank = Option("rank", 4, "Rank of the change of each kernel.", 1, 256)
    title = "train the head, and a change of low rank of every kernel"
    return [
        Policy(name="lora", title=title, plan=plan, reference="https://arxiv.org/abs/2106.09685", options=(rank,)),
    ]
