"""DenseNet of keras.applications: units whose input is everything that came before them in their stage.

A block is one dense unit (`conv2_block1`, …) or one transition (`pool2` to `pool4`); the normalisation after the last
unit is the top. Huang et al., "Densely Connected Convolutional Networks", 2016, arXiv:1608.06993. Keras' documentation
(2.x) says that the weights are released under the BSD 3-clause License.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, stem, unit
from zoo.builtin._applications_graph import STANDARDISED
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Backbone, Block

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/densenet/"


def _blocks(*depths: int) -> Iterator[Block]:
    yield stem("conv1_*", "pool1")
    for stage, depth in enumerate(depths, 2):
        yield from (unit(f"conv{stage}_block{i}") for i in range(1, depth + 1))
        yield unit(f"pool{stage}") if stage <= len(depths) else unit("top", "bn", "relu")


def _densenet(
    keras_name: str, depths: tuple[int, ...], *, parameters: int, top1: float, digest: str, megabytes: float
) -> Application:
    file = f"{keras_name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return Application(
        keras_name=keras_name,
        family="densenet",
        image_size=224,
        blocks=tuple(_blocks(*depths)),
        pixels=STANDARDISED,
        file=WeightsFile(name=file, url=_FOLDER + file, digest=digest, megabytes=megabytes),
        licence="BSD-3-Clause",
        reference="https://arxiv.org/abs/1608.06993",
        parameters=parameters,
        top1=top1,
    )


APPLICATIONS = (
    _densenet(
        "DenseNet121",
        (6, 12, 24, 16),
        parameters=7_037_504,
        top1=0.750,
        digest="30ee3e1110167f948a6b9946edeeb738",
        megabytes=29.1,
    ),
    _densenet(
        "DenseNet169",
        (6, 12, 32, 32),
        parameters=12_642_880,
        top1=0.762,
        digest="b8c4d4c20dd625c148057b9ff1c1176b",
        megabytes=51.9,
    ),
    _densenet(
        "DenseNet201",
        (6, 12, 48, 32),
        parameters=18_321_984,
        top1=0.773,
        digest="c13680b51ded0fb44dff2d8f86ac8bb1",
        megabytes=74.8,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `densenet121`, `densenet169` and `densenet201`."""
    return list(BACKBONES)
