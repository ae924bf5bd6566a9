"""InceptionV3 and InceptionResNetV2 of keras.applications.

A block is one inception module; the five convolutions before the first are the stem. Szegedy et al., "Rethinking the
Inception Architecture for Computer Vision", 2015, arXiv:1512.00567, and "Inception-v4, Inception-ResNet and the Impact
of Residual Connections on Learning", 2016, arXiv:1602.07261. Keras' documentation (2.x) says that the weights are
released under the Apache License.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, stem, unit
from zoo.builtin._applications_graph import MINUS_ONE_TO_ONE, until
from zoo.contracts import Block
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/"
_V3 = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
_RESNET = "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
_STEM_END = ("MaxPooling2D", 2)

_RESIDUAL = (
    "mixed_5b",
    *(f"block35_{i}" for i in range(1, 11)),
    "mixed_6a",
    *(f"block17_{i}" for i in range(1, 21)),
    "mixed_7a",
    *(f"block8_{i}" for i in range(1, 11)),
)
"""The modules of InceptionResNetV2."""


def _residual_end(name: str) -> str:
    """The last layer of a module; the last module of all has no activation."""
    if name.startswith("mixed"):
        return name
    return "CustomScaleLayer" if name == "block8_10" else f"{name}_ac"


APPLICATIONS = (
    Application(
        keras_name="InceptionV3",
        family="inception",
        image_size=299,
        min_size=75,
        blocks=(
            stem(),
            *(unit(f"mixed{i}", f"mixed{i}") for i in range(9)),
            Block(name="mixed9", layers=("mixed9", "mixed9_0", "mixed9_[a-z]*")),
            unit("mixed10", "mixed10", "mixed9_1"),  # Keras' own name for a part of the last module
        ),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(
            name=_V3, url=f"{_FOLDER}inception_v3/{_V3}", digest="bcbd6486424b2319ff4ef7d526e38f63", megabytes=87.9
        ),
        licence="Apache-2.0",
        reference="https://arxiv.org/abs/1512.00567",
        parameters=21_802_784,
        top1=0.779,
        place=until(_STEM_END, *(f"mixed{i}" for i in range(11))),
    ),
    Application(
        keras_name="InceptionResNetV2",
        family="inception",
        image_size=299,
        min_size=75,
        blocks=(stem(), *(unit(name, name) for name in _RESIDUAL), unit("top", "conv_7b*")),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(
            name=_RESNET,
            url=f"{_FOLDER}inception_resnet_v2/{_RESNET}",
            digest="d19885ff4a710c122648d3b5c3b684e4",
            megabytes=219.1,
        ),
        licence="Apache-2.0",
        reference="https://arxiv.org/abs/1602.07261",
        parameters=54_336_736,
        top1=0.803,
        place=until(_STEM_END, *(_residual_end(name) for name in _RESIDUAL), "conv_7b_ac"),
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `inceptionv3` and `inceptionresnetv2`."""
    return list(BACKBONES)
