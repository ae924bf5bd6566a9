"""MobileNet, MobileNetV2 and MobileNetV3 of keras.applications, at width 1.

A block is one depthwise separable or inverted-bottleneck unit. Howard et al., "MobileNets", 2017, arXiv:1704.04861;
Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, arXiv:1801.04381; Howard et al.,
"Searching for MobileNetV3", 2019, arXiv:1905.02244. For versions 1 and 2 Keras has one file of weights for each of
several sizes of pictures, and no hashes; here it is the file for 224 pixels, at every size. Keras' documentation (2.x)
says that these weights are released under the Apache License.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import KERAS_LICENCE, Application, backbones, stem, unit
from zoo.builtin._applications_graph import MINUS_ONE_TO_ONE
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Block

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/"
_V1 = "mobilenet_1_0_224_tf_no_top.h5"
_V2 = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


def _separable(i: int) -> Block:
    own = (f"conv_dw_{i}", f"conv_dw_{i}_*", f"conv_pw_{i}", f"conv_pw_{i}_*", f"conv_pad_{i}")
    return unit(f"unit{i}", *own)


def _third(keras_name: str, units: int, *, parameters: int, top1: float, file: WeightsFile) -> Application:
    return Application(
        keras_name=keras_name,
        family="mobilenetv3",
        image_size=224,
        blocks=(
            stem("conv", "conv_bn"),
            unit("unit0", "expanded_conv_[!0-9]*"),
            *(unit(f"unit{i}", f"expanded_conv_{i}_*") for i in range(1, units)),
            unit("top", "conv_1", "conv_1_bn"),
        ),
        pixels=MINUS_ONE_TO_ONE,
        file=file,
        licence=KERAS_LICENCE,
        reference="https://arxiv.org/abs/1905.02244",
        parameters=parameters,
        top1=top1,
    )


def _third_file(size: str, digest: str, megabytes: float) -> WeightsFile:
    name = f"weights_mobilenet_v3_{size}_224_1.0_float_no_top_v2.h5"
    return WeightsFile(name=name, url=f"{_FOLDER}mobilenet_v3/{name}", digest=digest, megabytes=megabytes)


APPLICATIONS = (
    Application(
        keras_name="MobileNet",
        family="mobilenet",
        image_size=224,
        blocks=(stem("conv1*"), *(_separable(i) for i in range(1, 14))),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(name=_V1, url=f"{_FOLDER}mobilenet/{_V1}", digest=None, megabytes=17.2),
        licence="Apache-2.0",
        reference="https://arxiv.org/abs/1704.04861",
        parameters=3_228_864,
        top1=0.704,
    ),
    Application(
        keras_name="MobileNetV2",
        family="mobilenetv2",
        image_size=224,
        blocks=(
            stem("Conv1*", "bn_Conv1"),
            unit("expanded_conv"),
            *(unit(f"block_{i}") for i in range(1, 17)),
            unit("top", "Conv_1*", "out_relu"),
        ),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(name=_V2, url=f"{_FOLDER}mobilenet_v2/{_V2}", digest=None, megabytes=9.4),
        licence="Apache-2.0",
        reference="https://arxiv.org/abs/1801.04381",
        parameters=2_257_984,
        top1=0.713,
    ),
    _third(
        "MobileNetV3Small",
        11,
        parameters=939_120,
        top1=0.681,
        file=_third_file("small", "d3e8ec802a04aa4fc771ee12a9a9b836", 4.3),
    ),
    _third(
        "MobileNetV3Large",
        15,
        parameters=2_996_352,
        top1=0.756,
        file=_third_file("large", "07fb09a5933dd0c8eaafa16978110389", 12.7),
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `mobilenet`, `mobilenetv2`, `mobilenetv3small` and `mobilenetv3large`."""
    return list(BACKBONES)
