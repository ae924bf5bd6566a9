"""Layers that tell what goes through them while a network is called: inputs of BatchNorm, and activations after it.

They wear subclasses of their own classes for that time, so a layer is met wherever the network calls it, however it is
nested.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.fused import batch_normalised, can_fuse

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
        self._side = places
        self.clear()

    def clear(self) -> None:
        """Before a call."""
        self.tensors: list[Any] = []
        self._norms: list[tuple[KerasLayer, int, int]] = []  # layer, position of its mean, places
        self._after: dict[int, tuple[KerasLayer, int, int | None]] = {}  # by layer: activation, positions
        self._outputs: dict[int, tuple[Any, KerasLayer]] = {}  # tensors are held, so that no other gets their id

    def normalised(self, layer: KerasLayer, inputs: Any, output: Any) -> None:  # noqa: ANN401 - tensors
        """A BatchNorm layer is called."""
        values, axis, places = on_grid(inputs, layer.axis, self._side)
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
        values, axis, _ = on_grid(output, layer.axis, self._side and -(-self._side // 2))
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


def on_grid(tensor: Any, axis: int, side: int | None) -> tuple[Any, int, int]:  # noqa: ANN401 - tensors
    """The values of a map, tokens or vectors at evenly spaced places, in one axis.

    Args:
        tensor: (n, …) with its channels in `axis`.
        axis: Of the channels; may count from the end.
        side: At most as many places along each of two axes, its square along a single one; None for all.

    Returns:
        float32 (n, places, channels), or (n, channels, places) where channels come first; the axis of the places; and
        how many these are.
    """
    shape = [int(length) for length in tensor.shape[1:]]
    position = axis % len(tensor.shape) - 1
    first = position == 0 and len(shape) > 1
    spans = [length for index, length in enumerate(shape) if index != position]
    flat = (shape[position], math.prod(spans)) if first else (math.prod(spans), shape[position])
    values = keras.ops.reshape(tensor, (-1, *flat))
    most = [min(length, side if len(spans) > 1 else side * side) for length in spans] if side else spans
    if most != spans:
        steps = [((np.arange(n) + 0.5) * length / n).astype(np.int64) for n, length in zip(most, spans, strict=True)]
        chosen = np.ravel_multi_index(np.meshgrid(*steps, indexing="ij"), spans).ravel().astype(np.int32)
        values = keras.ops.take(values, chosen, axis=2 if first else 1)
    return keras.ops.cast(values, "float32"), 2 if first else 1, math.prod(most)


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
