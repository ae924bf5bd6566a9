"""The parts of keras_cv's MixTransformer (Xie et al. 2021, arXiv:2105.15203), made of stock layers.

Between its layers the network hands on tokens, (batch, height · width, channels). keras_cv reads the tokens of its
attention with a transposition too many before it shortens the sequence; its weights were trained with that, so it is
kept. Its attention has separate projections for query, key and value, as Keras' own has: only the shapes of the
kernels differ, (channels, channels) there and (channels, heads, channels / heads) here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from zoo.builtin._cv_graph import Canvas
    from zoo.contracts import KerasLayer


def patches(canvas: Canvas, part: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - Keras has no types
    """Overlapping patches by a strided convolution, as normalised tokens."""
    x = canvas.place(part.proj, x, f"{name}_conv")
    _, height, width, channels = x.shape
    x = canvas.add(keras.layers.Reshape((height * width, channels), name=f"{name}_tokens"), x)
    return canvas.place(part.norm, x, f"{name}_norm")


def encoder(canvas: Canvas, part: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """One transformer unit: attention and a convolutional feed-forward network, each with a shortcut."""
    branch = canvas.place(part.norm1, x, f"{name}_norm1")
    branch = _attention(canvas, part.attn, branch, f"{name}_attention")
    x = _joined(canvas, branch, x, part.drop_path.rate, f"{name}_attention")
    branch = canvas.place(part.norm2, x, f"{name}_norm2")
    branch = _feed_forward(canvas, part.mlp, branch, f"{name}_mlp")
    return _joined(canvas, branch, x, part.drop_path.rate, f"{name}_mlp")


def _joined(canvas: Canvas, branch: Any, x: Any, rate: float, name: str) -> Any:  # noqa: ANN401 - as above
    """Adds a branch that training drops for whole pictures; what stays is divided by the share that does."""
    if rate > 0:
        branch = canvas.add(keras.layers.Dropout(float(rate), noise_shape=(None, 1, 1), name=f"{name}_drop"), branch)
    return canvas.add(keras.layers.Add(name=f"{name}_add"), [x, branch])


def _attention(canvas: Canvas, part: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    _, tokens, channels = x.shape
    memory = x
    if part.sr_ratio > 1:
        side = math.isqrt(tokens)
        memory = canvas.add(keras.layers.Permute((2, 1), name=f"{name}_transposed"), memory)
        memory = canvas.add(keras.layers.Reshape((side, side, channels), name=f"{name}_map"), memory)
        memory = canvas.place(part.sr, memory, f"{name}_reduce")
        memory = canvas.add(keras.layers.Reshape((channels, -1), name=f"{name}_rows"), memory)
        memory = canvas.add(keras.layers.Permute((2, 1), name=f"{name}_tokens"), memory)
        memory = canvas.place(part.norm, memory, f"{name}_norm")
    heads, width = part.num_heads, channels // part.num_heads
    layer = keras.layers.MultiHeadAttention(heads, width, name=name)
    result = canvas.add(layer, x, memory, memory)
    weights = [
        array.reshape((channels, heads, width) if array.ndim > 1 else (heads, width))
        for projection in (part.q, part.k, part.v)
        for array in projection.get_weights()
    ]
    kernel, bias = part.proj.get_weights()
    layer.set_weights([*weights, kernel.reshape(heads, width, channels), bias])
    return result


def _feed_forward(canvas: Canvas, part: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    x = canvas.place(part.fc1, x, f"{name}_expand")
    _, tokens, channels = x.shape
    side = math.isqrt(tokens)
    x = canvas.add(keras.layers.Reshape((side, side, channels), name=f"{name}_map"), x)
    x = canvas.place(part.dwconv, x, f"{name}_dwconv")
    x = canvas.add(keras.layers.Reshape((tokens, channels), name=f"{name}_tokens"), x)
    bent = keras.ops.gelu(x, approximate=True)  # Keras has no layer for it: `Activation("gelu")` is the exact one
    bent._keras_history.operation.name = f"{name}_gelu"  # noqa: SLF001 - an operation cannot be named in the call
    canvas.enter(f"{name}_gelu", bent, x)
    return canvas.place(part.fc2, bent, f"{name}_project")
