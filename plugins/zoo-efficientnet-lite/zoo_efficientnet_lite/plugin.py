"""What the host loads: the records of the backbones. Keras is imported when one is built, not before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zoo.contracts import Backbone
from zoo.hookspecs import hookimpl
from zoo_efficientnet_lite.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from zoo.contracts import KerasModel, WeightsChoice

ZOO_API_LEVEL = 1


def build(name: str, *, size: int, weights: WeightsChoice) -> KerasModel:
    """See `zoo_efficientnet_lite.graph.build_variant`."""
    from zoo_efficientnet_lite.graph import build_variant

    return build_variant(name, size=size, weights=weights)


def backbone(variant: Variant) -> Backbone:
    """The record of a variant."""
    return Backbone(
        name=variant.name,
        title=f"EfficientNet-Lite{variant.name[-1]}: no squeeze-and-excitation, ReLU6; made for phones",
        family="efficientnet-lite",
        image_size=variant.image_size,
        min_size=32,
        blocks=variant.blocks,
        pixels="(x − 127) / 128, by a Rescaling layer in the graph",
        reference="https://arxiv.org/abs/1905.11946",
        build=partial(build, variant.name),
        weights=(variant.weights,),
        parameters=variant.parameters,
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """EfficientNet-Lite 0, 1 and 2."""
    return [backbone(variant) for variant in VARIANTS]
