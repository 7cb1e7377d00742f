"""The loss of a variational Gaussian process."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers.coercible import concrete

__all__ = ["VariationalLoss"]


@keras.saving.register_keras_serializable(package="tfvae")
class VariationalLoss(keras.losses.Loss):
    """−ELBO / N of a model that ends in `VariationalGaussianProcess`, in nats per example.

    −ELBO / N = −(1 / N) Σ_i E_q[log p(y_i | f_i)] + KL(q(f_Z) ‖ p(f_Z)) / N, where the sum is
    estimated by the examples of the batch.

    Args:
        num_examples: Number N of training examples.
        name: Name of the loss.
        reduction: Kept for loading; the loss is a mean over the batch.
        dtype: Data type of the loss.

    Example:
        >>> VariationalLoss(150).num_examples
        150

    References:
        Hensman, Fusi, Lawrence, "Gaussian Processes for Big Data", 2013, Eq. 4.
    """

    def __init__(
        self,
        num_examples: int,
        name: str = "variational_loss",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if num_examples < 1:
            raise UserError(f"num_examples takes a number above 0, got {num_examples!r}")
        self.num_examples = int(num_examples)

    def __call__(self, y_true, y_pred, sample_weight=None) -> tf.Tensor:
        """The loss; `y_pred` must not become a tensor on the way."""
        if sample_weight is not None:
            raise UserError("VariationalLoss has no sample weights: the process is one for all")
        process = concrete(y_pred)
        if hasattr(process, "variational_loss"):
            y_true = tf.convert_to_tensor(y_true)
            batch = tf.cast(tf.shape(y_true)[-2], process.dtype)
            weight = batch / self.num_examples
            loss = process.variational_loss(y_true, kl_weight=weight) / batch
        elif not tf.executing_eagerly() or isinstance(y_pred, keras.KerasTensor):
            # Keras asks for shape and dtype before the first step, with a tensor in its place.
            loss = tf.zeros([])
        else:
            raise UserError("VariationalLoss needs a model that ends in VariationalGaussianProcess")
        return super().__call__(loss[tf.newaxis], loss[tf.newaxis])

    def call(self, y_true, y_pred) -> tf.Tensor:
        """Passes on the value that `__call__` has computed."""
        return y_pred

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "num_examples": self.num_examples}
