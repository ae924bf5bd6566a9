"""The graph of a functional Keras model: its leaves, which block each layer is in, and the tensors at each cut."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import keras

from zoo.edges import inputs_of, maker_of
from zoo.errors import ContractError
from zoo.low_rank import adapters_of, takes_adapter, value_with_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from zoo.contracts import Block, KerasLayer, KerasModel

    Array = np.ndarray[Any, Any]

Role = Literal["gamma", "beta", "statistic", "bias", "kernel", "other"]


@dataclass(frozen=True)
class AssembledBlock:
    """A block with what is in it.

    Attributes:
        name: As the backbone declares it.
        operations: Names of its nodes in the graph, in order.
        leaves: Layers that own weights or behaviour of their own, sublayers of composite layers included.
    """

    name: str
    operations: tuple[str, ...]
    leaves: tuple[KerasLayer, ...] = field(repr=False)


@dataclass(frozen=True)
class Weight:
    """One weight tensor or moving statistic of an assembled network.

    Attributes:
        path: `layer/weight`, for messages.
        block: Index of its block; the number of blocks for the head.
        role: What it is: BatchNorm's `gamma`, `beta` and moving `statistic`, a `bias`, the `kernel` of a dense or
            convolution layer, or anything `other`.
        trainable: Whether it can be trained at all (moving statistics and constants cannot).
        layer: The leaf that owns it.
        variable: The Keras variable.
    """

    path: str
    block: int
    role: Role
    trainable: bool
    layer: KerasLayer = field(repr=False)
    variable: Any = field(repr=False)

    @property
    def value(self) -> Array:
        """A copy of what it amounts to now, with the product of a low-rank adapter."""
        return value_with_adapter(self.layer, self.variable)

    @property
    def trained(self) -> tuple[Any, ...]:
        """What an optimiser moves in its place: the variable, or the two of a low-rank adapter."""
        return adapters_of(self.layer, self.variable) or (self.variable,)

    @property
    def size(self) -> int:
        """Number of scalars."""
        size = 1
        for side in self.variable.shape:
            size *= int(side)
        return size


def leaves(layer: KerasLayer) -> Iterator[KerasLayer]:
    """A layer's parts that own variables themselves, or have no parts; found by ownership, not by kind."""
    children = [child for child in layer._flatten_layers(include_self=False, recursive=False)]  # noqa: SLF001, C416 - Keras has no public walk
    if not children:
        if not isinstance(layer, keras.layers.InputLayer):
            yield layer
        return
    inherited = {id(variable) for child in children for variable in child.weights}
    if any(id(variable) not in inherited for variable in layer.weights):
        yield layer
    for child in children:
        yield from leaves(child)


def wake(model: KerasModel) -> None:
    """Sets `trainable` of every layer, one by one.

    `model.trainable = True` alone will not do: under TensorFlow an assignment that does not change the attribute of
    the model itself returns at once, and closed layers inside stay closed.
    """
    for layer in model._flatten_layers():  # noqa: SLF001 - as in leaves
        layer.trainable = True


def weights_of(model: KerasModel, groups: Sequence[Sequence[KerasLayer]]) -> tuple[Weight, ...]:
    """Every weight of a model with the index of the group of leaves that owns it.

    Raises:
        ContractError: If a weight of the model is owned by none of the leaves.
    """
    owner: dict[int, tuple[int, KerasLayer]] = {}
    for index, group in enumerate(groups):
        for leaf in group:
            for variable in leaf.weights:
                owner.setdefault(id(variable), (index, leaf))
    found = []
    for variable in model.weights:
        if id(variable) not in owner:
            raise ContractError(
                f"The weight {variable.path!r} belongs to no block.",
                hint="The backbone's author must add its layer to a block.",
            )
        index, leaf = owner[id(variable)]
        trainable = any(variable is other for other in leaf.trainable_weights)
        path = f"{leaf.name}/{variable.name}"
        found.append(Weight(path, index, _role(leaf, variable, trainable=trainable), trainable, leaf, variable))
    return tuple(found)


def _role(leaf: KerasLayer, variable: Any, *, trainable: bool) -> Role:  # noqa: ANN401 - a Keras variable
    if isinstance(leaf, keras.layers.BatchNormalization):
        if not trainable:
            return "statistic"
        return "gamma" if variable is getattr(leaf, "gamma", None) else "beta"
    if variable.name == "bias":
        return "bias"
    if takes_adapter(leaf, variable):
        return "kernel"
    return "other"


