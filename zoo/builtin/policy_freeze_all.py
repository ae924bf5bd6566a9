"""The backbone is a fixed feature extractor; only the head is trained.

What: gamma and beta, statistics and all other weights of the backbone stay as they are, to the bit, and its drop layers
are off. So its features can be computed once and the head is trained on them: by far the cheapest policy.

When: as the first row of every comparison; with few pictures; with pictures like those the weights were trained on.

Reference: Kornblith, Shlens, Le, "Do Better ImageNet Models Transfer Better?", 2019, arXiv:1805.08974.
"""

from __future__ import annotations

from zoo.contracts import Phase, Policy
from zoo.hookspecs import hookimpl


def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:  # noqa: ARG001 - the contract's arguments
    """One phase that opens no block."""
    return (Phase(name="head", epochs=epochs, learning_rate=1e-3, open_blocks=0, drop_layers=False),)


@hookimpl
def zoo_policies() -> list[Policy]:
    """The policy `freeze-all`."""
    title = "train the head only, on features that never change"
    return [Policy(name="freeze-all", title=title, plan=plan, reference="https://arxiv.org/abs/1805.08974")]
