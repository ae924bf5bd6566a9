"""NASNet-A of keras.applications: cells that read the outputs of the two cells before them.

A block is one cell, so that a cut between two blocks carries two tensors. The activation after the last cell belongs to
it. Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017, arXiv:1707.07012. Keras
does not build NASNetMobile on torch. Keras' documentation (2.x) says that the weights are released under the Apache
License.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._applications import Application, backbones, stem, unit
from zoo.builtin._applications_graph import MINUS_ONE_TO_ONE, with_readers
from zoo.hookspecs import hookimpl
from zoo.weights import WeightsFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Backbone, Block

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/"


def _blocks(cells: int) -> Iterator[Block]:
    """The blocks of a network with so many normal cells in each of its three stages."""
    yield stem()
    yield from (_reduction("stem_1"), _reduction("stem_2"))
    for stage in range(3):
        if stage:
            yield _reduction(f"reduce_{stage * cells}")
        yield from (_normal(stage * cells + i + (stage > 0)) for i in range(cells))


def _reduction(label: str) -> Block:
    return unit(f"cell_{label}", f"*_{label}")


def _normal(number: int) -> Block:
    adjusting = (f"adjust_bn_{number}", f"adjust_conv_projection_{number}", f"adjust_*_[12]_{number}")
    return unit(f"cell_{number}", f"normal_*_{number}", f"separable_conv_*_normal_*_{number}", *adjusting)


APPLICATIONS = (
    Application(
        keras_name="NASNetMobile",
        family="nasnet",
        image_size=224,
        blocks=tuple(_blocks(4)),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(
            name="nasnet_mobile_no_top.h5",
            url=f"{_FOLDER}NASNet-mobile-no-top.h5",
            digest="1ed92395b5b598bdda52abe5c0dbfd63",
            megabytes=20.0,
        ),
        licence="Apache-2.0",
        reference="https://arxiv.org/abs/1707.07012",
        parameters=4_269_716,
        top1=0.744,
        place=with_readers,
        backends=("tensorflow", "jax"),
    ),
    Application(
        keras_name="NASNetLarge",
        family="nasnet",
        image_size=331,
        blocks=tuple(_blocks(6)),
        pixels=MINUS_ONE_TO_ONE,
        file=WeightsFile(
            name="nasnet_large_no_top.h5",
            url=f"{_FOLDER}NASNet-large-no-top.h5",
            digest="d81d89dc07e6e56530c4e77faddd61b5",
            megabytes=343.6,
        ),
        licence="Apache-2.0",
        reference="https://arxiv.org/abs/1707.07012",
        parameters=84_916_818,
        top1=0.825,
        place=with_readers,
    ),
)
"""The networks of this file."""

BACKBONES = backbones(APPLICATIONS, __name__)
"""Their records."""


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `nasnetmobile` and `nasnetlarge`."""
    return list(BACKBONES)
