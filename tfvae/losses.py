"""The negative log-likelihood as a loss and as a metric of any Keras model."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.targets import fitted_target, fitted_weights
from tfvae.errors import UserError
from tfvae.lazy import public

tfd = tfp.distributions

__all__ = ["MeanNegativeLogLikelihood", "NegativeLogLikelihood", "negative_log_likelihood"]
__dir__ = public(__all__)


def negative_log_likelihood(y_true, y_pred) -> tf.Tensor:
    """−log p(y) for each example, summed over the event.

    Args:
        y_true: The data y, `[*batch, *event]`; as in Keras's own losses, a last axis of size 1 may
            be missing or too many. Of a p without a batch axis, all examples are draws.
        y_pred: p: what a model ending in a layer of `tfvae.layers` returns.

    Returns:
        Nats, of p's batch shape.

    Raises:
        UserError: If `y_pred` is a plain tensor, or the shapes do not fit.

    Example:
        >>> p = tfd.Normal(tf.zeros([2, 1]), 1.0)
        >>> negative_log_likelihood([0.0, 0.0], p).shape
        TensorShape([2, 1])
    """
    distribution = concrete(y_pred)
    if isinstance(distribution, tfd.Distribution):
        return -distribution.log_prob(fitted_target(y_true, distribution))
    if isinstance(y_pred, keras.KerasTensor) or _is_placeholder(y_pred):
        # Keras asks for shape and dtype before the first step, with a tensor in p's place.
        return tf.zeros(tf.shape(y_pred)[:1])
    raise UserError(
        "the negative log-likelihood needs a distribution as the model's output, got a tensor of "
        f"shape {tuple(y_pred.shape)}: end the model in a layer of tfvae.layers"
    )


def _is_placeholder(x) -> bool:
    return not tf.executing_eagerly() and getattr(x, "op", None) and x.op.type == "Placeholder"


@keras.saving.register_keras_serializable(package="tfvae")
class NegativeLogLikelihood(keras.losses.Loss):
    """−log p(y): the loss of a model whose output is a distribution p.

    Sums over the event, means over the batch: nats per example. Unlike the lambda
    `lambda y, p: -p.log_prob(y)` it is saved with the model, works for every dtype of the data
    and under `tf.distribute`.

    Args:
        name: Name of the loss.
        reduction: Reduction over the batch, as in `keras.losses.Loss`.
        dtype: Data type of the loss.

    Example:
        >>> model = keras.Sequential([
        ...     keras.Input((1,)), keras.layers.Dense(2), tfvae.layers.IndependentNormal(1)
        ... ])
        >>> model.compile("adam", loss=NegativeLogLikelihood())
    """

    def __init__(
        self,
        name: str = "negative_log_likelihood",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true, y_pred, sample_weight=None) -> tf.Tensor:
        """The reduced loss; `y_pred` must not become a tensor on the way."""
        losses = negative_log_likelihood(y_true, y_pred)
        return super().__call__(losses, losses, fitted_weights(sample_weight, losses))

    def call(self, y_true, y_pred) -> tf.Tensor:
        """Passes on the values that `__call__` has computed."""
        return y_pred


@keras.saving.register_keras_serializable(package="tfvae")
class MeanNegativeLogLikelihood(keras.metrics.Mean):
    """The mean of −log p(y) over examples: the metric beside `NegativeLogLikelihood`.

    Args:
        name: Name of the metric.
        dtype: Data type of the metric; float32 under mixed precision too.

    Example:
        >>> metric = MeanNegativeLogLikelihood()
        >>> _ = metric.update_state(tf.zeros([2]), tfd.Normal(tf.zeros([2]), 1.0))
        >>> round(float(metric.result()), 4)
        0.9189
    """

    def __init__(self, name: str = "mean_negative_log_likelihood", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch."""
        losses = negative_log_likelihood(y_true, y_pred)
        return super().update_state(losses, fitted_weights(sample_weight, losses))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {"name": self.name, "dtype": self.dtype}
