"""ResNet of keras_cv: v1 and, with batch normalisation and ReLU before the convolutions, v2.

Unlike keras.applications' ResNets, the convolutions of v1 have no biases, a stage of v2 is strided in its last unit,
and pixels are divided by 255.

References: He et al. 2015, arXiv:1512.03385; He et al. 2016, arXiv:1603.05027.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Units of the four stages."""

_SMALL = (18, 34)
"""These have units of two 3×3 convolutions; in the others a unit is a bottleneck of three."""

_PARAMETERS = {
    1: {18: 11186112, 34: 21301696, 50: 23561152, 101: 42605504, 152: 58295232},
    2: {18: 11183488, 34: 21299072, 50: 23564800, 101: 42626560, 152: 58331648},
}
_TOP1 = {1: 0.755, 2: 0.7612}
"""Of ResNet50; keras_cv's training history."""


def _network(depth: int, version: int) -> Network:
    suffix = "-v2" if version > 1 else ""
    pretrained = depth == 50  # noqa: PLR2004 - the only one that is published
    return Network(
        name=f"cv-resnet{depth}{suffix}",
        label=f"ResNet{depth}{suffix}",
        family="resnetv2" if version > 1 else "resnet",
        class_name="ResNetV2Backbone" if version > 1 else "ResNetBackbone",
        arguments={
            "stackwise_filters": [64, 128, 256, 512],
            "stackwise_blocks": list(_UNITS[depth]),
            "stackwise_strides": [1, 2, 2, 2],
            "block_type": "basic_block" if depth in _SMALL else "block",
        },
        blocks=(
            Block(name="stem", layers=("input_*", "conv1_*", "pool1_*")),
            *(
                Block(name=f"stack{stack}_unit{unit}", layers=(f"v2_stack_{stack}_block{unit}_*",))
                for stack, units in enumerate(_UNITS[depth])
                for unit in range(1, units + 1)
            ),
            *([Block(name="top", layers=("post_*",))] if version > 1 else []),
        ),
        reference="https://arxiv.org/abs/1603.05027" if version > 1 else "https://arxiv.org/abs/1512.03385",
        parameters=_PARAMETERS[version][depth],
        preset=f"keras/resnetv{version}/keras/resnet50{'_v2' if version > 1 else ''}_imagenet/2"
        if pretrained
        else None,
        top1=_TOP1[version] if pretrained else None,
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-resnet18` to `cv-resnet152`, and the same with `-v2`."""
    return [record(_network(depth, version)) for version in (1, 2) for depth in _UNITS]
