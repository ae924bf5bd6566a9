"""Graphs of keras.applications: raw pixels in front, and names that do not depend on what was built before.

Keras numbers layers without a name by what was made before them in the process, and so do the operations of a graph
(`add_7`). Here each of them is put into a block and named after it: `mixed3_conv2d_2` is the second one of its kind
in the block `mixed3`. The order is that of the graph, so it is the same in every process.
"""

from __future__ import annotations

import fnmatch
import inspect
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.contracts import Block, KerasLayer, KerasModel

Place: TypeAlias = "Callable[[Sequence[Any], Sequence[Block]], list[int]]"
"""Called with the operations of a graph in order and the blocks; gives the index of the block of each operation."""

_COLOURS = 3
_KERNEL = 4  # dimensions: height, width, input channels, filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """What the first weights of a network expect: (x − mean) / deviation, for x in 0–255.

    Attributes:
        text: In words.
        mean: Of red, green and blue, in 0–255.
        deviation: Of red, green and blue, in 0–255.
        bgr: Whether the channels come as blue, green, red.
    """

    text: str
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    bgr: bool = False

    def constants(self, channels: int) -> tuple[list[float], list[float]]:
        """Mean and deviation of each channel, red first; for other numbers than three the means of the three."""
        if channels == _COLOURS:
            return list(self.mean), list(self.deviation)
        return [sum(self.mean) / _COLOURS] * channels, [sum(self.deviation) / _COLOURS] * channels


_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, of pixels in 0–1."""

CAFFE = Pixels(
    text="RGB turned round to BGR, x − (103.939, 116.779, 123.68)",
    mean=(123.68, 116.779, 103.939),
    deviation=(1.0, 1.0, 1.0),
    bgr=True,
)
MINUS_ONE_TO_ONE = Pixels(text="x/127.5 − 1", mean=(127.5,) * 3, deviation=(127.5,) * 3)
ABOUT_MINUS_ONE_TO_ONE = Pixels(text="x/128 − 1", mean=(128.0,) * 3, deviation=(128.0,) * 3)
STANDARDISED = Pixels(
    text="(x/255 − mean) / deviation of ImageNet, channel by channel",
    mean=(_MEAN[0] * 255, _MEAN[1] * 255, _MEAN[2] * 255),
    deviation=(_DEVIATION[0] * 255, _DEVIATION[1] * 255, _DEVIATION[2] * 255),
)


def network(
    keras_name: str,
    shape: tuple[int, int, int],
    *,
    blocks: Sequence[Block],
    pixels: Pixels,
    place: Place,
    front: Callable[[Pixels, KerasLayer, int], KerasLayer] | None,
) -> KerasModel:
    """A network with random weights, from raw pictures to its feature map.

    Args:
        keras_name: Name in `keras.applications`.
        shape: Height, width and channels of the pictures.
        blocks: Its blocks, from input to output.
        pixels: What its first weights expect.
        place: Puts layers without a name of their own into blocks.
        front: Scales the pixels, where `scaled` will not do.
    """
    import keras

    pictures = keras.Input(shape, name="pictures")
    x, channels = pictures, shape[2]
    if channels == 1:
        x, channels = keras.layers.Concatenate(name="input_repeated")([x, x, x]), _COLOURS
    x = (front or scaled)(pixels, x, channels)
    make: Any = getattr(keras.applications, keras_name)
    options: dict[str, Any] = {"include_top": False, "weights": None, "input_shape": tuple(x.shape[1:])}
    if "include_preprocessing" in inspect.signature(make).parameters:
        options["include_preprocessing"] = False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
        stock = make(input_tensor=x, **options) if front is None else _without_front(make(**options), pictures, x)
    name_operations(stock, blocks, place)
    return keras.Model(pictures, stock.output)  # without the fixed name, so that one graph can hold the network twice


def scaled(pixels: Pixels, tensor: KerasLayer, channels: int) -> KerasLayer:
    """Pixels as the first weights expect them, by layers without weights that every Keras can load."""
    import keras

    if pixels.bgr and channels == _COLOURS:
        tensor = keras.ops.flip(tensor, axis=-1)
        tensor._keras_history.operation.name = "input_bgr"  # noqa: SLF001 - the public function takes no name
    mean, deviation = pixels.constants(channels)
    if pixels.bgr:
        mean, deviation = mean[::-1], deviation[::-1]
    scale: Any = [1 / one for one in deviation]
    offset: Any = [-of / one for of, one in zip(mean, deviation, strict=True)]
    if len(set(mean)) == len(set(deviation)) == 1:
        scale, offset = scale[0], offset[0]
    return keras.layers.Rescaling(scale, offset=offset, name="input_rescaling")(tensor)


