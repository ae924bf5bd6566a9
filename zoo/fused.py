"""BatchNormalization in one kernel, for the time of training under TensorFlow.

Keras computes batch statistics and normalisation from single operations, each of which reads and writes the whole
feature map. TensorFlow's `FusedBatchNormV3` and its gradient do the same in one operation each (measured by
`benchmarks/kernels.py`, see the docs on the speed of fine-tuning). Without oneDNN's kernels its gradient on fixed
statistics is slower than the single operations, so there stock Keras stays. Layers wear the classes during a phase and
are stock Keras again before anything is saved.

The operation normalises with the biased variance of the batch, as Keras does, but returns the unbiased one; Keras keeps
the biased one in its moving statistics, so it is converted back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer

_PICTURES = 4  # dimensions: batch, height, width, channels


def can_fuse(layer: KerasLayer, kind: type | None = None) -> bool:
    """Whether the kernel computes what this layer does: stock BatchNorm on TensorFlow, channels last.

    In mixed precision it works in float32 and rounds the result, as Keras' own layer does.

    Args:
        layer: Any.
        kind: The class that it has when it wears nothing; the one that it has now if not given.
    """
    return (
        keras.backend.backend() == "tensorflow"
        and (kind or type(layer)) is keras.layers.BatchNormalization
        and layer.built
        and layer.variable_dtype == "float32"
        and len(layer.input_spec.axes) == 1
        and layer.input_spec.ndim == _PICTURES
        and next(iter(layer.input_spec.axes)) in {-1, _PICTURES - 1}
        and not getattr(layer, "synchronized", False)
        and not getattr(layer, "renorm", False)
    )


def _scale_and_offset(layer: KerasLayer) -> tuple[Any, Any]:
    ones, zeros = keras.ops.ones_like(layer.moving_mean), keras.ops.zeros_like(layer.moving_mean)
    return (
        keras.ops.convert_to_tensor(layer.gamma) if layer.scale else ones,
        keras.ops.convert_to_tensor(layer.beta) if layer.center else zeros,
    )


class AdaptingBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc] # as above
    """In training, normalises with the statistics of the batch and moves the moving ones; else as Keras does."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401 - Keras' own signature
        """Floats (batch, height, width, channels) to the same shape and type."""
        if not (training and self.trainable):
            return super().call(inputs, training=False, mask=mask)
        result, mean, variance = batch_normalised(self, inputs)
        for statistic, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            statistic.assign(statistic * self.momentum + value * (1.0 - self.momentum))
        return result


class FixedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc] # as above
    """Normalises with the moving statistics, in training too, and never moves them."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ANN401 - Keras' own signature
        """Floats (batch, height, width, channels) to the same shape and type."""
        if not training:
            return super().call(inputs, training=False, mask=mask)
        import tensorflow as tf

        scale, offset = _scale_and_offset(self)
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=keras.ops.convert_to_tensor(self.moving_mean),
            variance=keras.ops.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=False,
        )
        return result.y


def fixed_scale(layer: KerasLayer) -> tuple[Any, Any]:
    """What BatchNorm in inference mode multiplies each channel by, and what it then adds, as Keras computes them."""
    scale, offset = _scale_and_offset(layer)
    factor = scale * keras.ops.rsqrt(keras.ops.convert_to_tensor(layer.moving_variance) + layer.epsilon)
    return factor, offset - layer.moving_mean * factor


def batch_normalised(layer: KerasLayer, inputs: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - tensors
    """Inputs normalised with the statistics of the batch, its mean, and its biased variance, as Keras keeps it."""
    import tensorflow as tf

    scale, offset = _scale_and_offset(layer)
    result = tf.raw_ops.FusedBatchNormV3(
        x=tf.cast(inputs, "float32"),
        scale=scale,
        offset=offset,
        mean=[],
        variance=[],
        epsilon=layer.epsilon,
        is_training=True,
    )
    shape = tf.shape(inputs)
    count = tf.cast(shape[0] * shape[1] * shape[2], "float32")
    return tf.cast(result.y, inputs.dtype), result.batch_mean, result.batch_variance * (count - 1.0) / count
