"""A mixture of normals as prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import positive
from tfvae.options.bounds import Count, Positive
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["MixtureOfNormals"]


LEAST_GAIN = 1e-3  # nats a code


@keras.saving.register_keras_serializable(package="tfvae")
class MixtureOfNormals(Prior):
    """p(z) = Σ_k π_k Π_j N(z_j; μ_kj, σ_kj²), with weights, means and scales learned.

    With full covariances, p(z) = Σ_k π_k N(z; μ_k, L_k L_kᵀ). KL(q ‖ p) has no closed form: it is
    estimated at the draws of z. At the start the weights are equal, the scales 1 and the means
    draws of a standard normal.

    Args:
        components: Number of components K.
        event_shape: Shape of z; None: learned from the posterior.
        min_scale: The smallest σ: the density is unbounded as σ → 0.
        covariance: `"diagonal"`, or `"full"`, for vectors alone.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = MixtureOfNormals(components=5)
        >>> prior.build(2)
        >>> prior().log_prob(tf.zeros([7, 2])).shape
        TensorShape([7])

    References:
        Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture Variational
        Autoencoders", 2016.
        Tomczak and Welling, "VAE with a VampPrior", 2018, Section 4 (the MoG prior).
    """

    def __init__(
        self,
        components: Count = 10,
        *,
        event_shape: int | Sequence[int] | None = None,
        min_scale: Positive = 1e-2,
        covariance: Literal["diagonal", "full"] = "diagonal",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        if components != int(components) or components < 1:
            raise UserError(f"components takes an integer from 1, got {components!r}")
        if not 0 < min_scale < 1:
            raise UserError(f"min_scale takes a number between 0 and 1, got {min_scale!r}")
        if covariance not in ("diagonal", "full"):
            raise UserError(f"covariance takes 'diagonal' or 'full', got {covariance!r}")
        self.components = int(components)
        self.covariance = covariance
        self.min_scale = min_scale

    def build(self, event_shape=None, data_shape=None):
        """Makes weights, means and scales."""
        super().build(event_shape, data_shape)
        full = self.covariance == "full"
        if full and len(self.event_shape) != 1:
            raise UserError(
                f"covariance='full' is for vectors, and z has the shape {self.event_shape}: take "
                "covariance='diagonal'"
            )
        shape = (self.components, *self.event_shape)
        one = keras.initializers.Constant(math.log(math.expm1(1.0 - self.min_scale)))
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.loc = self.add_weight(shape=shape, initializer=normal, name="loc")
        self.raw_scale = self.add_weight(shape=shape, initializer=one, name="raw_scale")
        self.logits = self.add_weight(shape=shape[:1], initializer="zeros", name="logits")
        if full:
            square = (*shape, shape[1])
            self.lower = self.add_weight(shape=square, initializer="zeros", name="lower")

    def call(self, context=None) -> tfd.Distribution:
        """Makes the mixture, batch shape `[]`; a context does not change it."""
        scale = positive(tf.convert_to_tensor(self.raw_scale), self.min_scale)
        weights = tfd.Categorical(logits=tf.convert_to_tensor(self.logits))
        loc = tf.convert_to_tensor(self.loc)
        if self.covariance == "full":
            below = tf.constant(np.tri(scale.shape[-1], k=-1), scale.dtype)
            factor = tf.linalg.diag(scale) + tf.convert_to_tensor(self.lower) * below
            return tfd.MixtureSameFamily(weights, tfd.MultivariateNormalTriL(loc, factor))
        normal = tfd.Independent(tfd.Normal(loc, scale), len(self.event_shape))
        return tfd.MixtureSameFamily(weights, normal)

    def fit(
        self,
        z: np.ndarray,
        examples: np.ndarray | None = None,
        *,
        iterations: int = 200,
        restarts: int = 1,
        seed: int = 0,
    ) -> None:
        """Fits the mixture to codes by expectation maximization, scikit-learn's.

        Each covariance gets `min_scale`², at least 1e-6, on its diagonal in every step.

        Args:
            z: Codes, `[N, *event]`.
            examples: Unused: components are few, and nothing is held out.
            iterations: Steps of EM at most; it ends where one brings less than 0.001 nats a code.
            restarts: How often it begins anew, from other means; the best fit is taken.
            seed: Seed of the means that it begins from.

        Raises:
            UserError: If there are fewer codes than components.
        """
        from sklearn.mixture import GaussianMixture  # costs half a second
        from threadpoolctl import threadpool_limits

        if len(z) < self.components:
            raise UserError(
                f"components={self.components} are more than the {len(z)} codes that they are "
                "fitted to: take fewer"
            )
        if not self.built:
            self.build(z.shape[1:])
        full = self.covariance == "full"
        regularization = 1.0001 * max(self.min_scale**2, 1e-6)
        mixture = GaussianMixture(
            self.components,
            covariance_type="full" if full else "diag",
            tol=LEAST_GAIN,
            reg_covar=regularization,
            max_iter=iterations,
            n_init=restarts,
            random_state=seed,
        )
        codes = np.reshape(z, [len(z), -1]).astype(np.float64)
        # Its matrices are thin: several threads wait for each other, and take five times as long.
        with threadpool_limits(1, "blas"):
            found = mixture.fit(codes)
        factors = np.linalg.cholesky(found.covariances_) if full else None
        scale = np.einsum("kii->ki", factors) if full else np.sqrt(found.covariances_)
        self.loc.assign(np.reshape(found.means_, self.loc.shape))
        raw = np.log(np.expm1(scale - self.min_scale))
        self.raw_scale.assign(np.reshape(raw, self.raw_scale.shape))
        self.logits.assign(np.log(found.weights_))
        if full:
            self.lower.assign(np.tril(factors, -1))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "components": self.components,
            "min_scale": self.min_scale,
            "covariance": self.covariance,
        }