def assign_blocks(backbone: KerasModel, blocks: Sequence[Block], *, name: str) -> tuple[AssembledBlock, ...]:
    """Puts every node of a backbone's graph into a block.

    A layer that patterns of one block match goes there. A layer without weights that no block matches goes with the
    last of its inputs.

    Raises:
        ContractError: If a layer with weights is matched by no block or by several, or a block stays empty.
    """
    _refuse_shared(backbone, name=name)
    index_of: dict[str, int] = {}
    reads = inputs_of(backbone)
    members: list[list[Any]] = [[] for _ in blocks]
    for operation in backbone.operations:
        if isinstance(operation, keras.layers.InputLayer):
            index_of[operation.name] = 0
            continue
        matches = [
            i for i, block in enumerate(blocks) if any(fnmatch.fnmatchcase(operation.name, p) for p in block.layers)
        ]
        if len(matches) > 1 or (not matches and getattr(operation, "weights", None)):
            where = ", ".join(blocks[i].name for i in matches) or "none"
            raise ContractError(
                f"Layer {operation.name!r} of backbone {name!r} must be in exactly one block; it is in: {where}.",
                hint="The backbone's author must mend the patterns in `blocks`.",
            )
        inherited = max((index_of[_maker(tensor)] for tensor in reads[operation.name]), default=0)
        index = matches[0] if matches else inherited
        index_of[operation.name] = index
        members[index].append(operation)
    for block, operations in zip(blocks, members, strict=True):
        if not operations:
            raise ContractError(
                f"Block {block.name!r} of backbone {name!r} matches no layer (patterns: {', '.join(block.layers)}).",
                hint="The backbone's author must mend the patterns in `blocks`.",
            )
    return tuple(
        AssembledBlock(block.name, tuple(op.name for op in operations), _leaves_of(operations))
        for block, operations in zip(blocks, members, strict=True)
    )


def _refuse_shared(backbone: KerasModel, *, name: str) -> None:
    nodes = [node.operation.name for nodes in backbone._nodes_by_depth.values() for node in nodes]  # noqa: SLF001 - as in inputs_of
    shared = sorted({operation for operation in nodes if nodes.count(operation) > 1})
    if shared:
        raise ContractError(
            f"Backbone {name!r} uses a layer more than once: {', '.join(map(repr, shared))}.",
            hint="The backbone's author must give each place in the graph a layer of its own.",
        )
    for layer in backbone._flatten_layers():  # noqa: SLF001 - as in leaves
        if type(layer).__name__ == "TorchModuleWrapper":
            raise ContractError(
                f"Backbone {name!r} holds a torch module ({layer.name!r}).",
                hint="Plain Keras could not load the saved model, and buffers are no Keras weights: use Keras layers.",
            )


def _leaves_of(operations: Sequence[Any]) -> tuple[KerasLayer, ...]:
    return tuple(leaf for op in operations if isinstance(op, keras.layers.Layer) for leaf in leaves(op))


def _maker(tensor: Any) -> str:  # noqa: ANN401 - a KerasTensor
    return maker_of(tensor)[0]


def cuts(backbone: KerasModel, blocks: Sequence[AssembledBlock], *, name: str) -> tuple[tuple[Any, ...], ...]:
    """The tensors at every boundary: entry b holds what blocks b and above (and the head) need from those below.

    Entry 0 is the input, the last entry the backbone's outputs.

    Raises:
        ContractError: If a block needs what a later one computes, so that no cut between them exists.
    """
    index_of = {op: index for index, block in enumerate(blocks) for op in block.operations}
    reads = inputs_of(backbone)
    entry = backbone.inputs[0]
    wanted: list[dict[int, Any]] = [{} for _ in range(len(blocks) + 1)]
    for operation in backbone.operations:
        if operation.name not in index_of:
            continue
        index = index_of[operation.name]
        for tensor in reads[operation.name]:
            source = -1 if tensor is entry else index_of[_maker(tensor)]
            if source > index:
                raise ContractError(
                    f"Block {blocks[index].name!r} of backbone {name!r} needs a tensor of the later block "
                    f"{blocks[source].name!r} (layer {operation.name!r}).",
                    hint="The backbone's author must order the blocks from input to output.",
                )
            for boundary in range(source + 1, index + 1):
                wanted[boundary].setdefault(id(tensor), tensor)
    for output in backbone.outputs:
        for boundary in range(index_of[_maker(output)] + 1, len(blocks) + 1):
            wanted[boundary].setdefault(id(output), output)
    return tuple(tuple(tensors.values()) for tensors in wanted)
