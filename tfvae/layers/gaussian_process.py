"""A variational Gaussian process as a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.targets import fitted_target
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, saved_function
from tfvae.layers.sizes import count_of
from tfvae.options.keywords import DistributionOptions, Unpack

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["VariationalGaussianProcess"]


@keras.saving.register_keras_serializable(package="tfvae")
class VariationalGaussianProcess(DistributionLayer):
    """Gaussian process posterior by inducing points: f(Z) ~ N(m, S Sᵀ), y = f(x) + noise.

    The inputs are the index points `[points, features]`; the output is a distribution over all of
    them at once, of event shape `[points, E]`. Its `variational_loss(y, kl_weight)` is
    −ELBO in nats for the points of the batch, without a division; `kl_weight` is the share of
    the batch in all examples. `expected_log_prob(y)` is E_q[log p(y_i | f_i)] for each point.

    Args:
        num_inducing_points: Number of inducing points M.
        kernel_provider: Layer with a property `kernel`, such as `ExponentiatedQuadratic`.
        event_shape: Number E of independent processes, as a number or a sequence of one.
        inducing_index_points_initializer: Of Z, `[E, M, features]`; near the data.
        unconstrained_observation_noise_variance_initializer: Of s, noise variance = softplus(s).
        variational_inducing_observations_scale_initializer: Of S; None: 10⁻⁵ I.
        mean_fn: Registered function of the index points; None: a trained constant.
        jitter: Added to the diagonals of kernel matrices.
        convert_to_tensor_fn: `"sample"`, `"mean"`, `"mode"`, `"stddev"` or a registered callable.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> from tfvae.layers.gaussian_kernel import ExponentiatedQuadratic
        >>> vgp = VariationalGaussianProcess(8, ExponentiatedQuadratic())
        >>> vgp(tf.linspace([0.0], [1.0], 5)).event_shape
        TensorShape([5, 1])

    References:
        Hensman, Fusi, Lawrence, "Gaussian Processes for Big Data", 2013, Eq. 4.
        Titsias, "Variational Model Selection for Sparse Gaussian Process Regression", 2009.
    """

    params_per_element = None
    roles = ()

    def __init__(
        self,
        num_inducing_points: int,
        kernel_provider: keras.layers.Layer,
        event_shape: int | Sequence[int] = (1,),
        inducing_index_points_initializer="random_normal",
        unconstrained_observation_noise_variance_initializer=None,
        variational_inducing_observations_scale_initializer=None,
        mean_fn: Callable | None = None,
        jitter: float = 1e-6,
        convert_to_tensor_fn: str | Callable = "sample",
        **kwargs: Unpack[DistributionOptions],
    ):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = kernel_provider.variable_dtype
        super().__init__(event_shape, convert_to_tensor_fn, **kwargs)
        self.num_inducing_points = count_of("num_inducing_points", num_inducing_points)
        self.kernel_provider = kernel_provider
        if len(self.event_shape) != 1:
            raise UserError(f"event_shape takes one number, got {event_shape!r}")
        get = keras.initializers.get
        self.inducing_index_points_initializer = get(inducing_index_points_initializer)
        self.unconstrained_observation_noise_variance_initializer = get(
            unconstrained_observation_noise_variance_initializer
        ) or keras.initializers.Constant(-10.0)
        self.variational_inducing_observations_scale_initializer = get(
            variational_inducing_observations_scale_initializer
        )
        self.mean_fn = mean_fn
        self.jitter = jitter

    def build(self, input_shape):
        """Makes the inducing points and what is known of the process at them."""
        points, outputs = self.num_inducing_points, self.event_shape
        self.observation_noise = self.add_weight(
            name="unconstrained_observation_noise_variance",
            shape=(),
            initializer=self.unconstrained_observation_noise_variance_initializer,
        )
        self.inducing_index_points = self.add_weight(
            name="inducing_index_points",
            shape=(*outputs, points, input_shape[-1]),
            initializer=self.inducing_index_points_initializer,
        )
        self.loc = self.add_weight(
            name="variational_inducing_observations_loc",
            shape=(*outputs, points),
            initializer="zeros",
        )
        self.scale = self.add_weight(
            name="variational_inducing_observations_scale",
            shape=(*outputs, points, points),
            initializer=self.variational_inducing_observations_scale_initializer
            or (lambda shape, dtype: 1e-5 * tf.eye(points, batch_shape=outputs, dtype=dtype)),
        )
        if self.mean_fn is None:
            self.mean = self.add_weight(name="mean", shape=(), initializer="zeros")

    def make_distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        """Makes the process at the index points `[points, features]`."""
        mean = None if self.mean_fn else tf.convert_to_tensor(self.mean)
        arguments = {
            "kernel": self.kernel_provider.kernel,
            "index_points": inputs,
            "inducing_index_points": tf.convert_to_tensor(self.inducing_index_points),
            "variational_inducing_observations_loc": tf.convert_to_tensor(self.loc),
            # tfp's KL reads only the lower triangle, but its predictions read the whole matrix.
            "variational_inducing_observations_scale": tf.linalg.band_part(self.scale, -1, 0),
            "mean_fn": self.mean_fn or (lambda points: mean),
            "observation_noise_variance": tf.nn.softplus(
                tf.convert_to_tensor(self.observation_noise)
            ),
            "jitter": self.jitter,
            "validate_args": self.validate_args,
        }
        process = tfd.VariationalGaussianProcess(**arguments)
        # f, without the noise: with it counted in, as tfp has it, E_q[log p(y | f)] is half a nat
        # too low for each example.
        latent = tfd.VariationalGaussianProcess(**arguments, predictive_noise_variance=0.0)
        transpose = tfb.Transpose(rightmost_transposed_ndims=2)
        distribution = tfd.TransformedDistribution(tfd.Independent(process, 1), transpose)

        def expected_log_prob(y):
            y = tf.reshape(fitted_target(y, distribution), distribution.event_shape_tensor())
            y = transpose.forward(y)
            noise = arguments["observation_noise_variance"]
            log_prob = tfd.Normal(latent.mean(), tf.sqrt(noise)).log_prob(y)
            return tf.reduce_sum(log_prob - latent.variance() / (2 * noise), axis=0)

        def kl():
            return tf.reduce_sum(latent.surrogate_posterior_kl_divergence_prior())

        def variational_loss(y, kl_weight=1.0):
            return kl_weight * kl() - tf.reduce_sum(expected_log_prob(y))

        distribution.expected_log_prob = expected_log_prob
        distribution.variational_loss = variational_loss
        distribution.surrogate_posterior_kl_divergence_prior = kl
        return distribution

    def get_config(self) -> dict:
        """Configuration for saving."""
        initializers = {
            f"{name}_initializer": keras.initializers.serialize(
                getattr(self, f"{name}_initializer")
            )
            for name in (
                "inducing_index_points",
                "unconstrained_observation_noise_variance",
                "variational_inducing_observations_scale",
            )
        }
        return {
            **super().get_config(),
            **initializers,
            "num_inducing_points": self.num_inducing_points,
            "kernel_provider": keras.saving.serialize_keras_object(self.kernel_provider),
            "mean_fn": saved_function(self, "mean_fn", self.mean_fn),
            "jitter": self.jitter,
        }
