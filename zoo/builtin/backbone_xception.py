"""Xception of keras.applications: residual units of depthwise separable convolutions.

A block is one unit, `block2` to `block13`; `block1` before them is the stem, `block14` after them has two separable
convolutions. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016, arXiv:1610.02357. Keras'
documentation (2.x) says that the weights are released under the MIT licence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, stem, unit
from zoo.builtin._applications_graph import MINUS_ONE_TO_ONE
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_FILE = "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"

APPLICATIONS = (
    Application(
        keras_name="Xception",
        family="xception",
        image_size=299,
        min_size=71,
        blocks=(stem("block1_*"), *(unit(f"block{i}") for i in range(2, 15))),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(
            name=_FILE,
            url=f"https://storage.googleapis.com/tensorflow/keras-applications/xception/{_FILE}",
            digest="b0042744bf5b25fce3cb969f33bebb97",
            megabytes=83.7,
        ),
        licence="MIT",
        reference="https://arxiv.org/abs/1610.02357",
        parameters=20_861_480,
        top1=0.790,
    ),
)
"""The network of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbone `xception`."""
    return list(BACKBONES)
