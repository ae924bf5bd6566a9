"""Blocks are opened from the top, phase by phase, with a lower rate for deeper ones.

What: the epochs are divided among `stages` phases. In the first only the head is trained; each further one opens
another equal share of the blocks, until all are open. A block's rate is the head's times `decay` for each block above
it. BatchNorm uses the moving statistics (or with `bn=adapting` the batch's). Blocks that are still closed cost
nothing: their features are computed once.

When: a middle way between `unfreeze-top-k` and `unfreeze-all`, where the right number of blocks is unknown.

Reference: Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification" (ULMFiT), 2018,
arXiv:1801.06146, section 3.3.
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(
    blocks: int,
    epochs: int,
    *,
    stages: int = 4,
    decay: float = 0.85,
    bn: _batch_norm.Statistics = "fixed",
) -> tuple[Phase, ...]:
    """A phase for the head, then phases with more and more open blocks; fewer where epochs are few."""
    stages = max(1, min(stages, epochs, blocks + 1))
    lengths = [epochs // stages + (index < epochs % stages) for index in range(stages)]
    phases = []
    for index, length in enumerate(lengths):
        opened = round(blocks * index / (stages - 1)) if stages > 1 else 0
        phases.append(
            Phase(
                name=f"top {opened} blocks" if opened else "head",
                epochs=length,
                learning_rate=1e-3 if not opened else 3e-4,
                open_blocks=opened,
                batch_norm=bn,
                drop_layers=bool(opened),
                layer_decay=decay,
            )
        )
    return tuple(phases)


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `gradual`."""
    options = (
        Option("stages", 4, "Number of phases, the head's included.", 1),
        Option("decay", 0.85, "Factor of the rate for each block further down.", 0.01, 1.0),
        _batch_norm.OPTION,
    )
    title = "open the blocks from the top, phase by phase"
    reference = "https://arxiv.org/abs/1801.06146"
    return [Policy(name="gradual", title=title, plan=plan, reference=reference, options=options)]
