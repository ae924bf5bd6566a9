"""Convolutions of one pixel as matrix products, for the time of training under TensorFlow.

A convolution of one pixel with stride 1 multiplies each pixel's channels by a matrix. With oneDNN's kernels
TensorFlow's `MatMul` and its gradients do so faster than `Conv2D` and its own, the gradient of the kernel most of all
(see the docs on the speed of fine-tuning). Layers wear the class during a phase and are stock Keras again before
anything is saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer


def can_multiply(layer: KerasLayer) -> bool:
    """Whether a matrix product computes what this layer does: stock, one pixel, stride 1, channels last, float32."""
    return (
        type(layer) is keras.layers.Conv2D
        and set(layer.kernel_size) == set(layer.strides) == {1}
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
    )


class PointwiseConv2D(keras.layers.Conv2D):  # type: ignore[misc] # Keras is untyped
    """In training, multiplies the channels of each pixel by the kernel; else as Keras does."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:  # noqa: ANN401 - Keras' own signature
        """Floats (batch, height, width, channels) and (1, 1, channels, filters) to (batch, height, width, filters)."""
        if not self._get_call_context().get_value(
            "training"
        ):  # Keras hands `training` only to layers that name it in `call`
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        channels, filters = kernel.shape[-2:]
        product = tf.matmul(tf.reshape(inputs, (-1, channels)), tf.reshape(kernel, (channels, filters)))
        outputs = tf.reshape(product, tf.concat([tf.shape(inputs)[:-1], [filters]], axis=0))
        outputs.set_shape([*inputs.shape[:-1], filters])
        return outputs
