"""ConvNeXt of keras.applications: depthwise 7×7 convolutions and layer normalisation, no batch normalisation.

A block is one unit, or one of the three steps that halve the sides between stages; the layer normalisation after the
last unit is the top. Liu et al., "A ConvNet for the 2020s", 2022, arXiv:2201.03545. Keras' documentation says that the
weights were converted from facebookresearch/ConvNeXt, which is under the MIT licence, and that those of Base, Large and
XLarge were trained on ImageNet-21k before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import IMAGENET, Application, backbones, stem, unit
from zoo.builtin._applications_graph import STANDARDISED
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Backbone, Block

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/convnext/"


def _blocks(*depths: int) -> Iterator[Block]:
    yield stem("convnext_*_stem")
    for stage, depth in enumerate(depths):
        if stage:
            yield unit(f"downsampling{stage}", f"convnext_*_downsampling_block_{stage - 1}")
        yield from (unit(f"stage{stage}_block{i}", f"convnext_*_stage_{stage}_block_{i}_*") for i in range(depth))
    yield unit("top")


def _convnext(
    size: str, depths: tuple[int, ...], *, parameters: int, top1: float, digest: str, megabytes: float
) -> Application:
    file = f"convnext_{size.lower()}_notop.h5"
    return Application(
        keras_name=f"ConvNeXt{size}",
        family="convnext",
        image_size=224,
        blocks=tuple(_blocks(*depths)),
        pixels=STANDARDISED,
        file=WeightsFile(name=file, url=_FOLDER + file, digest=digest, megabytes=megabytes),
        licence="MIT (converted from facebookresearch/ConvNeXt)",
        reference="https://arxiv.org/abs/2201.03545",
        parameters=parameters,
        top1=top1,
        trained_on=IMAGENET if size in {"Tiny", "Small"} else f"ImageNet-21k, then {IMAGENET}",
    )


APPLICATIONS = (
    _convnext(
        "Tiny",
        (3, 3, 9, 3),
        parameters=27_820_128,
        top1=0.813,
        digest="d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        megabytes=111.7,
    ),
    _convnext(
        "Small",
        (3, 3, 27, 3),
        parameters=49_454_688,
        top1=0.823,
        digest="6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
        megabytes=198.6,
    ),
    _convnext(
        "Base",
        (3, 3, 27, 3),
        parameters=87_566_464,
        top1=0.853,
        digest="40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
        megabytes=350.9,
    ),
    _convnext(
        "Large",
        (3, 3, 27, 3),
        parameters=196_230_336,
        top1=0.863,
        digest="96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
        megabytes=785.6,
    ),
    _convnext(
        "XLarge",
        (3, 3, 27, 3),
        parameters=348_147_968,
        top1=0.867,
        digest="de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
        megabytes=1393.3,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `convnexttiny`, `convnextsmall`, `convnextbase`, `convnextlarge` and `convnextxlarge`."""
    return list(BACKBONES)
