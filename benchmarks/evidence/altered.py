"""A backbone with its own weights and something wrong or other in it: pixels divided once more, another momentum."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zoo.contracts import Option
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Block
    from zoo.registry import Catalog

SUFFIX = "altered"


def altered(backbone: Backbone) -> Backbone:
    """The backbone as `NAME-altered`, with two more options.

    `divided`: pictures are divided by 255 before all else, as by one more `Rescaling(1/255)` in front of the network's
    own: what happens to whoever scales pictures for a network that scales them itself. `momentum`: of the moving
    statistics of all BatchNorm layers; 0 leaves it as it is.
    """

    def build(*, divided: bool, momentum: float, **rest: Any) -> Any:  # noqa: ANN401 - a Keras model
        import keras

        model = backbone.build(**rest)
        scalings = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
        if divided and len(scalings) != 1:
            raise ValueError(f"{backbone.name} has {len(scalings)} Rescaling layers, and one is needed.")
        if divided:
            scalings[0].scale = scalings[0].scale / 255  # scale · (x / 255) + offset
        for layer in model.layers:
            if momentum and isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = momentum
        return model

    def blocks(*, divided: bool, momentum: float, **rest: Any) -> tuple[Block, ...]:  # noqa: ANN401, ARG001 - all options come
        return backbone.blocks_for(rest)

    own = (
        Option("divided", False, "Divide pictures by 255 before all else."),
        Option("momentum", 0.0, "Of the moving statistics; 0 for the network's own.", 0, 0.9999),
    )
    return dataclasses.replace(
        backbone,
        name=f"{backbone.name}-{SUFFIX}",
        title=f"{backbone.title}; altered",
        build=build,
        blocks=blocks,
        options=(*backbone.options, *own),
    )


def catalog_with(name: str) -> Catalog:
    """All that is installed, and the altered form of one backbone."""
    record = altered(load_catalog().backbone(name))

    class Plugin:
        """Contributes it."""

        @hookimpl
        def zoo_backbones(self) -> list[Backbone]:
            """The altered backbone."""
            return [record]

    return load_catalog(extra=[Plugin()])
