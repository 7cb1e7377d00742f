"""The uniform distribution on the manifold that a model's posteriors make of its latent space."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Positive
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.manifold import UniformOnManifold
from tfvae.priors.posterior_metric import PosteriorMetric

tfd = tfp.distributions

__all__ = ["RiemannianUniform"]


@keras.saving.register_keras_serializable(package="tfvae")
class RiemannianUniform(Prior):
    """p(z) ∝ √det G(z), drawn by Hamiltonian Monte Carlo; it has draws and no density.

    The constant of the density is an integral that nobody knows: `log_prob` is refused, and with
    it the ELBO, log p(x) and the training of a model that has this prior. A draw is the end of a
    chain that begins at one of the codes of the metric; where those lie in parts with nothing in
    between, it stays in its part.

    Args:
        metric: G; its posteriors are set by `fit`.
        chain: Steps of a chain.
        leapfrog: Steps of the leapfrog integrator in each of them.
        step_size: Of the integrator, times the posteriors' mean standard deviation and the reach ρ.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = RiemannianUniform(tfvae.priors.PosteriorMetric(centres=2))
        >>> prior.fit(np.array([[-1.0, 0.0], [1.0, 0.0]]), np.ones([2, 2]))
        >>> prior().sample(3, seed=(0, 1)).shape
        TensorShape([3, 2])

    References:
        Chadebec and Allassonnière, "A Geometric Perspective on Variational Autoencoders", 2022,
        Section 3.3.
    """

    reads = "posteriors"

    def __init__(
        self,
        metric: PosteriorMetric,
        *,
        chain: Count = 100,
        leapfrog: Count = 10,
        step_size: Positive = 0.1,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        if not isinstance(metric, PosteriorMetric):
            raise UserError(f"metric takes a tfvae.priors.PosteriorMetric, got {metric!r}")
        if not step_size > 0:
            raise UserError(f"step_size takes a number above 0, got {step_size!r}")
        self.metric = metric
        self.chain, self.leapfrog = count_of("chain", chain), count_of("leapfrog", leapfrog)
        self.step_size = float(step_size)

    def build(self, event_shape=None, data_shape=None):
        """Makes the weights of the metric."""
        super().build(event_shape, data_shape)
        if len(self.event_shape) != 1:
            raise UserError(
                f"RiemannianUniform is a prior of vectors, and z has the shape {self.event_shape}"
            )
        if not self.metric.built:
            self.metric.build((None, *self.event_shape))

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution, batch shape `[]`; a context does not change it."""
        variance = 1.0 / tf.linalg.diag_part(tf.convert_to_tensor(self.metric.precision))
        scale = tf.sqrt(tf.reduce_mean(variance, axis=0)) * tf.convert_to_tensor(self.metric.reach)
        return UniformOnManifold(
            self.metric,
            tf.convert_to_tensor(self.metric.loc),
            self.step_size * scale,
            chain=self.chain,
            leapfrog=self.leapfrog,
        )

    def fit(self, loc: np.ndarray, covariance: np.ndarray, *, seed: int = 0) -> None:
        """Sets the metric to that of posteriors.

        Args:
            loc: Means of q(z|x), `[N, d]`.
            covariance: Their covariances, `[N, d, d]`, or variances, `[N, d]`.
            seed: Seed of the choice among them.

        Raises:
            UserError: If there are fewer examples than centres.
        """
        if not self.built:
            self.build(loc.shape[1:])
        self.metric.fit(loc, covariance, seed=seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("event_shape")
        own = {name: getattr(self, name) for name in ("chain", "leapfrog", "step_size")}
        return {**config, **own, "metric": keras.saving.serialize_keras_object(self.metric)}

    @classmethod
    def from_config(cls, config: dict) -> RiemannianUniform:
        """Makes the prior of its configuration."""
        return cls(**{**config, "metric": keras.saving.deserialize_keras_object(config["metric"])})
