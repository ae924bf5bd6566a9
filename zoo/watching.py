"""Layers that tell what goes through them while a network is called: inputs of BatchNorm, and activations after it.

They wear subclasses of their own classes for that time, so a layer is met wherever the network calls it, however it is
nested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from zoo.fused import batch_normalised, can_fuse
from zoo.places import convolved_on_grid, on_grid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import KerasLayer

    Found = tuple[KerasLayer, int, int, tuple[Any, int, int | None] | None]

NEAR = 0.99
"""Share of its bound from which on a bounded activation counts as saturated; clipped ones count from the bound."""

_ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Relu", "Relu6", "Silu", "Sigmoid", "Gelu", "Tanh")
_BOUNDED = {"sigmoid": 1.0, "hard_sigmoid": 1.0, "tanh": 1.0, "hard_tanh": 1.0, "relu6": 6.0}


class Seen:
    """Tensors of the latest call of a network: what went into its BatchNorm layers, and what came out after them."""

    def __init__(self, places: int | None) -> None:
        self.side = places
        self.clear()

    def clear(self) -> None:
        """Before a call."""
        self.tensors: list[Any] = []
        self._norms: list[tuple[KerasLayer, int, int]] = []  # layer, position of its mean, places
        self._after: dict[int, tuple[KerasLayer, int, int | None]] = {}  # by layer: activation, positions
        self._outputs: dict[int, tuple[Any, KerasLayer]] = {}  # tensors are held, so that no other gets their id

    def normalised(self, layer: KerasLayer, inputs: Any, output: Any) -> None:  # noqa: ANN401 - tensors
        """A BatchNorm layer is called."""
        self._moments(layer, *on_grid(inputs, layer.axis, self.side), output)

    def folded(self, convolution: KerasLayer, norm: KerasLayer, inputs: Any, output: Any) -> None:  # noqa: ANN401 - tensors
        """A convolution does the work of a BatchNorm layer: what would go into that is computed where it is wanted."""
        self._moments(norm, *convolved_on_grid(convolution, inputs, self.side), output)

    def _moments(self, layer: KerasLayer, values: Any, axis: int, places: int, output: Any) -> None:  # noqa: ANN401 - tensors
        self._norms.append((layer, len(self.tensors), places))
        for each in (values, keras.ops.square(values)):
            self.tensors.append(keras.ops.mean(each, axis=axis))
        self._outputs[id(output)] = (output, layer)

    def activated(self, operation: Any, inputs: Any, output: Any) -> None:  # noqa: ANN401 - an operation, tensors
        """An activation is called; it counts where it reads what a BatchNorm layer has made."""
        if id(inputs) not in self._outputs:
            return
        layer = self._outputs[id(inputs)][1]
        if id(layer) in self._after:
            return
        position, bound = len(self.tensors), bound_of(operation)
        values, axis, _ = on_grid(output, layer.axis, self.side and -(-self.side // 2))
        self.tensors.append(keras.ops.max(values, axis=axis))
        if bound is not None:
            self.tensors.append(keras.ops.mean(keras.ops.cast(values >= bound, "float32"), axis=(1, 2)))
        self._after[id(layer)] = (operation, position, None if bound is None else position + 1)

    def layers(self) -> Iterator[tuple[KerasLayer, int, int, tuple[Any, int, int | None] | None]]:
        """Layers that were called once, with positions among the tensors."""
        calls = [id(layer) for layer, _, _ in self._norms]
        for layer, position, places in self._norms:
            if calls.count(id(layer)) == 1:
                yield layer, position, places, self._after.get(id(layer))


def watched(part: Any, seen: Seen | None, *, by_batch: bool) -> Any:  # noqa: ANN401 - a layer, and a class or None
    """The class that a layer wears while it is watched; None for what is not."""
    stock: Any = type(part)
    if isinstance(part, keras.layers.BatchNormalization):
        fused = by_batch and can_fuse(part)

        def call(self: KerasLayer, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401, ARG001 - Keras' own signature
            if by_batch:
                output = batch_normalised(self, inputs)[0] if fused else _by_batch(self, inputs)
            else:
                output = stock.call(self, inputs, training=False, mask=mask)
            if seen is not None:
                seen.normalised(self, inputs, output)
            return output

    elif seen is not None and any(kind.__name__ in _ACTIVATIONS for kind in stock.__mro__):

        def call(self: Any, inputs: Any, *rest: Any, **options: Any) -> Any:  # type: ignore[misc] # noqa: ANN401 - as above
            output = stock.call(self, inputs, *rest, **options)
            seen.activated(self, inputs, output)
            return output

    else:
        return None
    return type(f"Watched{stock.__name__}", (stock,), {"call": call, "__module__": __name__})


def _by_batch(layer: KerasLayer, inputs: Any) -> Any:  # noqa: ANN401 - tensors
    axis = layer.axis % len(inputs.shape)
    values = keras.ops.cast(inputs, "float32")
    mean, variance = keras.ops.moments(values, axes=[side for side in range(len(inputs.shape)) if side != axis])
    scale = keras.ops.convert_to_tensor(layer.gamma) if layer.scale else None
    offset = keras.ops.convert_to_tensor(layer.beta) if layer.center else None
    result = keras.ops.batch_normalization(values, mean, variance, axis, offset, scale, layer.epsilon)
    return keras.ops.cast(result, inputs.dtype)


def name_of(operation: Any) -> str:  # noqa: ANN401 - a layer or an operation
    """Name of an activation: `relu`, `relu6`, `sigmoid`, ..., as its layer or operation has it."""
    own = getattr(operation, "activation", None)
    if own is not None:
        return str(getattr(own, "__name__", type(own).__name__)).lower()
    kind = next(each.__name__ for each in type(operation).__mro__ if each.__name__ in _ACTIVATIONS)
    return f"relu{operation.max_value:g}" if getattr(operation, "max_value", None) is not None else kind.lower()


def bound_of(operation: Any) -> float | None:  # noqa: ANN401 - as above
    """From which value on an activation counts as saturated; None where it has no upper bound."""
    highest = getattr(operation, "max_value", None)
    if highest is not None:
        return float(highest)
    name = name_of(operation)
    bound = _BOUNDED.get(name)
    return None if bound is None else bound if name.startswith(("relu", "hard")) else NEAR * bound
