"""CSPDarkNet of keras_cv, the backbone of YOLOX, and what its stages are cut into.

A stage splits into a deep and a shallow branch and merges them. Blocks are the strided convolution before it, the two
convolutions of the split, each bottleneck of the deep branch, and the merging one; so a cut inside a stage carries
both branches. keras_cv's four slices of the picture, one of each pixel of two by two, are cropping and pooling here.
Sides must be even.

References: Wang et al. 2019, arXiv:1911.11929; Ge et al. 2021, arXiv:2107.08430.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_WIDTHS = {"tiny": 48, "s": 64, "m": 96, "l": 128, "xl": 170}
"""Channels of the first stage; each further one has twice as many."""

_DEPTHS = {"tiny": (1, 3, 3, 1), "s": (1, 3, 3, 1), "m": (2, 6, 6, 2), "l": (3, 9, 9, 3), "xl": (4, 12, 12, 4)}
"""Bottlenecks of the four stages."""

_PARAMETERS = {"tiny": 2380416, "s": 4223488, "m": 12374400, "l": 27111424, "xl": 56837970}
_TOP1 = {"tiny": 0.6169, "l": 0.7744}
"""keras_cv's training history; no others are published."""


def _blocks(depths: tuple[int, ...]) -> tuple[Block, ...]:
    blocks = [Block(name="stem", layers=("input_*", "stem_*"))]
    for stage, depth in enumerate(depths, start=2):
        label, csp = f"dark{stage}", f"dark{stage}_csp"
        blocks.append(Block(name=f"{label}_conv", layers=(f"{label}_conv_*",)))
        if stage == len(depths) + 1:  # spatial pyramid pooling, with its pools in the first of the two
            pools = (f"{label}_spp_conv1_*", f"{label}_spp_maxpool_*", f"{label}_spp_concat")
            blocks.append(Block(name=f"{label}_spp_pool", layers=pools))
            blocks.append(Block(name=f"{label}_spp_conv", layers=(f"{label}_spp_conv2_*",)))
        blocks.append(Block(name=f"{label}_split", layers=(f"{csp}_split*",)))
        blocks += [Block(name=f"{label}_unit{i}", layers=(f"{csp}_unit{i}_*",)) for i in range(1, depth + 1)]
        blocks.append(Block(name=f"{label}_merge", layers=(f"{csp}_merge_*",)))
    return tuple(blocks)


def _network(size: str) -> Network:
    return Network(
        name=f"cv-csp-darknet-{size}",
        label=f"CSPDarkNet {size}",
        family="csp-darknet",
        class_name="CSPDarkNetBackbone",
        arguments={
            "stackwise_channels": [_WIDTHS[size] * factor for factor in (1, 2, 4, 8)],
            "stackwise_depth": list(_DEPTHS[size]),
        },
        blocks=_blocks(_DEPTHS[size]),
        reference="https://arxiv.org/abs/1911.11929",
        parameters=_PARAMETERS[size],
        multiple=2,
        preset=f"keras/cspdarknet/keras/csp_darknet_{size}_imagenet/2" if size in _TOP1 else None,
        top1=_TOP1.get(size),
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-csp-darknet-tiny`, `-s`, `-m`, `-l` and `-xl`."""
    return [record(_network(size)) for size in _WIDTHS]
