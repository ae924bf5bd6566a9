"""What BatchNorm layers see: one pass in inference mode that keeps, for each picture, the moments of their inputs.

A layer is met where the network calls it, so nested models and composite layers are seen like any other, in the order
in which they are computed. All reductions are made in the graph; what leaves it is two numbers for each picture and
channel. Whoever pools them can take any part of the pictures (`zoo.shift`).

To reduce all of each feature map costs nearly as much as computing them, since both read the same memory. So large maps
are reduced on a regular grid of places (`PLACES` on a side): neighbouring places say nearly the same, and what limits
the statistics is the number of pictures.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.events import Progress, ignore
from zoo.forward import BATCH, value_of
from zoo.fused import batch_normalised, can_fuse
from zoo.worn import wearing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.contracts import KerasLayer, KerasModel
    from zoo.events import Observer
    from zoo.values import FloatArray

    Array = np.ndarray[Any, Any]

PLACES = 7
"""Places on a side of the grid on which larger maps are looked at, for moments; activations on half as many."""

NEAR = 0.99
"""Share of its bound from which on a bounded activation counts as saturated; clipped ones count from the bound."""

_MAP, _TOKENS = 4, 3  # dimensions of features: batch, height, width, channels; batch, tokens, channels
_ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Relu", "Relu6", "Silu", "Sigmoid", "Gelu", "Tanh")
_BOUNDED = {"sigmoid": 1.0, "hard_sigmoid": 1.0, "tanh": 1.0, "hard_tanh": 1.0, "relu6": 6.0}


@dataclass(frozen=True)
class LayerMoments:
    """One BatchNorm layer: what came in for each picture, what it has stored, and what followed.

    Attributes:
        name: Of the layer.
        mean: float32 (n, channels), mean of the layer's input over the places of each picture that were looked at.
        square: float32 (n, channels), mean of its squares.
        places: Values that each of these means is taken over; 1 for vectors.
        stored_mean: float32 (channels,), the moving mean.
        stored_variance: float32 (channels,), the moving variance.
        epsilon: What the layer adds to a variance.
        momentum: Of the moving statistics, in [0, 1).
        activation: Name of the activation that reads the layer's output directly; empty where none does.
        highest: float32 (n, channels), the activation's greatest value in each picture; None without an activation.
        at_bound: float32 (n,), share of the activation's values at its upper bound; None where it has no bound.
    """

    name: str
    mean: FloatArray = field(repr=False)
    square: FloatArray = field(repr=False)
    places: int
    stored_mean: FloatArray = field(repr=False)
    stored_variance: FloatArray = field(repr=False)
    epsilon: float
    momentum: float
    activation: str = ""
    highest: FloatArray | None = field(default=None, repr=False)
    at_bound: FloatArray | None = field(default=None, repr=False)

    @property
    def dead(self) -> float | None:
        """Share of channels whose activation is above zero in no picture; None without an activation."""
        return None if self.highest is None else float((self.highest.max(axis=0) <= 0).mean())

    @property
    def saturated(self) -> float | None:
        """Share of the activation's values that lie at its upper bound; None where it has none."""
        return None if self.at_bound is None else float(self.at_bound.mean(dtype=np.float64))


@dataclass(frozen=True)
class Moments:
    """What a pass over n pictures saw.

    Attributes:
        layers: BatchNorm layers in the order in which they are computed; none where the network has none.
        features: float32 (n, width), the network's output, its mean over places where it is a map or tokens.
    """

    layers: tuple[LayerMoments, ...]
    features: FloatArray = field(repr=False)


def measure(
    model: KerasModel,
    pictures: Any,  # noqa: ANN401 - an array, or what is indexed like one
    *,
    rows: Sequence[int] | Array | None = None,
    batch_size: int = BATCH,
    places: int | None = PLACES,
    observe: Observer = ignore,
) -> Moments:
    """Runs pictures through a network in inference mode, once, and keeps what its BatchNorm layers saw.

    Layers that are called more than once are left out, since their statistics belong to several places, and so are
    layers that are never called.

    Args:
        model: One picture tensor in, one tensor of features out.
        pictures: (n, height, width, channels), uint8 or float, 0–255; may be a memory map: a batch is read at a time.
        rows: Which of them, in the order wanted; all if not given.
        batch_size: Pictures in a batch, at least 1. All batches have as many, the last is filled up and cut.
        places: Places on a side of the grid on which larger maps are looked at; None for all places.
        observe: Gets progress of `measuring statistics`.

    Returns:
        NumPy arrays, on every backend, with a first side as long as `rows`.
    """
    chosen = np.arange(len(pictures)) if rows is None else np.asarray(rows, np.int64)
    seen = _Seen(places)
    with contextlib.ExitStack() as stack:
        for layer in _parts(model):
            worn = _worn(layer, seen, by_batch=False)
            if worn is not None:
                stack.enter_context(wearing(layer, worn))
        columns = list(
            _columns(_Probe(model, seen), pictures, chosen, batch_size, observe, task="measuring statistics")
        )
    *single, features = columns
    return Moments(tuple(_record(layer, single) for layer in seen.layers()), features)


