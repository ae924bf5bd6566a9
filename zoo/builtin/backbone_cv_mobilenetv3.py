"""MobileNetV3 of keras_cv. The four layers that it makes of each hard swish are one here.

Reference: Howard et al. 2019, arXiv:1905.02244.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_SMALL: dict[str, list[Any]] = {
    "stackwise_expansion": [1, 72 / 16, 88 / 24, 4, 6, 6, 3, 3, 6, 6, 6],
    "stackwise_filters": [16, 24, 24, 40, 40, 40, 48, 48, 96, 96, 96],
    "stackwise_kernel_size": [3, 3, 3] + [5] * 8,
    "stackwise_stride": [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1],
    "stackwise_se_ratio": [0.25, None, None] + [0.25] * 8,
    "stackwise_activation": ["relu"] * 3 + ["hard_swish"] * 8,
}
_LARGE: dict[str, list[Any]] = {
    "stackwise_expansion": [1, 4, 3, 3, 3, 3, 6, 2.5, 2.3, 2.3, 6, 6, 6, 6, 6],
    "stackwise_filters": [16, 24, 24, 40, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160],
    "stackwise_kernel_size": [3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5],
    "stackwise_stride": [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1],
    "stackwise_se_ratio": [None] * 3 + [0.25] * 3 + [None] * 4 + [0.25] * 5,
    "stackwise_activation": ["relu"] * 6 + ["hard_swish"] * 9,
}
_TOP1 = {"small": None, "large": 0.694}
"""Of the published classifier, which has a plain head."""


def _rename(name: str) -> str:
    """Gives the first unit a number too, so that no pattern for it matches the others."""
    return re.sub(r"^expanded_conv_(?!\d)", "expanded_conv_0_", name)


def _network(size: str, arguments: dict[str, list[Any]], parameters: int) -> Network:
    units = len(arguments["stackwise_filters"])
    return Network(
        name=f"cv-mobilenetv3-{size}",
        label=f"MobileNetV3 {size}",
        family="mobilenetv3",
        class_name="MobileNetV3Backbone",
        arguments=arguments,
        blocks=(
            Block(name="stem", layers=("input_*", "Conv", "Conv_BatchNorm", "stem_*")),
            *(Block(name=f"expanded_conv_{i}", layers=(f"expanded_conv_{i}_*",)) for i in range(units)),
            Block(name="top", layers=("Conv_1", "Conv_1_BatchNorm", "top_*")),
        ),
        reference="https://arxiv.org/abs/1905.02244",
        parameters=parameters,
        preset=f"keras/mobilenetv3/keras/mobilenet_v3_{size}_imagenet/2",
        top1=_TOP1[size],
        rename=_rename,
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-mobilenetv3-small` and `cv-mobilenetv3-large`."""
    return [record(_network("small", _SMALL, 939120)), record(_network("large", _LARGE, 2996352))]
