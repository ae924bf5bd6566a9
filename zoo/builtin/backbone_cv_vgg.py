"""VGG16 of keras_cv: the convolutions of keras.applications' VGG16 on pixels divided by 255; no published weights.

Reference: Simonyan, Zisserman 2014, arXiv:1409.1556.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_CONVOLUTIONS = (2, 2, 3, 3, 3)
"""In the five stages. Each with its ReLU is a block; pooling goes with the last of a stage."""

_NETWORK = Network(
    name="cv-vgg16",
    label="VGG16",
    family="vgg",
    class_name="VGG16Backbone",
    arguments={"include_top": False},
    blocks=tuple(
        Block(
            name=f"block{stage}_conv{i}",
            layers=(
                *(("input_*",) if stage == i == 1 else ()),
                f"block{stage}_conv{i}",
                *((f"block{stage}_pool",) if i == count else ()),
            ),
        )
        for stage, count in enumerate(_CONVOLUTIONS, start=1)
        for i in range(1, count + 1)
    ),
    reference="https://arxiv.org/abs/1409.1556",
    parameters=14714688,
)


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbone `cv-vgg16`."""
    return [record(_NETWORK)]
