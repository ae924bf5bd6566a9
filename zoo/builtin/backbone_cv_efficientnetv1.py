"""EfficientNet B0 to B7 of keras_cv. No weights are published for them.

They differ from keras.applications' EfficientNets: a unit's last batch normalisation is followed by a swish, which the
paper does not have, pixels are divided by 255 only, and the rate of the drop layers rises up to 0.2 · units / 16, so
that the deeper variants drop more (B7 up to 0.68).

Reference: Tan, Le 2019, arXiv:1905.11946.
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
"""Units of the seven stages of B0."""

_VARIANTS = {
    "b0": (1.0, 1.0, 224, 4049564),
    "b1": (1.0, 1.1, 240, 6575232),
    "b2": (1.1, 1.2, 260, 7768562),
    "b3": (1.2, 1.4, 300, 10783528),
    "b4": (1.4, 1.8, 380, 17673816),
    "b5": (1.6, 2.2, 456, 28513520),
    "b6": (1.8, 2.6, 528, 40960136),
    "b7": (2.0, 3.1, 600, 64097680),
}
"""Factors of width and depth, side of the pictures, number of weights."""


def _network(variant: str, *, width: float, depth: float, size: int, parameters: int) -> Network:
    return Network(
        name=f"cv-efficientnetv1-{variant}",
        label=f"EfficientNet {variant.upper()}",
        family="efficientnet",
        class_name="EfficientNetV1Backbone",
        arguments={
            "width_coefficient": width,
            "depth_coefficient": depth,
            "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
            "stackwise_num_repeats": list(_REPEATS),
            "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
            "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
            "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
            "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
            "stackwise_squeeze_and_excite_ratios": [0.25] * 7,
        },
        blocks=(
            Block(name="stem", layers=("input_*", "stem_*")),
            *(
                Block(name=f"block{stage}{chr(97 + i)}", layers=(f"block{stage}{chr(97 + i)}_*",))
                for stage, repeats in enumerate(_REPEATS, start=1)
                for i in range(math.ceil(depth * repeats))
            ),
            Block(name="top", layers=("top_*",)),
        ),
        reference="https://arxiv.org/abs/1905.11946",
        image_size=size,
        parameters=parameters,
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-efficientnetv1-b0` to `cv-efficientnetv1-b7`."""
    return [
        record(_network(name, width=width, depth=depth, size=size, parameters=parameters))
        for name, (width, depth, size, parameters) in _VARIANTS.items()
    ]
