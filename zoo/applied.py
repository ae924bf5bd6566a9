"""Adam in one operation for each weight, under TensorFlow on a CPU.

Keras writes an update of Adam as ten operations, each of which reads and writes something as large as the weight. For a
head with a wide layer that takes as long as its gradients. TensorFlow's `ResourceApplyAdam` computes the same formula
(Kingma & Ba 2015, arXiv:1412.6980, the last form in section 2) in three sweeps. It takes 1 - beta in single precision,
Keras in double, so that with a beta of 0.999 updates differ by less than one in 100,000.
"""

from __future__ import annotations

from typing import Any

import keras


class AppliedAdam(keras.optimizers.Adam):  # type: ignore[misc] # Keras is untyped
    """Keras' Adam, whose update of a weight is one operation."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ANN401 - Keras' own signature
        """One weight's step."""
        import tensorflow as tf

        if self.amsgrad or not isinstance(gradient, tf.Tensor):
            super().update_step(gradient, variable, learning_rate)
            return
        kind = variable.dtype
        index = self._get_variable_index(variable)
        first, second = (tf.constant(one, kind) for one in (self.beta_1, self.beta_2))
        step = tf.cast(self.iterations + 1, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(first, step),
            beta2_power=tf.pow(second, step),
            lr=tf.cast(learning_rate, kind),
            beta1=first,
            beta2=second,
            epsilon=tf.constant(self.epsilon, kind),
            grad=tf.cast(gradient, kind),
        )


def _handle(variable: Any) -> Any:  # noqa: ANN401 - a variable of Keras, or TensorFlow's own inside it
    return (variable if hasattr(variable, "handle") else variable.value).handle
