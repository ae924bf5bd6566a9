"""EfficientNet-Lite B0 to B4 of keras_cv: no squeeze and excitation, ReLU6, a stem and a top of fixed width.

keras_cv publishes no weights for them and divides pixels by 255; the package `zoo-efficientnet-lite` offers the same
network with the published weights and their pixels, on every backend. The rate of the drop layers rises up to
0.2 · units / 16, so that the deeper variants drop more.

Reference: https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Units of the seven stages of B0. The first and the last stage are never deepened."""

_VARIANTS = {
    "b0": (1.0, 1.0, 224, 3413024),
    "b1": (1.0, 1.1, 240, 4189344),
    "b2": (1.1, 1.2, 260, 4869168),
    "b3": (1.2, 1.4, 280, 6992768),
    "b4": (1.4, 1.8, 300, 11837936),
}
"""Factors of width and depth, side of the pictures, number of weights."""


def _units(depth: float) -> list[str]:
    ends = (0, len(_REPEATS) - 1)
    return [
        f"block{stage + 1}{chr(97 + i)}"
        for stage, repeats in enumerate(_REPEATS)
        for i in range(repeats if stage in ends else math.ceil(depth * repeats))
    ]


def _network(variant: str, *, width: float, depth: float, size: int, parameters: int) -> Network:
    return Network(
        name=f"cv-efficientnetlite-{variant}",
        label=f"EfficientNet-Lite {variant.upper()}",
        family="efficientnet-lite",
        class_name="EfficientNetLiteBackbone",
        arguments={
            "width_coefficient": width,
            "depth_coefficient": depth,
            "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
            "stackwise_num_repeats": list(_REPEATS),
            "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
            "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
            "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
            "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
        },
        blocks=(
            Block(name="stem", layers=("input_*", "stem_*")),
            *(Block(name=unit, layers=(f"{unit}_*",)) for unit in _units(depth)),
            Block(name="top", layers=("top_*",)),
        ),
        reference="https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html",
        image_size=size,
        parameters=parameters,
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-efficientnetlite-b0` to `cv-efficientnetlite-b4`."""
    return [
        record(_network(name, width=width, depth=depth, size=size, parameters=parameters))
        for name, (width, depth, size, parameters) in _VARIANTS.items()
    ]
