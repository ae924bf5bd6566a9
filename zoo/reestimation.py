"""Moving statistics of BatchNorm replaced by those of the training pictures.

Pictures pass in shuffled full batches (the last is filled up with pictures of the first), in inference mode but for
BatchNorm, which normalises each batch with its own statistics. The new mean of a layer is the mean of its batch means,
the new variance the mean of squares less the square of that mean, so that differences between batches count (Wu &
Johnson, "Rethinking 'Batch' in BatchNorm", 2021, arXiv:2105.07576, section 3; with pretrained weights on new pictures
it is Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016, arXiv:1603.04779). No gradient
is taken.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.forward import value_of
from zoo.fused import AdaptingBatchNormalization, batch_normalised, can_fuse
from zoo.worn import wearing

if TYPE_CHECKING:
    from zoo.assembly import Assembly
    from zoo.contracts import KerasLayer
    from zoo.prefix import Features


def re_estimate(
    assembly: Assembly, *, boundary: int, pictures: Features, batch_size: int, seed: int, most: int | None = None
) -> None:
    """Replaces the moving statistics of all BatchNorm layers above a boundary.

    Args:
        assembly: Changed in place.
        boundary: Blocks below stay as they are.
        pictures: Training pictures as tensors at that boundary, at least two.
        batch_size: Pictures in a batch, at most as many as there are.
        seed: Of their order.
        most: Of more pictures only so many are looked at, the same in each call with the same seed; None for all.
    """
    layers = [
        leaf
        for block in assembly.blocks[boundary:]
        for leaf in block.leaves
        if isinstance(leaf, keras.layers.BatchNormalization) and leaf.built
    ]
    if not layers:
        return
    model = assembly.estimator(boundary)
    order = np.random.default_rng([seed, 0xAB]).permutation(len(pictures))[:most]
    steps = -(-len(order) // batch_size)
    order = np.resize(order, steps * batch_size)  # the last batch is filled up from the first
    sums = [np.zeros((2, *layer.moving_mean.shape), np.float64) for layer in layers]
    with contextlib.ExitStack() as stack:
        for layer in layers:
            fused = can_fuse(layer) or isinstance(layer, AdaptingBatchNormalization)
            worn: Any = type(layer)
            stack.enter_context(wearing(layer, _estimating(worn, fused=fused)))
        for step in range(steps):
            tensors = pictures.take(order[step * batch_size : (step + 1) * batch_size])
            model.predict_on_batch(tensors if len(tensors) > 1 else tensors[0])
            for layer, total in zip(layers, sums, strict=True):
                mean = value_of(layer.moving_mean).astype(np.float64)
                total += np.stack([mean, value_of(layer.moving_variance) + mean**2])  # noqa: PLW2901 - adds in place
    for layer, total in zip(layers, sums, strict=True):
        mean, square = total / steps
        layer.moving_mean.assign(mean.astype(np.float32))
        layer.moving_variance.assign(np.maximum(square - mean**2, 0.0).astype(np.float32))


@functools.cache
def _estimating(stock: Any, *, fused: bool) -> type:  # noqa: ANN401 - a Keras layer class
    """A BatchNorm class that always normalises with the batch and leaves the batch's statistics as the moving ones."""

    def call(self: KerasLayer, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401, ARG001 - Keras' own signature
        scale = keras.ops.convert_to_tensor(self.gamma) if self.scale else keras.ops.ones_like(self.moving_mean)
        offset = keras.ops.convert_to_tensor(self.beta) if self.center else keras.ops.zeros_like(self.moving_mean)
        axis = self.axis if self.axis >= 0 else len(inputs.shape) + self.axis
        others = [side for side in range(len(inputs.shape)) if side != axis]
        values = keras.ops.cast(inputs, "float32")
        mean, variance = keras.ops.moments(values, axes=others)
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        result = keras.ops.batch_normalization(values, mean, variance, axis, offset, scale, self.epsilon)
        return keras.ops.cast(result, inputs.dtype)

    def quick(self: KerasLayer, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401, ARG001 - as above
        result, mean, variance = batch_normalised(self, inputs)
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        return result

    body = {"call": quick if fused else call, "__module__": __name__}
    return type(f"Estimating{stock.__name__}", (stock,), body)
