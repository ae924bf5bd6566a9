"""BatchNorm folded into the convolution before it, for passes in inference mode on a CPU under TensorFlow.

In inference mode BatchNorm multiplies each channel by a number and adds another. Keras does so in operations of their
own, each of which reads and writes the whole feature map, and they keep TensorFlow from computing the activation behind
them together with the convolution. Here the kernel is multiplied and the rest added as a bias (Jacob et al., 2018,
arXiv:1712.05877, section 3.2), with the weights and statistics that the layers have in that moment. The numbers are the
same up to rounding. Layers wear the classes while functions are traced and are what they were before anything is saved.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import keras

from zoo.edges import inputs_of, lone, maker_of
from zoo.fused import can_fuse, fixed_scale
from zoo.kernels import computes_on_cpu
from zoo.padded import PaddingDepthwiseConv2D, UnpaddedInput, padded_pairs
from zoo.worn import stock_class, wearing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from zoo.contracts import KerasLayer, KerasModel

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


class Pair(NamedTuple):
    """A convolution, the BatchNorm layer behind it, and the tensors of the graph before and between them."""

    convolution: KerasLayer
    norm: KerasLayer
    given: Any
    made: Any


class Tell(Protocol):
    """Whoever is told what goes through a pair."""

    def __call__(self, convolution: KerasLayer, norm: KerasLayer, inputs: Any, output: Any) -> None:  # noqa: ANN401 - tensors
        """What the convolution reads, and what the BatchNorm layer makes."""


_TRACED: WeakKeyDictionary[Any, set[Hashable]] = WeakKeyDictionary()
"""By a model's function: the inputs that it has been traced for."""

DRESSING = threading.RLock()
"""Held while layers wear something: what two threads put on and take off at a time would not fit together."""


@contextlib.contextmanager
def folded(model: KerasModel, kinds: Hashable, *, graph: KerasModel | None = None) -> Iterator[None]:
    """BatchNorm layers are folded, where that is exact, if a model's `predict` is traced meanwhile.

    Several threads may pass at a time, but none may call or train a model of the same layers otherwise.

    Args:
        model: Any; its `predict` must not run before without this.
        kinds: Types and shapes of the inputs that it is called with: for new ones TensorFlow may trace a function.
        graph: The functional model whose layers are folded, where it is not `model` itself.
    """
    body = graph or model
    if not hasattr(body, "operations") or not computes_on_cpu() or _is_eager(model) or _is_traced(model, kinds):
        yield
        return
    with DRESSING:
        with dressed(body):
            yield
        _TRACED.setdefault(model.predict_function, set()).add(kinds)


def _is_traced(model: KerasModel, kinds: Hashable) -> bool:
    function = model.predict_function
    return function is not None and kinds in _TRACED.get(function, ())


def _is_eager(model: KerasModel) -> bool:
    """Whether nothing is ever traced, as for debugging: then all passes are Keras' own."""
    import tensorflow as tf

    return bool(model.run_eagerly) or bool(tf.config.functions_run_eagerly())


@contextlib.contextmanager
def dressed(
    graph: KerasModel, tell: Tell | None = None, only: Callable[[Pair], bool] | None = None
) -> Iterator[set[int]]:
    """Layers of a functional model wear what folds BatchNorm, and convolutions pad by themselves.

    Args:
        graph: Called in inference mode only.
        tell: Is told what passes.
        only: Which pairs are folded; all if not given.

    Yields:
        The `id` of each convolution and each BatchNorm layer that is folded.
    """
    with contextlib.ExitStack() as stack:
        worn = []
        for pad, convolution in padded_pairs(graph):
            stack.enter_context(wearing(pad, UnpaddedInput))
            stack.enter_context(wearing(convolution, PaddingDepthwiseConv2D))
        for pair in foldable(graph):
            if only is None or only(pair):
                worn += [id(pair.convolution), id(pair.norm)]
                stack.enter_context(_folding(pair.convolution, pair.norm, tell))
        yield set(worn)


def foldable(model: KerasModel) -> list[Pair]:
    """Convolutions and the BatchNorm layers that can be folded into them.

    Both are stock Keras in float32, channels last, used once, and nothing but that layer reads what the convolution
    makes. Layers of nested models and composite layers are left out.

    Args:
        model: Functional model.
    """
    reads, alone = inputs_of(model), lone(model)
    layers = {operation.name: operation for operation in model.operations}
    read = [id(tensor) for tensors in reads.values() for tensor in tensors] + [id(tensor) for tensor in model.outputs]
    pairs = []
    for name, tensors in reads.items():
        norm = layers[name]
        if len(tensors) != 1 or not can_fuse(norm, stock_class(norm)) or norm.compute_dtype != "float32":
            continue
        convolution = layers[maker_of(tensors[0])[0]]
        once = read.count(id(tensors[0])) == 1 and {name, convolution.name} <= alone
        if once and _is_plain(convolution):
            pairs.append(Pair(convolution, norm, reads[convolution.name][0], tensors[0]))
    return pairs


@contextlib.contextmanager
def _folding(convolution: KerasLayer, norm: KerasLayer, tell: Tell | None) -> Iterator[None]:
    """A convolution does the work of a BatchNorm layer, which passes on what it gets."""
    met: list[Any] = []

    def convolve(self: KerasLayer, inputs: Any) -> Any:  # noqa: ANN401 - tensors
        if tell is not None:
            met[:] = [inputs]
        return _convolved(self, norm, inputs)

    def passed(self: KerasLayer, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401, ARG001 - Keras' own signature
        if tell is not None:
            tell(convolution, norm, met.pop(), inputs)
        return inputs

    with wearing(convolution, _calling(convolution, convolve)), wearing(norm, _calling(norm, passed)):
        yield


def _calling(layer: KerasLayer, call: Any) -> type:  # noqa: ANN401 - a function
    """A subclass of the layer's class with another `call`."""
    own: Any = type(layer)
    return type(f"Folded{own.__name__}", (own,), {"call": call, "__module__": __name__})


def _is_plain(layer: KerasLayer) -> bool:
    """Whether a layer is a stock convolution without an activation, whose kernel can be multiplied."""
    return (
        stock_class(layer) in _CONVOLUTIONS
        and layer.built
        and layer.data_format == "channels_last"
        and layer.activation in {None, keras.activations.linear}
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and getattr(layer, "quantization_mode", None) is None
    )


def _convolved(layer: KerasLayer, norm: KerasLayer, inputs: Any) -> Any:  # noqa: ANN401 - tensors
    """What the BatchNorm layer would make of the convolution of (batch, height, width, channels)."""
    import tensorflow as tf

    scale, offset = fixed_scale(norm)
    kernel = keras.ops.convert_to_tensor(layer.kernel)
    if stock_class(layer) is keras.layers.DepthwiseConv2D:  # its kernel ends in channels by multiplier
        kernel = kernel * keras.ops.reshape(scale, kernel.shape[2:])
        made = keras.ops.depthwise_conv(
            inputs, kernel, layer.strides, layer.padding, layer.data_format, layer.dilation_rate
        )
    else:
        made = keras.ops.conv(
            inputs, kernel * scale, list(layer.strides), layer.padding, layer.data_format, layer.dilation_rate
        )
    if layer.use_bias:
        offset = offset + layer.bias * scale
    return tf.nn.bias_add(made, offset)
