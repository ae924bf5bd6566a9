"""MixTransformer (MiT) of keras_cv, the backbone of SegFormer: B0 to B5. No batch normalisation in it.

Stages of overlapping patches and transformer units over fewer and fewer, wider tokens; the normalisation that closes a
stage goes with its last unit. Sides must be multiples of 32, from 64 (keras_cv itself fails at 32). The accuracy of the
published B0 weights is that of their description.

Reference: Xie et al. 2021, arXiv:2105.15203.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_DEPTHS = {
    "b0": (2, 2, 2, 2),
    "b1": (2, 2, 2, 2),
    "b2": (3, 4, 6, 3),
    "b3": (3, 4, 18, 3),
    "b4": (3, 8, 27, 3),
    "b5": (3, 6, 40, 3),
}
"""Units of the four stages."""

_PARAMETERS = {"b0": 3319392, "b1": 13151424, "b2": 24196288, "b3": 44072128, "b4": 60842688, "b5": 81443008}


def _blocks(depths: tuple[int, ...]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for stage, units in enumerate(depths):
        first = ("input_*",) if stage == 0 else ()
        blocks.append(Block(name=f"patches_{stage}", layers=(*first, f"patch_and_embed_{stage}_*")))
        blocks += [
            Block(
                name=f"hierarchical_encoder_{stage}_{unit}",
                layers=(
                    f"hierarchical_encoder_{stage}_{unit}_*",
                    *((f"output_level_{stage}",) if unit == units - 1 else ()),
                ),
            )
            for unit in range(units)
        ]
    return tuple(blocks)


def _network(variant: str) -> Network:
    pretrained = variant == "b0"
    return Network(
        name=f"cv-mit-{variant}",
        label=f"MixTransformer {variant.upper()}",
        family="mit",
        class_name="MiTBackbone",
        arguments={
            "depths": list(_DEPTHS[variant]),
            "embedding_dims": [32, 64, 160, 256] if pretrained else [64, 128, 320, 512],
        },
        blocks=_blocks(_DEPTHS[variant]),
        reference="https://arxiv.org/abs/2105.15203",
        parameters=_PARAMETERS[variant],
        min_size=64,
        multiple=32,
        preset="keras/mit/keras/mit_b0_imagenet/2" if pretrained else None,
        top1=0.69 if pretrained else None,
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-mit-b0` to `cv-mit-b5`."""
    return [record(_network(variant)) for variant in _DEPTHS]
