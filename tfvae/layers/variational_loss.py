"""The loss of a variational Gaussian process."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.distributions.coercible import concrete
from tfvae.distributions.targets import fitted_weights
from tfvae.errors import UserError

__all__ = ["VariationalLoss"]


@keras.saving.register_keras_serializable(package="tfvae")
class VariationalLoss(keras.losses.Loss):
    """−ELBO / N of a model that ends in `VariationalGaussianProcess`, in nats per example.

    −ELBO / N = −(1 / N) Σ_i E_q[log p(y_i | f_i)] + KL(q(f_Z) ‖ p(f_Z)) / N, where the sum is
    estimated by the examples of the batch. Sample weights are factors of the examples' terms; the
    KL has none.

    Args:
        num_examples: Number N of training examples.
        name: Name of the loss.
        reduction: `"sum_over_batch_size"`, the mean over the batch, alone.
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
        if reduction != "sum_over_batch_size":
            raise UserError(f"reduction takes 'sum_over_batch_size', got {reduction!r}")
        self.num_examples = int(num_examples)

    def __call__(self, y_true, y_pred, sample_weight=None) -> tf.Tensor:
        """The loss; `y_pred` must not become a tensor on the way."""
        process = concrete(y_pred)
        if hasattr(process, "expected_log_prob"):
            losses = -process.expected_log_prob(y_true)
            kl = process.surrogate_posterior_kl_divergence_prior()
        elif not tf.executing_eagerly() or isinstance(y_pred, keras.KerasTensor):
            # Keras asks for shape and dtype before the first step, with a tensor in its place.
            losses, kl = tf.zeros(tf.shape(y_pred)[:1]), tf.zeros([])
        else:
            raise UserError("VariationalLoss needs a model that ends in VariationalGaussianProcess")
        # The KL takes the same reduction, so that replicas share it out.
        kl = tf.reshape(kl / self.num_examples, [1])
        weights = fitted_weights(sample_weight, losses)
        return super().__call__(losses, losses, weights) + super().__call__(kl, kl)

    def call(self, y_true, y_pred) -> tf.Tensor:
        """Passes on the value that `__call__` has computed."""
        return y_pred

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "num_examples": self.num_examples}