def batch_features(
    model: KerasModel,
    pictures: Any,  # noqa: ANN401 - as in measure
    *,
    rows: Sequence[int] | Array | None = None,
    batch_size: int = BATCH,
    observe: Observer = ignore,
) -> FloatArray:
    """Features of a network whose BatchNorm layers normalise each batch with its own statistics; nothing is stored.

    All else runs in inference mode. The statistics of all layers adapt to the pictures at once, as they do when moving
    statistics are estimated again (AdaBN: Li et al., 2016, arXiv:1603.04779).

    Args:
        model: As in `measure`.
        pictures: As in `measure`.
        rows: As in `measure`, at least two, in an order that mixes the classes.
        batch_size: Pictures in a batch; fewer where there are fewer. The last is filled up with the first pictures.
        observe: Gets progress of `estimating statistics`.

    Returns:
        float32 (rows, width), pooled as in `measure`.
    """
    chosen = np.arange(len(pictures)) if rows is None else np.asarray(rows, np.int64)
    seen = _Seen(None)
    with contextlib.ExitStack() as stack:
        for layer in _parts(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                stack.enter_context(wearing(layer, _worn(layer, seen, by_batch=True)))
        size = min(batch_size, len(chosen))
        columns = list(_columns(_Probe(model, seen), pictures, chosen, size, observe, task="estimating statistics"))
    return np.asarray(columns[-1])


def has_batch_norm(model: KerasModel) -> bool:
    """Whether a network has a BatchNorm layer that owns statistics."""
    return any(isinstance(layer, keras.layers.BatchNormalization) and layer.built for layer in _parts(model))


class _Seen:
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
        axis = layer.axis % len(inputs.shape)
        others = [side for side in range(1, len(inputs.shape)) if side != axis]
        inputs = _on_grid(inputs, others, self._side)
        values = keras.ops.cast(inputs, "float32")
        places = int(np.prod([int(inputs.shape[side]) for side in others])) if others else 1
        self._norms.append((layer, len(self.tensors), places))
        squares = keras.ops.square(values)
        self.tensors += [keras.ops.mean(each, axis=others) if others else each for each in (values, squares)]
        self._outputs[id(output)] = (output, layer)

    def activated(self, operation: Any, inputs: Any, output: Any) -> None:  # noqa: ANN401 - an operation, tensors
        """An activation is called; it counts where it reads what a BatchNorm layer has made."""
        if id(inputs) not in self._outputs:
            return
        layer = self._outputs[id(inputs)][1]
        if id(layer) in self._after:
            return
        axis = layer.axis % len(output.shape)
        others = [side for side in range(1, len(output.shape)) if side != axis]
        position, bound = len(self.tensors), _bound(operation)
        values = keras.ops.cast(_on_grid(output, others, self._side and -(-self._side // 2)), "float32")
        self.tensors.append(keras.ops.max(values, axis=others) if others else values)
        if bound is not None:
            over = keras.ops.cast(values >= bound, "float32")
            self.tensors.append(keras.ops.mean(over, axis=list(range(1, len(output.shape)))))
        self._after[id(layer)] = (operation, position, None if bound is None else position + 1)

    def layers(self) -> Iterator[tuple[KerasLayer, int, int, tuple[Any, int, int | None] | None]]:
        """Layers that were called once, with positions among the tensors."""
        calls = [id(layer) for layer, _, _ in self._norms]
        for layer, position, places in self._norms:
            if calls.count(id(layer)) == 1:
                yield layer, position, places, self._after.get(id(layer))


def _on_grid(values: Any, axes: Sequence[int], side: int | None) -> Any:  # noqa: ANN401 - tensors
    """A map, or tokens, at evenly spaced places only: at most `side` along each of two axes, its square along one."""
    for axis in axes:
        length, most = int(values.shape[axis]), side if side is None or len(axes) > 1 else side * side
        if most is not None and length > most:
            chosen = np.floor((np.arange(most) + 0.5) * length / most).astype(np.int32)
            values = keras.ops.take(values, chosen, axis=axis)
    return values


class _Probe(keras.Model):  # type: ignore[misc] # Keras is untyped
    """A network whose outputs are what was seen in it, and its pooled features."""

    def __init__(self, body: KerasModel, seen: _Seen) -> None:
        super().__init__(name="probe")
        self.body, self._seen = body, seen

    def call(self, pictures: Any) -> list[Any]:  # noqa: ANN401 - tensors
        """Pictures to tensors."""
        self._seen.clear()
        features = self.body(pictures, training=False)
        return [*self._seen.tensors, _pooled(features, first=_is_channels_first(self.body))]


def _columns(
    probe: KerasModel,
    pictures: Any,  # noqa: ANN401 - as in measure
    chosen: Array,
    batch_size: int,
    observe: Observer,
    *,
    task: str,
) -> Iterator[Array]:
    """Outputs of a probe for chosen pictures, in batches of one size."""
    parts: list[list[Array]] = []
    for start in range(0, len(chosen), batch_size):
        rows = chosen[start : start + batch_size]
        filled = np.concatenate([rows, np.resize(chosen, batch_size - len(rows))])
        ordered, back = np.unique(filled, return_inverse=True)  # a memory map is read in its order
        outputs = probe.predict_on_batch(np.asarray(pictures[ordered])[back])
        parts.append([np.asarray(output)[: len(rows)] for output in outputs])
        observe(Progress(task, min(start + batch_size, len(chosen)), len(chosen)))
    for column in zip(*parts, strict=True):
        yield np.concatenate(column).astype(np.float32, copy=False)


def _record(
    found: tuple[KerasLayer, int, int, tuple[Any, int, int | None] | None], columns: list[Array]
) -> LayerMoments:
    layer, position, places, after = found
    return LayerMoments(
        name=layer.name,
        mean=columns[position],
        square=columns[position + 1],
        places=places,
        stored_mean=value_of(layer.moving_mean).astype(np.float32),
        stored_variance=value_of(layer.moving_variance).astype(np.float32),
        epsilon=float(layer.epsilon),
        momentum=float(layer.momentum),
        activation="" if after is None else _name_of(after[0]),
        highest=None if after is None else columns[after[1]],
        at_bound=None if after is None or after[2] is None else columns[after[2]],
    )


def _parts(model: KerasModel) -> list[Any]:
    """All layers, and the operations that are no layers, of a model and of those nested in it, each once."""
    layers = list(model._flatten_layers())  # noqa: SLF001 - Keras has no public walk
    nodes = [node for layer in layers for node in getattr(layer, "operations", ())]
    return list({id(part): part for part in (*layers, *nodes)}.values())


def _worn(part: Any, seen: _Seen, *, by_batch: bool) -> Any:  # noqa: ANN401 - a layer, and a class or None
    """The class that a layer wears while it is watched; None for what is not."""
    stock: Any = type(part)
    if isinstance(part, keras.layers.BatchNormalization):
        fused = by_batch and can_fuse(part)

        def call(self: KerasLayer, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401, ARG001 - Keras' own signature
            if by_batch:
                return batch_normalised(self, inputs)[0] if fused else _by_batch(self, inputs)
            output = stock.call(self, inputs, training=False, mask=mask)
            seen.normalised(self, inputs, output)
            return output

    elif any(kind.__name__ in _ACTIVATIONS for kind in stock.__mro__):

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


def _name_of(operation: Any) -> str:  # noqa: ANN401 - a layer or an operation
    own = getattr(operation, "activation", None)
    if own is not None:
        return str(getattr(own, "__name__", type(own).__name__)).lower()
    kind = next(each.__name__ for each in type(operation).__mro__ if each.__name__ in _ACTIVATIONS)
    return f"relu{operation.max_value:g}" if getattr(operation, "max_value", None) is not None else kind.lower()


def _bound(operation: Any) -> float | None:  # noqa: ANN401 - as above
    """From which value on an activation counts as saturated; None where it has no upper bound."""
    highest = getattr(operation, "max_value", None)
    if highest is not None:
        return float(highest)
    name = _name_of(operation)
    bound = _BOUNDED.get(name)
    return None if bound is None else bound if name.startswith(("relu", "hard")) else NEAR * bound


def _pooled(features: Any, *, first: bool) -> Any:  # noqa: ANN401 - tensors
    values = keras.ops.cast(features, "float32")
    if len(features.shape) == _MAP:
        return keras.ops.mean(values, axis=(2, 3) if first else (1, 2))
    return keras.ops.mean(values, axis=1) if len(features.shape) == _TOKENS else values


def _is_channels_first(model: KerasModel) -> bool:
    """Whether the feature map of a network has its channels first: told by the last layer that says."""
    said = [getattr(part, "data_format", None) for part in _parts(model)]
    known = [form for form in said if form in {"channels_first", "channels_last"}]
    return bool(known) and known[-1] == "channels_first"
