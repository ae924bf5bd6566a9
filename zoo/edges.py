"""The edges of a functional Keras model: which tensors each operation reads, and who makes them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


def inputs_of(model: KerasModel) -> dict[str, list[Any]]:
    """The tensors that each operation of a model reads, by the operation's name.

    A layer may also be part of other graphs, so only the nodes of this model count.
    """
    reads: dict[str, list[Any]] = {operation.name: [] for operation in model.operations}
    for nodes in model._nodes_by_depth.values():  # noqa: SLF001 - Keras has no public access to a graph's edges
        for node in nodes:
            reads[node.operation.name].extend(node.input_tensors)
    return reads


def maker_of(tensor: Any) -> tuple[str, int]:  # noqa: ANN401 - a KerasTensor
    """Name of the operation that makes a tensor, and which of its outputs it is."""
    history = tensor._keras_history  # noqa: SLF001 - as in inputs_of
    return history.operation.name, int(history.tensor_index)


def lone(model: KerasModel) -> set[str]:
    """Names of the operations that a model's graph uses once, and that no layer in it holds as a part of itself.

    What such a layer does otherwise for a while changes one place of the graph.
    """
    met = Counter(id(node.operation) for nodes in model._nodes_by_depth.values() for node in nodes)  # noqa: SLF001 - as above
    held = {id(part) for operation in model.operations for part in _parts(operation)}
    return {one.name for one in model.operations if met[id(one)] == 1 and id(one) not in held}


def _parts(operation: Any) -> list[Any]:  # noqa: ANN401 - a Keras operation
    """Layers inside a layer."""
    walk = getattr(operation, "_flatten_layers", None)
    return [] if walk is None else list(walk(include_self=False))
