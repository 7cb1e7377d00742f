"""A prior that prefers no direction, with radii that are learned."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.priors.base import Prior
from tfvae.priors.radial import RadialGamma

tfd = tfp.distributions

__all__ = ["UniformDirection"]


@keras.saving.register_keras_serializable(package="tfvae")
class UniformDirection(Prior):
    """z = r u, u uniform on the sphere, r² ~ Gamma(a, b): a shell around 0 of learned radius.

    log p(z) = (a − d/2) log ‖z‖² − b ‖z‖² + a log b − log Γ(a) + log Γ(d/2) − d/2 log π, of d
    elements. At the start a = d/2 and b = 1/2, which is the standard normal. KL(q ‖ p) is estimated
    at the draws of z.

    Args:
        event_shape: Shape of z; None: learned from the posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = UniformDirection(2)
        >>> round(float(prior().log_prob([0.0, 1.0])), 4)  # −log 2π − 1/2
        -2.3379

    References:
        Chadebec, Vincent, Allassonnière, "Pythae: Unifying Generative Autoencoders in Python",
        2022 (its HypersphereUniformSampler, where all radii are 1).
        Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, Section 3.2.
    """

    def build(self, event_shape=None, data_shape=None):
        """Makes a and b."""
        super().build(event_shape, data_shape)
        self.size = math.prod(self.event_shape)
        # The logs of a and b over those of the standard normal, which is exact so.
        self.log_concentration, self.log_rate = (
            self.add_weight(shape=(), initializer="zeros", name=name)
            for name in ("log_concentration", "log_rate")
        )

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution, batch shape `[]`; a context does not change it."""
        concentration = self.size / 2 * tf.exp(tf.convert_to_tensor(self.log_concentration))
        rate = 0.5 * tf.exp(tf.convert_to_tensor(self.log_rate))
        return RadialGamma(concentration, rate, self.event_shape)

    def fit(self, z: np.ndarray, examples: np.ndarray | None = None, *, seed: int = 0) -> None:
        """Sets a and b to their maximum likelihood: log a − ψ(a) = log mean(r²) − mean(log r²).

        Args:
            z: Codes, `[N, *event]`.
            examples: Unused: two numbers are fitted, and nothing is held out.
            seed: Unused.

        Raises:
            UserError: If a code is 0, or all have the same radius.
        """
        from scipy.optimize import brentq
        from scipy.special import digamma

        if not self.built:
            self.build(z.shape[1:])
        squared = np.square(np.reshape(z, [len(z), -1]).astype(np.float64)).sum(axis=1)
        if not squared.min() > 0:
            raise UserError("a code is 0, which has no direction: take codes='draws'")
        gap = np.log(squared.mean()) - np.log(squared).mean()
        if not gap > 1e-9:
            raise UserError(
                "all codes have the same radius, and a density of it would be infinite there: for "
                "posteriors on the sphere take tfvae.priors.SphericalUniform"
            )
        # log a − ψ(a) falls from ∞ to 0, and lies between 1/(2a) and 1/a.
        concentration = brentq(lambda a: np.log(a) - digamma(a) - gap, 0.25 / gap, 2.0 / gap)
        self.log_concentration.assign(np.log(concentration / (self.size / 2)))
        self.log_rate.assign(np.log(concentration / squared.mean() / 0.5))
