"""The networks that all train: the library's backbones with their weights, and its heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.registry import Catalog


def size_of(name: str, catalog: Catalog) -> int:
    """Side in pixels of the pictures that a backbone takes."""
    from zoo.building import size_of as asked
    from zoo.recipe import complete_backbone

    return asked(complete_backbone(catalog, name))


def backbone_of(name: str, catalog: Catalog) -> Any:  # noqa: ANN401 - a Keras model
    """A fresh backbone with its weights: raw RGB 0–255 to a feature map."""
    from zoo.building import choose_weights, own_options
    from zoo.building import size_of as asked
    from zoo.recipe import complete_backbone

    spec = complete_backbone(catalog, name)
    record = catalog.backbone(spec.name)
    return record.build(size=asked(spec), weights=choose_weights(record, spec), **own_options(spec))


def head_of(name: str, backbone: Any, classes: int, catalog: Catalog) -> Any:  # noqa: ANN401 - Keras models
    """A fresh head: feature map to logits."""
    from zoo.recipe import complete_head

    spec = complete_head(catalog, name)
    return catalog.head(spec.name).build(tuple(backbone.output_shape[1:]), classes, **spec.values())


def top_layers(name: str, backbone: Any, count: int, catalog: Catalog) -> list[Any]:  # noqa: ANN401 - a Keras model
    """The layers with weights of a backbone's topmost blocks."""
    from zoo.graph import assign_blocks
    from zoo.recipe import complete_backbone

    spec = complete_backbone(catalog, name)
    record = catalog.backbone(spec.name)
    blocks = assign_blocks(backbone, record.blocks_for(spec.values()), name=name)
    return [leaf for block in blocks[-count:] for leaf in block.leaves]
