"""Zero padding left to the depthwise convolution behind it, for the time of a phase or a pass under TensorFlow.

Backbones pad before a depthwise convolution of stride 2 in a layer of its own. That copies the whole feature map, and
its gradient copies it back. Where the zeros are those that the operation itself adds for `SAME`, the padding layer
passes its input through and the convolution pads: outputs and gradients are the same to the bit. (Other zeros, which
the operation takes as `EXPLICIT`, made its gradient two to four times slower.) Both layers wear a subclass for that
time and are stock Keras again before anything is saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from zoo.edges import inputs_of, lone, maker_of

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer, KerasModel


class UnpaddedInput(keras.layers.ZeroPadding2D):  # type: ignore[misc] # Keras is untyped
    """Passes its input through; the convolution that reads it adds the zeros."""

    def call(self, inputs: Any) -> Any:  # noqa: ANN401 - tensors
        """Floats (batch, height, width, channels), unchanged."""
        return inputs


class PaddingDepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc] # as above
    """Adds the zeros by itself."""

    @property
    def padding(self) -> str:
        """In place of the layer's own `valid`."""
        return "same"


def padded_pairs(model: KerasModel) -> list[tuple[KerasLayer, KerasLayer]]:
    """Padding layers and the depthwise convolutions that can do their work with the same result.

    Both are stock Keras on TensorFlow, channels last, used once, nothing else reads the padded map, and its zeros are
    those of `SAME` at the size that the model has.

    Args:
        model: Functional model.
    """
    if keras.backend.backend() != "tensorflow":
        return []
    reads = inputs_of(model)
    layers = {operation.name: operation for operation in model.operations}
    read = [id(tensor) for tensors in reads.values() for tensor in tensors] + [id(tensor) for tensor in model.outputs]
    pairs, once = [], lone(model)
    for name, tensors in reads.items():
        convolution = layers[name]
        if type(convolution) is not keras.layers.DepthwiseConv2D or read.count(id(tensors[0])) > 1:
            continue
        pad = layers[maker_of(tensors[0])[0]]
        if not {name, pad.name} <= once:
            continue
        if type(pad) is keras.layers.ZeroPadding2D and _same(pad, convolution, reads[pad.name][0].shape):
            pairs.append((pad, convolution))
    return pairs


def _same(pad: KerasLayer, convolution: KerasLayer, shape: tuple[int | None, ...]) -> bool:
    """Whether a padding is what the convolution would add to a map of this shape for `SAME`."""
    formats = {pad.data_format, convolution.data_format}
    plain = convolution.padding == "valid" and set(convolution.dilation_rate) == {1}
    if formats != {"channels_last"} or not plain or pad.compute_dtype != convolution.compute_dtype:
        return False
    sides = zip(shape[1:3], convolution.kernel_size, convolution.strides, pad.padding, strict=True)
    return all(side is not None and tuple(given) == _zeros(side, *window) for side, *window, given in sides)


def _zeros(side: int, kernel: int, stride: int) -> tuple[int, int] | None:
    """Rows that `SAME` adds before and after; None where it would have to take some away."""
    total = (-(-side // stride) - 1) * stride + kernel - side
    return (total // 2, total - total // 2) if total >= 0 else None
