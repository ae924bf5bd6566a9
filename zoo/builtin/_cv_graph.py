"""The graph of a keras_cv backbone, made anew from stock Keras layers.

Layers of Keras itself move to the new graph, whether they lie in the old one or inside a layer of it; what keras_cv
composes of several (inverted bottlenecks, squeeze and excitation, cross-stage-partial stages, transformer
encoders) is taken apart by `_cv_parts` into the layers inside. So the weights keep their values, layers that keras_cv
makes and never calls stay behind, and a saved model loads with plain Keras. Names that Keras counts up (`re_lu_7`) are
replaced by ones that tell the place in the network.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import keras

from zoo.builtin import _cv_parts
from zoo.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.contracts import Block, KerasLayer, KerasModel

Tensor: TypeAlias = Any
"""A `KerasTensor`."""

_KINDS = {"re_lu": "relu", "layer_normalization": "norm", "squeeze_and_excite2d": "se", "get_item": "pick"}
"""What a layer without a name of its own is called, where its class is not good enough."""


class Canvas:
    """A graph of stock layers in the making. Every layer has a name that depends on the network alone.

    Args:
        blocks: Of the backbone; a layer without a name of its own is named after the block of its last input.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._block: dict[int, int] = {}
        self._names: set[str] = set()
        self._moved: dict[int, KerasLayer] = {}

    def place(self, layer: KerasLayer, inputs: Tensor, name: str, **changes: object) -> Tensor:
        """Calls a layer of another graph in this one. It moves here; if it is used twice or changed, it is copied.

        Args:
            layer: A stock layer. After this it belongs to no other graph.
            inputs: A tensor or several.
            name: Its name here.
            changes: To its configuration.
        """
        if not changes and id(layer) not in self._moved:
            self._moved[id(layer)] = layer
            layer.name = name
            for variable in layer.weights:  # it may have lain inside another layer
                variable._path = f"{name}/{variable.name}"  # noqa: SLF001 - copies would double the time of building
            layer._inbound_nodes.clear()  # noqa: SLF001 - forget the old graph, or `layer.output` would mean that
            layer._outbound_nodes.clear()  # noqa: SLF001 - as above
            return self.add(layer, inputs)
        copy = type(layer).from_config({**layer.get_config(), "name": name, **changes})
        result = self.add(copy, inputs)
        if layer.weights:
            copy.set_weights(layer.get_weights())
        return result

    def add(self, layer: KerasLayer, *inputs: Tensor) -> Tensor:
        """Calls a new layer.

        Raises:
            PluginError: If its name is taken.
        """
        result = layer(*inputs)
        self.enter(layer.name, result, *inputs)
        return result

    def enter(self, name: str, result: Tensor, *inputs: Tensor) -> None:
        """Notes in which block a tensor is made.

        Raises:
            PluginError: If the name is taken.
        """
        if name in self._names:
            raise PluginError(f"keras_cv builds two layers named {name!r}.", hint=_cv_parts.HINT)
        self._names.add(name)
        matches = [i for i, block in enumerate(self._blocks) if any(fnmatch.fnmatchcase(name, p) for p in block.layers)]
        self._block[id(result)] = matches[0] if matches else self._latest(inputs)

    def name_for(self, kind: str, inputs: Sequence[Tensor]) -> str:
        """A free name for a layer that has none of its own: its block, and what it is."""
        if kind == "rescaling":
            return "input_rescaling"
        name = f"{self._blocks[self._latest(inputs)].name}_{_KINDS.get(kind, kind)}"
        number = 2
        while any(taken == name or taken.startswith(f"{name}_") for taken in self._names):
            name = f"{name.rstrip('0123456789').rstrip('_')}_{number}"
            number += 1
        return name

    def _latest(self, inputs: Sequence[Tensor]) -> int:
        flat = [tensor for entry in inputs for tensor in (entry if isinstance(entry, list) else [entry])]
        return max((self._block.get(id(tensor), 0) for tensor in flat), default=0)


def flat_model(
    source: KerasModel, *, blocks: Sequence[Block], grey: bool, rename: Callable[[str], str] | None = None
) -> KerasModel:
    """The same network as a functional model of stock layers, with the same weights.

    Args:
        source: A keras_cv backbone, built for pictures of a fixed size. It cannot be used afterwards.
        blocks: Of the backbone.
        grey: Whether pictures have one channel, which is repeated for the three of the network.
        rename: Gives a layer that keras_cv names another name.

    Raises:
        PluginError: If it holds something that cannot be rebuilt.
    """
    canvas = Canvas(blocks)
    height, width, channels = source.inputs[0].shape[1:]
    pictures = keras.Input((height, width, 1 if grey else channels), name="pictures")
    first = canvas.add(keras.layers.Concatenate(name="input_repeat"), [pictures] * channels) if grey else pictures
    tensors = {id(source.inputs[0]): first}
    nodes = {id(node.operation): node for depth in source._nodes_by_depth.values() for node in depth}  # noqa: SLF001 - no public way
    for operation in source.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        node = nodes[id(operation)]
        inputs = [tensors[id(tensor)] for tensor in node.input_tensors]
        name = _own_name(operation)
        if name is not None and rename is not None:
            name = rename(name)
        tensors[id(node.outputs[0])] = _cv_parts.rebuild(canvas, operation, node, inputs, name)
    return keras.Model(pictures, tensors[id(source.outputs[0])])  # no fixed name: one graph can hold the network twice


def _own_name(operation: Any) -> str | None:  # noqa: ANN401 - a layer or an operation
    """The name that keras_cv gave, or None for one that Keras counted up."""
    automatic = _cv_parts.kind_of(operation)
    return None if re.fullmatch(rf"{automatic}(_\d+)?", operation.name) else str(operation.name)
