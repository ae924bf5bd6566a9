"""VGG16 and VGG19 of keras.applications: plain stacks of 3×3 convolutions without batch normalisation.

A block is one convolution, with the pooling after it where there is one. Simonyan, Zisserman, "Very Deep Convolutional
Networks for Large-Scale Image Recognition", 2014, arXiv:1409.1556. Keras' documentation (2.x) says that the weights
come from VGG at Oxford under the Creative Commons Attribution License.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, unit
from zoo.builtin._applications_graph import CAFFE
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Block


def _blocks(*depths: int) -> tuple[Block, ...]:
    names = [f"block{stage}_conv{i}" for stage, depth in enumerate(depths, 1) for i in range(1, depth + 1)]
    return (unit(names[0], "input_*", names[0]), *(unit(name, name) for name in names[1:]))


def _vgg(
    keras_name: str, depths: tuple[int, ...], *, parameters: int, top1: float, digest: str, megabytes: float
) -> Application:
    file = f"{keras_name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    folder = f"https://storage.googleapis.com/tensorflow/keras-applications/{keras_name.lower()}"
    return Application(
        keras_name=keras_name,
        family="vgg",
        image_size=224,
        blocks=_blocks(*depths),
        pixels=CAFFE,
        file=WeightsFile(name=file, url=f"{folder}/{file}", digest=digest, megabytes=megabytes),
        licence="CC-BY-4.0",
        reference="https://arxiv.org/abs/1409.1556",
        parameters=parameters,
        top1=top1,
    )


APPLICATIONS = (
    _vgg(
        "VGG16",
        (2, 2, 3, 3, 3),
        parameters=14_714_688,
        top1=0.713,
        digest="6d6bbae143d832006294945121d1f1fc",
        megabytes=58.9,
    ),
    _vgg(
        "VGG19",
        (2, 2, 4, 4, 4),
        parameters=20_024_384,
        top1=0.713,
        digest="253f8cb515780f3b799900260a226db6",
        megabytes=80.1,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `vgg16` and `vgg19`."""
    return list(BACKBONES)
