"""EfficientNetV2 of keras.applications: fused inverted-bottleneck units, then plain ones with squeeze and excitation.

A block is one unit. B0 to B3 take pixels normalised as ImageNet's, S, M and L take x/128 − 1. Tan, Le,
"EfficientNetV2: Smaller Models and Faster Training", 2021, arXiv:2104.00298.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import KERAS_LICENCE, Application, backbones, stem, unit
from zoo.builtin._applications_graph import ABOUT_MINUS_ONE_TO_ONE, STANDARDISED
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Block

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/"


def _blocks(*depths: int) -> tuple[Block, ...]:
    names = [f"block{stage}{chr(ord('a') + i)}" for stage, depth in enumerate(depths, 1) for i in range(depth)]
    return (stem(), *(unit(name) for name in names), unit("top"))


def _efficientnet(
    size: str,
    depths: tuple[int, ...],
    *,
    image_size: int,
    parameters: int,
    top1: float,
    digest: str,
    megabytes: float,
) -> Application:
    file = f"efficientnetv2-{size.lower()}_notop.h5"
    return Application(
        keras_name=f"EfficientNetV2{size}",
        family="efficientnetv2",
        image_size=image_size,
        blocks=_blocks(*depths),
        pixels=STANDARDISED if size.startswith("B") else ABOUT_MINUS_ONE_TO_ONE,
        file=WeightsFile(name=file, url=_FOLDER + file, digest=digest, megabytes=megabytes),
        licence=KERAS_LICENCE,
        reference="https://arxiv.org/abs/2104.00298",
        parameters=parameters,
        top1=top1,
    )


APPLICATIONS = (
    _efficientnet(
        "B0",
        (1, 2, 2, 3, 5, 8),
        image_size=224,
        parameters=5_919_312,
        top1=0.787,
        digest="893217f2bb855e2983157299931e43ff",
        megabytes=24.3,
    ),
    _efficientnet(
        "B1",
        (2, 3, 3, 4, 6, 9),
        image_size=240,
        parameters=6_931_124,
        top1=0.798,
        digest="0e80663031ca32d657f9caa404b6ec37",
        megabytes=28.5,
    ),
    _efficientnet(
        "B2",
        (2, 3, 3, 4, 6, 10),
        image_size=260,
        parameters=8_769_374,
        top1=0.805,
        digest="1dfe2e7a5d45b6632553a8961ea609eb",
        megabytes=35.8,
    ),
    _efficientnet(
        "B3",
        (2, 3, 3, 5, 7, 12),
        image_size=300,
        parameters=12_930_622,
        top1=0.82,
        digest="f6abf7b5849ac99a89b50dd3fd532856",
        megabytes=52.6,
    ),
    _efficientnet(
        "S",
        (2, 4, 4, 6, 9, 15),
        image_size=384,
        parameters=20_331_360,
        top1=0.839,
        digest="af0682fb74e8c54910f2d4393339c070",
        megabytes=82.4,
    ),
    _efficientnet(
        "M",
        (3, 5, 5, 7, 14, 18, 5),
        image_size=480,
        parameters=53_150_388,
        top1=0.853,
        digest="1b8dc055df72dde80d614482840fe342",
        megabytes=214.2,
    ),
    _efficientnet(
        "L",
        (4, 7, 7, 10, 19, 25, 7),
        image_size=480,
        parameters=117_746_848,
        top1=0.857,
        digest="b0b66b5c863aef5b46e8608fe1711615",
        megabytes=473.2,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `efficientnetv2b0` to `efficientnetv2b3`, and those with `s`, `m` and `l`."""
    return list(BACKBONES)
