"""ResNet of keras.applications, in both versions: bottleneck units with an addition at their end.

A block is one unit. The second version normalises before each unit, so that it has one more normalisation at its top,
which is a block of its own. He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385, and
"Identity Mappings in Deep Residual Networks", 2016, arXiv:1603.05027. Keras' documentation (2.x) says that the weights
are ported: the first version's from Kaiming He under the MIT licence, the second's from Facebook under a BSD licence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, stem, unit
from zoo.builtin._applications_graph import CAFFE, MINUS_ONE_TO_ONE
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Block

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"


def _blocks(*depths: int, top: bool) -> tuple[Block, ...]:
    return (
        stem("conv1_*", "pool1_*"),
        *(unit(f"conv{stage}_block{i}") for stage, depth in enumerate(depths, 2) for i in range(1, depth + 1)),
        *([unit("top", "post_*")] if top else []),
    )


def _resnet(
    keras_name: str, depths: tuple[int, ...], *, parameters: int, top1: float, digest: str, megabytes: float
) -> Application:
    file = f"{keras_name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    second = keras_name.endswith("V2")
    return Application(
        keras_name=keras_name,
        family="resnetv2" if second else "resnet",
        image_size=224,
        blocks=_blocks(*depths, top=second),
        pixels=MINUS_ONE_TO_ONE if second else CAFFE,
        file=WeightsFile(name=file, url=_FOLDER + file, digest=digest, megabytes=megabytes),
        licence="BSD (ported from facebook/fb.resnet.torch)" if second else "MIT",
        reference=f"https://arxiv.org/abs/{'1603.05027' if second else '1512.03385'}",
        parameters=parameters,
        top1=top1,
    )


APPLICATIONS = (
    _resnet(
        "ResNet50",
        (3, 4, 6, 3),
        parameters=23_587_712,
        top1=0.749,
        digest="4d473c1dd8becc155b73f8504c6f6626",
        megabytes=94.8,
    ),
    _resnet(
        "ResNet101",
        (3, 4, 23, 3),
        parameters=42_658_176,
        top1=0.764,
        digest="88cf7a10940856eca736dc7b7e228a21",
        megabytes=171.4,
    ),
    _resnet(
        "ResNet152",
        (3, 8, 36, 3),
        parameters=58_370_944,
        top1=0.766,
        digest="ee4c566cf9a93f14d82f913c2dc6dd0c",
        megabytes=234.7,
    ),
    _resnet(
        "ResNet50V2",
        (3, 4, 6, 3),
        parameters=23_564_800,
        top1=0.76,
        digest="fac2f116257151a9d068a22e544a4917",
        megabytes=94.7,
    ),
    _resnet(
        "ResNet101V2",
        (3, 4, 23, 3),
        parameters=42_626_560,
        top1=0.772,
        digest="c0ed64b8031c3730f411d2eb4eea35b5",
        megabytes=171.3,
    ),
    _resnet(
        "ResNet152V2",
        (3, 8, 36, 3),
        parameters=58_331_648,
        top1=0.78,
        digest="ed17cf2e0169df9d443503ef94b23b33",
        megabytes=234.5,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `resnet50`, `resnet101`, `resnet152` and those with `v2`."""
    return list(BACKBONES)
