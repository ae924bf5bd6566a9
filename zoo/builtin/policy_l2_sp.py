"""Everything is trained, and every weight of the backbone is pulled back to where it started.

What: as `unfreeze-all`, with half of `alpha` times the squared distance of all backbone weights from the pretrained
ones added to the loss. Weight decay pulls to 0, which for pretrained weights is an arbitrary place. Adam divides this
gradient, like any other, by its running size, so `alpha` means less than with plain gradient descent.

When: there are few pictures for the number of weights, and fine-tuning everything overfits.

Reference: Li, Grandvalet, Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", 2018,
arXiv:1802.01483. Their term for the head's weights (decay to 0) is left out.
"""

from __future__ import annotations

from zoo.builtin import _batch_norm
from zoo.contracts import Option, Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int, *, alpha: float = 0.01, bn: _batch_norm.Statistics = "fixed") -> tuple[Phase, ...]:
    """One phase that opens everything, with a pull to the start."""
    return (
        Phase(
            name="all blocks",
            epochs=epochs,
            learning_rate=1e-4,
            open_blocks=blocks,
            batch_norm=bn,
            drop_layers=True,
            pull=alpha,
        ),
    )


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `l2-sp`."""
    options = (
        Option("alpha", 0.01, "Strength of the pull; 0 for none.", 0.0),
        _batch_norm.OPTION,
    )
    title = "train everything, with a pull back to the pretrained weights"
    reference = "https://arxiv.org/abs/1802.01483"
    return [Policy(name="l2-sp", title=title, plan=plan, reference=reference, options=options)]
