"""The Hamiltonian flow on a space of z whose metric is learned."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.latents.refined import Refined
from tfvae.latents.riemannian_metric import RiemannianMetric, generalized_leapfrog
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Depth, Positive
from tfvae.options.keywords import RefinedOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["Riemannian"]


@keras.saving.register_keras_serializable(package="tfvae")
class Riemannian(Refined):
    """The Riemannian Hamiltonian VAE: the flow of `Hamiltonian` under a learned metric G(z).

    G⁻¹(z) = Σ_i L_i L_iᵀ exp(−|z − c_i|²/T²) + λ I
    H(z, ρ) = −log p(x, z) + log det G(z)/2 + ρᵀ G⁻¹(z) ρ/2, ρ₀ ~ N(0, G(z₀)/β₀)

    The n centroids c_i and the lower triangular L_i are weights and trained with the bound. In the
    paper both are functions of the training examples, n of them, made by the encoder and by a
    network of the metric; as weights they do not change with the batch, and are saved.

    A step is a generalized leapfrog by fixed-point iterations: the bound is one of log p(x) up to
    what these leave, a power of the step size, see `generalized_leapfrog`.

    Args:
        prior: p(z), on vectors of real numbers; None: the standard normal.
        centroids: n.
        temperature: T in units of √d for z of d elements, which is about how far from each other
            draws of the prior are.
        regularization: λ.
        iterations: Fixed-point iterations for the momentum, and for z, in each step.
        **kwargs: `steps`, `step_size`, `max_step`, `tempering` and `beta_zero`, as in
            `Hamiltonian`; arguments of `keras.layers.Layer`.

    Raises:
        UserError: As `Hamiltonian`; when it first sees a posterior of anything but vectors.

    Example:
        >>> structure = Riemannian(centroids=10, steps=3)
        >>> model = tfvae.VAE(encoder, decoder, latents=structure)

    References:
        Chadebec, Mantoux, Allassonnière, "Geometry-Aware Hamiltonian Variational Auto-Encoder",
        2020, Eqs. 8 to 11.
    """

    def __init__(
        self,
        prior: Prior | None = None,
        *,
        centroids: Count = 20,
        temperature: Positive = 1.0,
        regularization: Positive = 0.01,
        iterations: Depth = 3,
        **kwargs: Unpack[RefinedOptions],
    ):
        super().__init__(prior, **kwargs)
        for name, value in [("temperature", temperature), ("regularization", regularization)]:
            if not value > 0:
                raise UserError(f"{name} takes a number above 0, got {value!r}")
        self.centroids = count_of("centroids", centroids)
        self.iterations = count_of("iterations", iterations)
        self.temperature, self.regularization = float(temperature), float(regularization)

    def make_weights(self) -> None:
        """Makes the metric's weights beside those of the flow."""
        if len(self.event_shape) != 1:
            raise UserError(
                f"Riemannian takes z as vectors, and those of the posterior have the shape "
                f"{self.event_shape}: take Hamiltonian, or a posterior of vectors"
            )
        super().make_weights()
        (size,) = self.event_shape
        self.raw_centroids = self.add_weight(
            shape=(self.centroids, size),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="centroids",
            autocast=False,
        )
        # Two draws of N(0, I) are √(2d) apart: with T = √d, G⁻¹ is about I at a draw of it.
        eye = np.eye(size) * np.e / np.sqrt(self.centroids)
        flat = tfp.math.fill_triangular_inverse(tf.constant(eye, self.variable_dtype))
        self.raw_factors_of_metric = self.add_weight(
            shape=(self.centroids, size * (size + 1) // 2),
            initializer=lambda shape, dtype=None: tf.cast(tf.broadcast_to(flat, shape), dtype),
            name="cholesky_factors",
            autocast=False,
        )

    @property
    def metric(self) -> RiemannianMetric:
        """The metric of the weights as they are."""
        flat = tf.convert_to_tensor(self.raw_factors_of_metric)
        return RiemannianMetric(
            tf.convert_to_tensor(self.raw_centroids),
            tfp.math.fill_triangular(flat),
            self.temperature * self.event_shape[0] ** 0.5,
            self.regularization,
        )

    def force(self, log_joint: Callable[[tf.Tensor], tf.Tensor]) -> Callable:
        """The gradient of log p(x, z) − log det G(z) / 2, as a function of z."""
        of_model, metric = super().force(log_joint), self.metric
        return lambda z: of_model(z) + metric.volume_slope(metric.at(z))

    def momentum(self, z: tf.Tensor, beta) -> tfd.Distribution:
        """N(0, G(z)/β)."""
        return self.metric.momentum(z, beta)

    def integrator(self, force: Callable, step_size: tf.Tensor) -> Callable:
        """The generalized leapfrog step."""
        return generalized_leapfrog(self.metric, force, step_size, self.iterations)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "centroids": self.centroids,
            "temperature": self.temperature,
            "regularization": self.regularization,
            "iterations": self.iterations,
        }
