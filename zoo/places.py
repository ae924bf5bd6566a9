"""Values of feature maps at some places, on a regular grid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import KerasLayer

    Array = np.ndarray[Any, Any]


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
    steps = _steps(spans, side)
    if [len(one) for one in steps] != spans:
        chosen = np.ravel_multi_index(np.meshgrid(*steps, indexing="ij"), spans).ravel().astype(np.int32)
        values = keras.ops.take(values, chosen, axis=2 if first else 1)
    return keras.ops.cast(values, "float32"), 2 if first else 1, math.prod(map(len, steps))


def is_cheap_on_grid(convolution: KerasLayer, given: Any, made: Any, side: int | None) -> bool:  # noqa: ANN401 - tensors
    """Whether a convolution at the places of a grid takes much less than at all: few windows of a large map.

    Args:
        convolution: As in `convolved_on_grid`, or one that is not.
        given: What it reads, with its shape.
        made: What it makes.
        side: As in `on_grid`.
    """
    spans, window = made.shape[1:3], convolution.kernel_size
    if side is None or None in {*spans, *given.shape[1:]}:
        return False
    plain = getattr(convolution, "groups", 1) == getattr(convolution, "depth_multiplier", 1) == 1
    return plain and 2 * math.prod(map(len, _steps(spans, side))) * math.prod(window) <= math.prod(spans)


def convolved_on_grid(convolution: KerasLayer, inputs: Any, side: int | None) -> tuple[Any, int, int]:  # noqa: ANN401 - tensors
    """What a convolution makes at the places that `on_grid` takes of a whole map, computed at these places only.

    Args:
        convolution: `Conv2D` or `DepthwiseConv2D` without groups or multiplier, channels last, whose input has a known
            size.
        inputs: (n, height, width, channels).
        side: As in `on_grid`.

    Returns:
        As `on_grid` does.
    """
    height, width, channels = (int(length) for length in inputs.shape[1:])
    (rows, rows_in), (columns, columns_in) = (
        _windows(convolution, axis, length, side) for axis, length in enumerate((height, width))
    )
    places, window = len(rows) * len(columns), math.prod(convolution.kernel_size)
    order = (0, 2, 1, 3)  # row and column of the place, then of the window
    chosen = (rows[:, :, None, None] * width + columns[None, None]).transpose(order).reshape(places, window)
    within = (rows_in[:, :, None, None] & columns_in[None, None]).transpose(order).reshape(places, window, 1)
    flat = keras.ops.reshape(inputs, (-1, height * width, channels))
    values = keras.ops.take(flat, chosen.ravel().astype(np.int32), axis=1)
    values = keras.ops.reshape(values, (-1, places, window, channels))
    if not within.all():
        values = values * within.astype(np.float32)  # zeros around the map
    kernel = keras.ops.convert_to_tensor(convolution.kernel)
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        made = keras.ops.sum(values * keras.ops.reshape(kernel, (window, channels)), axis=2)
    else:
        joined = keras.ops.reshape(values, (-1, places, window * channels))
        made = keras.ops.matmul(joined, keras.ops.reshape(kernel, (window * channels, -1)))
    return made + convolution.bias if convolution.use_bias else made, 1, places


def _steps(spans: Sequence[int], side: int | None) -> list[Array]:
    """Places along each axis, evenly spaced; all where there are not more than are wanted."""
    most = [min(length, side if len(spans) > 1 else side * side) for length in spans] if side else spans
    return [((np.arange(n) + 0.5) * length / n).astype(np.int64) for n, length in zip(most, spans, strict=True)]


def _windows(convolution: KerasLayer, axis: int, length: int, side: int | None) -> tuple[Array, Array]:
    """Along one axis, for each place of the grid, which inputs its window covers, and whether these are in the map."""
    size, stride = convolution.kernel_size[axis], convolution.strides[axis]
    step = convolution.dilation_rate[axis]
    reach = (size - 1) * step + 1
    if convolution.padding == "same":
        span = -(-length // stride)
        before = max(0, (span - 1) * stride + reach - length) // 2
    else:
        span, before = (length - reach) // stride + 1, 0
    first = _steps([span, span], side)[0] * stride - before
    covered = first[:, None] + np.arange(size) * step
    return np.clip(covered, 0, length - 1), (covered >= 0) & (covered < length)
