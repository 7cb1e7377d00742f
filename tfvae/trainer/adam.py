"""Adam in one operation a weight: Keras's own takes a dozen, each a pass over the memory."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.trainer.keras_compat import adam_slots

__all__ = ["Adam"]


@keras.saving.register_keras_serializable(package="tfvae")
class Adam(keras.optimizers.Adam):
    """Keras's Adam, with the update of a weight fused to one operation of TensorFlow.

    m ← m + (1 − β₁)(g − m), v ← v + (1 − β₂)(g² − v), and the weight goes back by
    α √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε): the same formulas, equal to rounding. Small models
    on a processor spend a sixth of a step in Keras's. Everything around the update (clipping,
    weight decay, averages of the weights, accumulation, loss scaling, the sum of the gradients
    over replicas) is Keras's; on several replicas each updates its own copy by the operation.
    AMSGrad and sparse gradients have no such operation and take Keras's update.

    Args:
        **kwargs: As `keras.optimizers.Adam`.

    Example:
        >>> vae.compile(tfvae.trainer.Adam(1e-3))

    References:
        Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, Sec. 2.1.
    """

    _decayed: tuple[tf.Tensor, tf.Tensor] | None = None

    def apply(self, grads, trainable_variables=None):
        """Updates the weights: the powers of the decays are taken once for all of them."""
        step = tf.cast(self.iterations, tf.float32) + 1.0
        self._decayed = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        super().apply(grads, trainable_variables)
        self._decayed = None  # they belong to the graph of this call

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight."""
        sparse = isinstance(gradient, tf.IndexedSlices)
        other = sparse or self.amsgrad or self._decayed is None
        slots = None if other else adam_slots(self, variable)
        if slots is None:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum, velocity = slots

        def number(value):
            return tf.cast(value, variable.dtype)

        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=number(self._decayed[0]),
            beta2_power=number(self._decayed[1]),
            lr=number(learning_rate),
            beta1=number(self.beta_1),
            beta2=number(self.beta_2),
            epsilon=number(self.epsilon),
            grad=number(gradient),
        )
