"""EfficientNetV2 of keras_cv: B0 to B3, S, M and L.

keras_cv's units hold layers that are never called, and so never get weights; they are left behind. Pixels are divided
by 255, with which keras_cv's own weights were trained. The accuracies here are those that its authors measured; the
higher ones in its descriptions of the presets are those of other people's weights.

Reference: Tan, Le 2021, arXiv:2104.00298.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_STAGES: dict[str, dict[str, list[Any]]] = {
    "b": {"num_repeats": [1, 2, 2, 3, 5, 8], "filters": [32, 16, 32, 48, 96, 112, 192]},
    "s": {"num_repeats": [2, 4, 4, 6, 9, 15], "filters": [24, 24, 48, 64, 128, 160, 256]},
    "m": {"num_repeats": [3, 5, 5, 7, 14, 18, 5], "filters": [24, 24, 48, 80, 160, 176, 304, 512]},
    "l": {"num_repeats": [4, 7, 7, 10, 19, 25, 7], "filters": [32, 32, 64, 96, 192, 224, 384, 640]},
}
"""Units of each stage; filters before the first and of each stage."""

_VARIANTS = {
    "b0": (1.0, 1.0, 224, 5919312),
    "b1": (1.0, 1.1, 240, 6931124),
    "b2": (1.1, 1.2, 260, 8769374),
    "b3": (1.2, 1.4, 300, 12930622),
    "s": (1.0, 1.0, 384, 20331360),
    "m": (1.0, 1.0, 480, 53150388),
    "l": (1.0, 1.0, 480, 117746848),
}
"""Factors of width and depth, side of the pictures, number of weights."""

_TOP1 = {"b0": 0.7527, "b1": 0.756, "b2": 0.7699, "s": 0.801}
"""keras_cv's training history; no others are published."""

_FUSED = 3
"""So many stages, the first ones, have fused units."""


def _network(variant: str, *, width: float, depth: float, size: int, parameters: int) -> Network:
    stages = _STAGES[variant[0]]
    repeats, filters = stages["num_repeats"], stages["filters"]
    count = len(repeats)
    return Network(
        name=f"cv-efficientnetv2-{variant}",
        label=f"EfficientNetV2 {variant.upper()}",
        family="efficientnetv2",
        class_name="EfficientNetV2Backbone",
        arguments={
            "width_coefficient": width,
            "depth_coefficient": depth,
            "stackwise_kernel_sizes": [3] * count,
            "stackwise_num_repeats": repeats,
            "stackwise_input_filters": filters[:-1],
            "stackwise_output_filters": filters[1:],
            "stackwise_expansion_ratios": [1, 4, 4, 4, 6, 6, 6][:count],
            "stackwise_squeeze_and_excite_ratios": [0, 0, 0, 0.25, 0.25, 0.25, 0.25][:count],
            "stackwise_strides": [1, 2, 2, 2, 1, 2, 1][:count],
            "stackwise_conv_types": ["fused"] * _FUSED + ["unfused"] * (count - _FUSED),
        },
        blocks=(
            Block(name="stem", layers=("input_*", "stem_*")),
            *(
                Block(name=f"block{stage}{chr(97 + i)}", layers=(f"block{stage}{chr(97 + i)}_*",))
                for stage, number in enumerate(repeats, start=1)
                for i in range(math.ceil(depth * number))
            ),
            Block(name="top", layers=("top_*",)),
        ),
        reference="https://arxiv.org/abs/2104.00298",
        image_size=size,
        parameters=parameters,
        preset=f"keras/efficientnetv2/keras/efficientnetv2_{variant}_imagenet/2" if variant in _TOP1 else None,
        top1=_TOP1.get(variant),
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-efficientnetv2-b0` to `-b3`, `-s`, `-m` and `-l`."""
    return [
        record(_network(name, width=width, depth=depth, size=size, parameters=parameters))
        for name, (width, depth, size, parameters) in _VARIANTS.items()
    ]
