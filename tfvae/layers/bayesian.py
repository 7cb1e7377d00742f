"""What all Bayesian layers share: a linear map with random weights, and its KL as a loss."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.divergences import analytic_kl, check_shapes
from tfvae.distributions.variables import refuse_untracked
from tfvae.layers.noise_scope import noise_seed
from tfvae.layers.steps import at_step, count_steps
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["BayesianLayer", "exact_or_monte_carlo_kl"]


@keras.saving.register_keras_serializable(package="tfvae")
def exact_or_monte_carlo_kl(
    posterior: tfd.Distribution, prior: tfd.Distribution, sample: tf.Tensor | None = None
) -> tf.Tensor:
    """KL(q ‖ p) in closed form where there is one, else log q(w) − log p(w) at a draw w of q.

    Args:
        posterior: q.
        prior: p.
        sample: w; None: a draw of its own.

    Returns:
        Nats, of the batch shape of q.

    Example:
        >>> float(exact_or_monte_carlo_kl(tfd.Normal(1.0, 1.0), tfd.Normal(0.0, 1.0)))
        0.5
    """
    check_shapes(posterior, prior)
    exact = analytic_kl(posterior, prior)
    if exact is not None:
        return exact
    sample = posterior.sample(seed=noise_seed()) if sample is None else sample
    return posterior.log_prob(sample) - prior.log_prob(sample)


class BayesianLayer(keras.layers.Layer):
    """Base: y = activation(linear(x, w) + b), w and b random, KL(q ‖ p) among the losses.

    Keras adds `add_loss` to the mean of the loss over the batch, once for each step, and averages
    it over replicas. So the loss of `fit` is −ELBO / N, in nats per example, with
    `kl_weight = 1 / N` for N training examples.

    A subclass says what the linear map is: `kernel_shape`, `linear`, `add_bias`, `sign_shape`.
    Weights, densities and the KL are in the dtype of the variables, float32 under a mixed
    precision policy; the linear map is in the compute dtype.

    Args:
        activation: Keras activation.
        kl_weight: Factor of the KL: a number, or a schedule, a function of the step such as
            `tfvae.schedules.Linear(0, 1 / N, 1000)`, whose steps the layer counts; None: 1.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    FUNCTIONS = ()  # names of the arguments that are functions

    def __init__(
        self,
        *,
        activation=None,
        kl_weight: float | Callable | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        # Keras would train a variable that is an attribute: the loss is least at weight −∞.
        refuse_untracked("kl_weight", kl_weight)
        self.activation = keras.activations.get(activation)
        self.kl_weight = kl_weight
        self.step = None
        self._added: dict[str, tf.Tensor] = {}
        if callable(kl_weight):
            count_steps(self)

    def advance(self, training: bool | None):
        """Counts a training step, where the weight of the KL follows a schedule."""
        if training and self.step is not None:
            self.step.assign_add(1)

    def add_kl(self, kl: tf.Tensor, part: str = "weights"):
        """Adds a divergence in nats to the losses, summed to a scalar.

        The prior of weights counts once, however often the weights are used: where a model calls
        the layer several times in one call of its own (two towers, the steps of
        `TimeDistributed`), the first call adds the divergence.

        Args:
            kl: Nats, of any shape.
            part: Which of the layer's divergences this is.
        """
        before = self._added.get(part)
        if before is not None and any(loss is before for loss in self.losses):
            return
        kl = tf.reduce_sum(kl)
        weight = at_step(self.kl_weight, self)
        kl = kl if weight is None else tf.cast(weight, kl.dtype) * kl
        self.add_loss(kl)
        # A pass whose losses are thrown away, see `VAE.encode_aside`, has not added it.
        if any(loss is kl for loss in self.losses):
            self._added[part] = kl

    def map(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The linear map in the compute dtype."""
        return self.linear(tf.cast(inputs, self.compute_dtype), tf.cast(kernel, self.compute_dtype))

    def finish(self, outputs: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        """Adds the bias, where there is one, and applies the activation."""
        if bias is not None:
            outputs = self.add_bias(outputs, tf.cast(bias, outputs.dtype))
        return self.activation(outputs)

    def compute_output_shape(self, input_shape):
        """Shape of the output, of the shape of the input."""
        kernel = keras.KerasTensor(self.kernel_shape(input_shape), dtype=self.compute_dtype)
        return self.linear(keras.KerasTensor(input_shape, dtype=self.compute_dtype), kernel).shape

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "kl_weight": keras.saving.serialize_keras_object(self.kl_weight),
        }

    @classmethod
    def from_config(cls, config: dict) -> BayesianLayer:
        """Makes the layer of its configuration."""
        functions = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("kl_weight", *cls.FUNCTIONS)
            if isinstance(config.get(name), dict)
        }
        return cls(**{**config, **functions})
