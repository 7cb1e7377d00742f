"""A dense layer with one posterior of kernel and bias together."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import TensorDistribution, concrete
from tfvae.distributions.divergences import check_shapes
from tfvae.distributions.variables import refuse_untracked
from tfvae.layers.bayesian import BayesianLayer, exact_or_monte_carlo_kl
from tfvae.layers.linear_maps import DenseMap
from tfvae.layers.noise_scope import noise_seed
from tfvae.layers.weight_distribution import WeightDistribution
from tfvae.layers.weight_functions import MeanFieldNormal, default_multivariate_normal_fn
from tfvae.options.keywords import MapOptions, Unpack

tfd = tfp.distributions

__all__ = ["DenseVariational", "mean_field_posterior", "standard_normal_prior"]


@keras.saving.register_keras_serializable(package="tfvae")
def mean_field_posterior(kernel_size: int, bias_size: int = 0, dtype=None) -> WeightDistribution:
    """Makes the layer of q(w) = Π_j N(w_j; μ_j, σ_j²) over kernel and bias, with σ ≈ 0.05 first."""
    return WeightDistribution(MeanFieldNormal(), [kernel_size + bias_size], dtype=dtype)


@keras.saving.register_keras_serializable(package="tfvae")
def standard_normal_prior(kernel_size: int, bias_size: int = 0, dtype=None) -> WeightDistribution:
    """Makes the layer of p(w) = Π_j N(w_j; 0, 1) over kernel and bias."""
    size = [kernel_size + bias_size]
    return WeightDistribution(default_multivariate_normal_fn, size, dtype=dtype)


@keras.saving.register_keras_serializable(package="tfvae")
class DenseVariational(DenseMap, BayesianLayer):
    """Bayesian dense layer: y = activation(x W + b), [W, b] ~ q, one draw for each batch.

    `make_posterior_fn(kernel_size, bias_size, dtype)` and `make_prior_fn` return a Keras layer or
    another callable that maps the inputs to a distribution of `kernel_size + bias_size` numbers:
    one posterior of all of them can have correlations. To be saved, the two have to be functions
    registered with Keras.

    Args:
        units: Length of the output's last axis.
        make_posterior_fn: Makes q; independent normals by default.
        make_prior_fn: Makes p; independent N(0, 1) by default. It may have weights of its own.
        kl_weight: Factor of KL(q ‖ p) in the losses: a number, 1 / N for N training examples, or
            a schedule; None: 1.
        kl_use_exact: True: the KL in closed form. False: at the draw, log q(w) − log p(w).
            None: in closed form where tfp has one, at the draw otherwise.
        activation: Keras activation.
        use_bias: Whether there is a bias.
        activity_regularizer: Keras regularizer of the output.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = DenseVariational(3, mean_field_posterior, standard_normal_prior, 1 / 1000)
        >>> layer(tf.ones([2, 5])).shape, len(layer.losses)
        (TensorShape([2, 3]), 1)

    References:
        Blundell et al., "Weight Uncertainty in Neural Networks", 2015, Eq. 2.
    """

    FUNCTIONS = ("make_posterior_fn", "make_prior_fn")

    def __init__(
        self,
        units: int,
        make_posterior_fn=mean_field_posterior,
        make_prior_fn=standard_normal_prior,
        kl_weight: float | Callable | None = None,
        kl_use_exact: bool | None = None,
        activation=None,
        use_bias: bool = True,
        activity_regularizer=None,
        **kwargs: Unpack[MapOptions],
    ):
        super().__init__(
            units,
            activation=activation,
            activity_regularizer=activity_regularizer,
            kl_weight=kl_weight,
            **kwargs,
        )
        self.make_posterior_fn = make_posterior_fn
        self.make_prior_fn = make_prior_fn
        self.kl_use_exact = kl_use_exact
        self.use_bias = use_bias

    def build(self, input_shape):
        """Makes the layers of the posterior and the prior, with their weights."""
        inputs, units = self.kernel_shape(input_shape)
        sizes = (inputs * units, units if self.use_bias else 0, self.variable_dtype)
        self._posterior = self._part("posterior", self.make_posterior_fn, sizes, input_shape)
        self._prior = self._part("prior", self.make_prior_fn, sizes, input_shape)

    def _part(self, name: str, make: Callable, sizes: tuple, input_shape):
        """Makes the posterior or the prior; its name stands in the paths of its weights."""
        with keras.name_scope(name):
            part = make(*sizes)
            refuse_untracked(f"what make_{name}_fn returns", part)
            if isinstance(part, keras.layers.Layer):
                if not part.built:
                    part.build(input_shape)
                if not self.trainable:
                    part.trainable = False  # Keras passes it on to the layers that exist by then
        return part

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the outputs for weights that are drawn anew, and adds the KL to the losses."""
        self.advance(training)
        posterior, prior = self._posterior(inputs), concrete(self._prior(inputs))
        if isinstance(posterior, TensorDistribution):
            weights, posterior = tf.convert_to_tensor(posterior), concrete(posterior)
        else:
            weights = posterior.sample(seed=noise_seed())
        self.add_kl(self._kl(posterior, prior, weights))
        size = weights.shape[-1] - (self.units if self.use_bias else 0)
        kernel, bias = weights[..., :size], weights[..., size:]
        shape = tf.concat([tf.shape(kernel)[:-1], [inputs.shape[-1], self.units]], axis=0)
        outputs = self.map(inputs, tf.reshape(kernel, shape))
        return self.finish(outputs, bias if self.use_bias else None)

    def _kl(self, posterior, prior, weights):
        if self.kl_use_exact is None:
            return exact_or_monte_carlo_kl(posterior, prior, weights)
        check_shapes(posterior, prior)
        if self.kl_use_exact:
            return tfd.kl_divergence(posterior, prior)
        return posterior.log_prob(weights) - prior.log_prob(weights)

    def get_config(self) -> dict:
        """Configuration for saving."""
        functions = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.FUNCTIONS
        }
        own = {"kl_use_exact": self.kl_use_exact, "use_bias": self.use_bias}
        return {**super().get_config(), **functions, **own}
