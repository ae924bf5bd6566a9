"""Wrong inputs, the part that needs a network: pictures pass it as given and changed, and `zoo.inputs` judges."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np

from zoo import inputs
from zoo.edges import inputs_of
from zoo.folded import folded
from zoo.forward import value_of
from zoo.inputs import COLOURS, HARMLESS, SCALES, USUAL, Limits, colour_finding, judge, response
from zoo.pixel_facts import pixel_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasLayer, KerasModel
    from zoo.inputs import Finding, ReadingName, Response
    from zoo.values import FloatArray

    Array = np.ndarray[Any, Any]

STEPS = (16, 32, 64, 128, 256)
"""So many pictures are looked at in turn, until every reading is settled."""

CLEAR = 4.0
"""Standard errors of a higher response after which, from the second step on, no more pictures are needed."""

_BATCH = 16
_MAP = 4  # dimensions: batch, height, width, channels
_COLOUR, _ALPHA = 3, (2, 4)  # numbers of channels


@dataclass(frozen=True)
class Seen:
    """What one BatchNorm layer saw; a `zoo.shift.Measured`."""

    name: str
    mean: FloatArray = field(repr=False)
    square: FloatArray = field(repr=False)
    stored_mean: FloatArray = field(repr=False)
    stored_variance: FloatArray = field(repr=False)
    epsilon: float


def check(model: KerasModel, pixels: Array, *, trained: bool = True, most: int = STEPS[-1]) -> Finding | None:
    """Whether pictures are wrong inputs of a network: which of seven, or None.

    The network runs in inference mode on 16 pictures, as given, swapped and inverted; a reading that lowers its
    response clearly is dropped, the others go on with more pictures. So right inputs cost about 60 passes of a picture.
    Nothing is changed: no weight, no layer, no random state.

    Args:
        model: Functional model whose first input takes raw pictures, with the statistics of its weights.
        pixels: (n, height, width, channels), uint8 or float, meant to be 0-255; may be a memory map.
        trained: Whether weights and statistics were trained; with random ones only the pixels say something.
        most: Most pictures that are looked at. Fewer than 64 miss swapped channels now and then, and with 64 not every
            finding is `sure`.

    Returns:
        What is wrong, `sure` or not; `grey` is no fault by itself.
    """
    return counted(model, pixels, trained=trained, most=most)[0]


def counted(
    model: KerasModel,
    pixels: Array,
    *,
    trained: bool = True,
    most: int = STEPS[-1],
    reader: Eyes | None = None,
) -> tuple[Finding | None, int]:
    """As `check`, with the number of pictures that passed the network, each counted as often as it did.

    Args:
        model: As in `check`.
        pixels: As in `check`.
        trained: As in `check`.
        most: As in `check`.
        reader: Who reads the pictures; a `Reader` of the network if not given.
    """
    rows = np.random.default_rng(0).permutation(len(pixels))[:most]
    facts = pixel_facts(pixels[np.sort(rows[:64])])
    eyes: Eyes | None = (reader or Reader(model)) if trained else None
    plain = judge(facts)
    if not trained and plain is not None and plain.cause == "grey":
        return None, 0  # without weights for colours nothing is lost
    if eyes is None or not eyes.sees or (plain is not None and plain.cause != "grey") or not len(rows):
        return plain, 0
    return judge(facts, settled(eyes, pixels, rows)), eyes.passes


class Reads(Protocol):
    """Whoever says what layers see; `Reader` does."""

    def read(self, pixels: Array, rows: Array, reading: ReadingName) -> list[Seen]:
        """What the first and the late layers see of some pictures under a reading."""


class Eyes(Reads, Protocol):
    """Whoever can be asked in the place of a `Reader`."""

    @property
    def sees(self) -> bool:
        """Whether there is a BatchNorm layer that says something."""

    @property
    def passes(self) -> int:
        """Pictures that have passed the network for this."""


def settled(reader: Reads, pixels: Array, rows: Array) -> dict[ReadingName, Response]:
    """Responses to the same pictures as given and under those readings that are not settled as harmless.

    Args:
        reader: Asked for more and more pictures, until nothing is in doubt.
        pixels: (n, height, width, channels).
        rows: Which of them, in the order in which they are looked at.
    """
    open_readings = _colours(pixels.shape[-1])
    seen: dict[ReadingName, list[Seen]] = {}
    found: dict[ReadingName, Response] = {}
    done = 0
    for step in STEPS:
        count = min(step, len(rows))
        new = np.sort(rows[done:count])
        for name in ("given", *open_readings):
            seen[name] = _joined(seen.get(name), reader.read(pixels, new, name))
            found[name] = response(seen[name])
            if name == "given" and not found[name].misfit < USUAL.suspect:
                return {**found, **{scale: response(reader.read(pixels, new, scale)) for scale in SCALES}}
        done = count
        open_readings = [name for name in open_readings if not _is_harmless(found, name, count)]
        found = {name: found[name] for name in ("given", *open_readings)}
        if not open_readings or count == len(rows) or (step > STEPS[0] and _is_clear(found)):
            break
    return found


def _is_harmless(found: dict[ReadingName, Response], name: ReadingName, count: int) -> bool:
    """Whether nothing speaks for a reading."""
    if inputs.cures(found["given"], found[name]):
        return False
    errors = inputs.gain(found[name].strength, found["given"].strength)[1]
    return errors < (HARMLESS if count < STEPS[2] else USUAL.likely)


def _is_clear(found: dict[ReadingName, Response]) -> bool:
    finding = colour_finding(found, Limits(sure=CLEAR))
    return finding is not None and finding.sure


def _colours(channels: int) -> list[ReadingName]:
    """Readings that mean something for so many channels: grey, grey and alpha, RGB, RGB and alpha."""
    if channels > _ALPHA[-1]:
        return []
    return [name for name in COLOURS if channels >= _COLOUR or name != "swapped"]


def _joined(before: Sequence[Seen] | None, new: list[Seen]) -> list[Seen]:
    """What layers saw of more pictures."""

    def both(one: Seen, other: Seen) -> Seen:
        mean, square = np.concatenate([one.mean, other.mean]), np.concatenate([one.square, other.square])
        return dataclasses.replace(other, mean=mean, square=square)

    return new if before is None else [both(one, other) for one, other in zip(before, new, strict=True)]


def changed(pixels: Array, reading: ReadingName) -> Array:
    """Pictures as a reading has them: float32 of the same shape. Alpha stays as it is where colours change."""
    values = np.asarray(pixels, np.float32)
    if reading == "times-255":
        return values * np.float32(255)
    if reading == "over-255":
        return values / np.float32(255)
    if reading == "over-127.5-minus-1":
        return values / np.float32(127.5) - np.float32(1)
    if reading == "swapped":
        return np.concatenate([values[..., 2::-1], values[..., 3:]], axis=-1)
    if reading == "inverted":
        colours = values.shape[-1] - (values.shape[-1] in _ALPHA)
        return np.concatenate([np.float32(255) - values[..., :colours], values[..., colours:]], axis=-1)
    return values


def telling(model: KerasModel) -> list[tuple[KerasLayer, Any]]:
    """The first and the late BatchNorm layers of a graph, those that count, each with the tensor that it takes."""
    reads = inputs_of(model)
    norms = [(layer, reads[layer.name][0]) for layer in model.layers if _counts(layer, reads)]
    return norms and [norms[0], *(pair for pair in inputs.late(norms) if pair is not norms[0])]


class Reader:
    """Reads pictures with a network's eyes. The network is used in inference mode and stays as it is.

    BatchNorm layers count where they lie in the graph itself and take maps of features; those inside composite layers
    do not. The function is traced once for all readings.

    Args:
        model: Functional model whose first input takes pictures.

    Attributes:
        passes: Pictures that have passed the network.
    """

    def __init__(self, model: KerasModel) -> None:
        self.passes = 0
        norms = telling(model)
        self._norms = [layer for layer, _ in norms]
        self._probe = _Probe(model, norms) if norms else None

    @property
    def sees(self) -> bool:
        """Whether there is a BatchNorm layer that says something."""
        return self._probe is not None

    def read(self, pixels: Array, rows: Array, reading: ReadingName) -> list[Seen]:
        """What the first and the late layers see of some pictures under a reading."""
        return self.layers(changed(pixels[rows], reading))

    def layers(self, pixels: Array) -> list[Seen]:
        """What the first and the late layers see of pictures, (n, height, width, channels)."""
        self.passes += len(pixels)
        assert self._probe is not None  # noqa: S101 - `sees` is asked first
        parts: list[list[Array]] = []
        for start in range(0, len(pixels), _BATCH):
            batch = pixels[start : start + _BATCH]
            full = np.resize(batch, (_BATCH, *batch.shape[1:]))  # a short batch is filled up with its own pictures
            with folded(self._probe, (full.dtype, full.shape), graph=self._probe.body):
                seen = self._probe.predict_on_batch(full)
            parts.append([np.asarray(part)[: len(batch)] for part in seen])
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return [
            Seen(
                name=layer.name,
                mean=column[:, 0],
                square=column[:, 1],
                stored_mean=value_of(layer.moving_mean).astype(np.float32),
                stored_variance=value_of(layer.moving_variance).astype(np.float32),
                epsilon=float(layer.epsilon),
            )
            for layer, column in zip(self._norms, columns, strict=True)
        ]


class _Probe(keras.Model):  # type: ignore[misc] # Keras is untyped
    """Pictures to the moments of what goes into some layers: for each (batch, 2, channels), means and means of squares.

    A class, because operations on the tensors of a functional model would stay in its graph.
    """

    def __init__(self, model: KerasModel, norms: Sequence[tuple[KerasLayer, Any]]) -> None:
        super().__init__(name="reader")
        self.body = keras.Model(model.inputs, [tensor for _, tensor in norms], name="read")
        self._axes = [layer.axis % _MAP for layer, _ in norms]

    def call(self, pictures: Any) -> list[Any]:  # noqa: ANN401 - tensors
        """See the class."""
        tensors = self.body(pictures, training=False)
        several = tensors if isinstance(tensors, list | tuple) else [tensors]
        return [_moments(tensor, axis) for tensor, axis in zip(several, self._axes, strict=True)]


def _counts(layer: KerasLayer, reads: dict[str, list[Any]]) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization) or not layer.built:
        return False
    return len(reads[layer.name]) == 1 and len(reads[layer.name][0].shape) == _MAP


def _moments(tensor: Any, axis: int) -> Any:  # noqa: ANN401 - a tensor
    others = [side for side in range(1, _MAP) if side != axis]
    values = keras.ops.cast(tensor, "float32")
    return keras.ops.stack([keras.ops.mean(values, others), keras.ops.mean(keras.ops.square(values), others)], axis=1)
