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
from zoo.folded import DRESSING, dressed
from zoo.forward import BATCH, value_of
from zoo.kernels import computes_on_cpu
from zoo.places import is_cheap_on_grid
from zoo.shift import pooled
from zoo.watching import Seen, name_of, watched
from zoo.worn import wearing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.contracts import KerasLayer, KerasModel
    from zoo.events import Observer
    from zoo.values import FloatArray

    Array = np.ndarray[Any, Any]

PLACES = 7
"""Places on a side of the grid on which larger maps are looked at, for moments; activations on half as many."""

_MAP, _TOKENS = 4, 3  # dimensions of features: batch, height, width, channels; batch, tokens, channels


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
    by_batch: bool = False,
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
        by_batch: BatchNorm layers normalise each batch with its own statistics, as in `batch_features`: what a layer
            sees is then what it would in training.
        observe: Gets progress of `measuring statistics`.

    Returns:
        NumPy arrays, on every backend, with a first side as long as `rows`.
    """
    if not by_batch:
        return Watch(model, places=places).measure(pictures, rows=rows, batch_size=batch_size, observe=observe)
    seen, task = Seen(places), "estimating statistics"
    probe = _Probe(model, seen)
    *single, features = _passed(probe, pictures, rows, batch_size, by_batch=True, observe=observe, task=task)
    return Moments(tuple(_record(layer, single) for layer in seen.layers()), features)


class Watch:
    """A network that is looked at more than once, by one function that is traced once.

    Tracing it takes as long as a pass of about a hundred pictures, so whoever passes fewer than that again better uses
    the same function, though it keeps moments that nobody wants.

    Args:
        model: As in `measure`.
        places: As in `measure`.
    """

    def __init__(self, model: KerasModel, *, places: int | None = PLACES) -> None:
        self._model, self._seen = model, Seen(places)
        self._probe = _Probe(model, self._seen)

    def measure(
        self,
        pictures: Any,  # noqa: ANN401 - as in measure
        *,
        rows: Sequence[int] | Array | None = None,
        batch_size: int = BATCH,
        observe: Observer = ignore,
    ) -> Moments:
        """As the function `measure`, not by batch."""
        task = "measuring statistics"
        *single, features = _passed(self._probe, pictures, rows, batch_size, observe=observe, task=task)
        return Moments(tuple(_record(layer, single) for layer in self._seen.layers()), features)

    def re_estimated_features(
        self,
        pictures: Any,  # noqa: ANN401 - as in measure
        layers: Sequence[LayerMoments],
        *,
        rows: Sequence[int] | Array | None = None,
        observe: Observer = ignore,
    ) -> FloatArray:
        """Features of the network with its stored statistics replaced by measured ones for the time of the call.

        Args:
            pictures: As in `measure`.
            layers: Moments that were measured `by_batch`, of other pictures, so that features are not those of pictures
                that the statistics know. Layers whose name occurs twice in the network keep their own.
            rows: As in `measure`.
            observe: Gets progress of `trying estimated statistics`.

        Returns:
            float32 (rows, width), pooled as in `measure`. The network's own statistics are back, however it ends.
        """
        with _stored(self._model, layers):
            task = "trying estimated statistics"
            return _passed(self._probe, pictures, rows, BATCH, observe=observe, task=task)[-1]


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
    task = "estimating statistics"
    return _passed(_Probe(model, None), pictures, rows, batch_size, by_batch=True, observe=observe, task=task)[-1]


@contextlib.contextmanager
def _stored(model: KerasModel, layers: Sequence[LayerMoments]) -> Iterator[None]:
    """Layers have measured statistics instead of their own inside."""
    norms = [part for part in _parts(model) if isinstance(part, keras.layers.BatchNormalization) and part.built]
    names = [part.name for part in norms]
    targets = {part.name: part for part in norms if names.count(part.name) == 1}
    own = []
    try:
        for layer in layers:
            if layer.name in targets:
                target = targets[layer.name]
                own.append((target, value_of(target.moving_mean), value_of(target.moving_variance)))
                mean, variance = pooled(layer)
                target.moving_mean.assign(mean.astype(np.float32))
                target.moving_variance.assign(variance.astype(np.float32))
        yield
    finally:
        for target, mean, variance in own:
            target.moving_mean.assign(mean)
            target.moving_variance.assign(variance)


def has_batch_norm(model: KerasModel) -> bool:
    """Whether a network has a BatchNorm layer that owns statistics."""
    return any(isinstance(layer, keras.layers.BatchNormalization) and layer.built for layer in _parts(model))


class _Probe(keras.Model):  # type: ignore[misc] # Keras is untyped
    """A network whose outputs are what was seen in it, and its pooled features."""

    def __init__(self, body: KerasModel, seen: Seen | None) -> None:
        super().__init__(name="probe")
        self.body, self.seen = body, seen

    def call(self, pictures: Any) -> list[Any]:  # noqa: ANN401 - tensors
        """Pictures to tensors."""
        if self.seen is not None:
            self.seen.clear()
        features = self.body(pictures, training=False)
        seen = [] if self.seen is None else self.seen.tensors
        return [*seen, _pooled(features, first=_is_channels_first(self.body))]


def _passed(
    probe: _Probe,
    pictures: Any,  # noqa: ANN401 - as in measure
    rows: Sequence[int] | Array | None,
    batch_size: int,
    *,
    by_batch: bool = False,
    observe: Observer,
    task: str,
) -> list[Array]:
    """What was seen, and the features, in arrays with a row for each chosen picture."""
    chosen = np.arange(len(pictures)) if rows is None else np.asarray(rows, np.int64)
    size = min(batch_size, len(chosen)) if by_batch else batch_size
    with DRESSING, contextlib.ExitStack() as stack:
        done = (
            set() if by_batch or probe.seen is None else stack.enter_context(_large_maps_folded(probe.body, probe.seen))
        )
        for part in _parts(probe.body):
            worn = None if id(part) in done else watched(part, probe.seen, by_batch=by_batch)
            if worn is not None:
                stack.enter_context(wearing(part, worn))
        return list(_columns(probe, pictures, chosen, size, observe, task=task))


def _large_maps_folded(body: KerasModel, seen: Seen) -> contextlib.AbstractContextManager[set[int]]:
    """Large maps need not be made just to be looked at in a few places: BatchNorm is folded there."""
    if not hasattr(body, "operations") or not computes_on_cpu():
        return contextlib.nullcontext(set())
    return dressed(
        body, seen.folded, only=lambda pair: is_cheap_on_grid(pair.convolution, pair.given, pair.made, seen.side)
    )


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
        activation="" if after is None else name_of(after[0]),
        highest=None if after is None else columns[after[1]],
        at_bound=None if after is None or after[2] is None else columns[after[2]],
    )


def _parts(model: KerasModel) -> list[Any]:
    """All layers, and the operations that are no layers, of a model and of those nested in it, each once."""
    layers = list(model._flatten_layers())  # noqa: SLF001 - Keras has no public walk
    nodes = [node for layer in layers for node in getattr(layer, "operations", ())]
    return list({id(part): part for part in (*layers, *nodes)}.values())


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