def _without_front(stock: KerasModel, pictures: KerasLayer, tensor: KerasLayer) -> KerasModel:
    """Keras' graph on a tensor of ours, in place of its own layers for pixels."""
    import keras

    for layer in stock.layers:  # the layers move to a new graph: forget the old one, or `layer.output` would mean that
        layer._inbound_nodes.clear()  # noqa: SLF001 - cloning layers instead would double the time of building
        layer._outbound_nodes.clear()  # noqa: SLF001 - as above

    def called(layer: KerasLayer, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - Keras' tensors
        if isinstance(layer, keras.layers.Rescaling):
            return tensor
        if isinstance(layer, keras.layers.Normalization):
            return arguments[0]
        return layer(*arguments, **options)

    entry = keras.Input(stock.input.shape[1:]) if pictures.shape != stock.input.shape else pictures
    output = stock._run_through_graph(entry, operation_fn=lambda layer: layer, call_fn=called)  # noqa: SLF001 - as clone_model does
    return keras.Model(pictures, output)


def name_operations(model: KerasModel, blocks: Sequence[Block], place: Place) -> None:
    """Gives every operation that Keras numbered a name that begins with its block's."""
    operations = list(model.operations)
    counts: Counter[tuple[int, str]] = Counter()
    for operation, index in zip(operations, place(operations, blocks), strict=True):
        kind = _kind(operation)
        if _is_numbered(operation):
            counts[index, kind] += 1
            _rename(operation, f"{blocks[index].name}_{kind}_{counts[index, kind]}")
        _name_variables(operation)


def _kind(operation: Any) -> str:  # noqa: ANN401 - a Keras operation
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(operation).__name__)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _is_numbered(operation: Any) -> bool:  # noqa: ANN401 - a Keras operation
    """Whether its name is the one that Keras makes up from its class, with or without a number."""
    return re.fullmatch(rf"{_kind(operation)}(_\d+)?", operation.name) is not None


def _rename(operation: Any, name: str) -> None:  # noqa: ANN401 - a Keras operation
    """With the paths of its variables, which Keras has made of the former name."""
    former, operation.name = operation.name, name
    for owner in (operation, *getattr(operation, "variables", ())):
        path = getattr(owner, "_path", None)
        if path:
            owner._path = "/".join(name if part == former else part for part in path.split("/"))  # noqa: SLF001 - Keras has no other way


def _name_variables(operation: Any) -> None:  # noqa: ANN401 - a Keras operation
    """A variable that its layer gives no name (ConvNeXt's `LayerScale`) is called as the layer's attribute."""
    for variable in getattr(operation, "weights", ()):
        if re.fullmatch(r"variable(_\d+)?", variable.name):
            name = next(key for key, value in vars(operation).items() if value is variable)
            variable._path = f"{variable.path.removesuffix(variable.name)}{name}"  # noqa: SLF001 - as in _rename
            variable._name = name  # noqa: SLF001 - as in _rename


def _declared(operations: Sequence[Any], blocks: Sequence[Block]) -> list[int | None]:
    """The block of each operation that has a name of its own; None for the others."""
    return [
        None
        if _is_numbered(operation)
        else next(
            (i for i, block in enumerate(blocks) if any(fnmatch.fnmatchcase(operation.name, p) for p in block.layers)),
            None,
        )
        for operation in operations
    ]


def after_previous(operations: Sequence[Any], blocks: Sequence[Block]) -> list[int]:
    """An operation without a name is in the block of the one before it; the last one of all in the last block."""
    found, current = [], 0
    for index in _declared(operations, blocks):
        current = current if index is None else index
        found.append(current)
    found[-1] = len(blocks) - 1
    return found


def with_readers(operations: Sequence[Any], blocks: Sequence[Block]) -> list[int]:
    """An operation without a name is in the block of what reads it; what nothing reads is in the last block."""
    declared = _declared(operations, blocks)
    readers: dict[int, list[int]] = {id(operation): [] for operation in operations}
    for position, operation in enumerate(operations):
        for node in operation._inbound_nodes:  # noqa: SLF001 - Keras has no public access to a graph's edges
            for tensor in node.input_tensors:
                readers[id(tensor._keras_history.operation)].append(position)  # noqa: SLF001 - as above
    found = [0] * len(operations)
    for position in range(len(operations) - 1, -1, -1):
        index = declared[position]
        if index is None:
            index = min((found[reader] for reader in readers[id(operations[position])]), default=len(blocks) - 1)
        found[position] = index
    return found


def until(*ends: str | tuple[str, int]) -> Place:
    """Blocks follow one another in the graph; each is known by its last operation.

    Args:
        ends: For each block the name or the class of its last operation; with a number n, the n-th such one in it.
    """
    wanted = [(end, 1) if isinstance(end, str) else end for end in ends]

    def place(operations: Sequence[Any], blocks: Sequence[Block]) -> list[int]:
        assert len(wanted) == len(blocks)  # noqa: S101 - a family's own file gives both
        found, current, seen = [], 0, 0
        for operation in operations:
            found.append(min(current, len(blocks) - 1))
            if current < len(blocks) and wanted[current][0] in {operation.name, type(operation).__name__}:
                seen += 1
                if seen == wanted[current][1]:
                    current, seen = current + 1, 0
        return found

    return place


def widen(narrow: KerasModel, wide: KerasModel, *, turned: bool) -> None:
    """Fills a network for other channels with the weights of the one for three.

    Args:
        narrow: The network for red, green and blue, with the weights.
        wide: The same one for more or fewer channels; changed in place.
        turned: Whether the first kernel of `narrow` has the order blue, green, red.
    """
    import keras
    import numpy as np

    for old, new in zip(narrow.weights, wide.weights, strict=True):
        values = np.array(keras.ops.convert_to_numpy(old))
        channels = new.shape[2] if len(new.shape) == _KERNEL else new.shape[0] if len(new.shape) else 0
        if old.shape == new.shape:
            new.assign(values)
        elif len(new.shape) == _KERNEL:
            colours = values[:, :, ::-1] if turned else values
            new.assign(colours[:, :, [j % _COLOURS for j in range(channels)]] * (_COLOURS / channels))
        else:  # mean and variance of a Normalization layer
            new.assign(np.full(channels, values.mean()))
    for layer in wide.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
