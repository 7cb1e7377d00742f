"""The Riemannian metric that the posteriors of a model make of its latent space."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Positive
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["PosteriorMetric"]


@keras.saving.register_keras_serializable(package="tfvae")
class PosteriorMetric(keras.layers.Layer):
    """G(z) = Σ_i Σ_i⁻¹ ω_i(z) + λ exp(−τ ‖z‖²) I, of posteriors N(μ_i, Σ_i) at some examples.

    ω_i(z) = exp(−(z − μ_i)ᵀ Σ_i⁻¹ (z − μ_i) / ρ²), with ρ the largest distance of a μ_i to the one
    nearest to it, and τ = 1 / max ‖μ_i‖²: beyond the codes the volume √det G falls to 0.

    Args:
        centres: Number of posteriors.
        regularization: λ.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> metric = tfvae.priors.PosteriorMetric(centres=5)
        >>> metric.build((None, 2))
        >>> metric(tf.zeros([3, 2])).shape
        TensorShape([3, 2, 2])

    References:
        Chadebec and Allassonnière, "A Geometric Perspective on Variational Autoencoders", 2022,
        Section 3.2.
    """

    def __init__(
        self,
        centres: Count = 200,
        *,
        regularization: Positive = 1e-2,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        if not regularization > 0:
            raise UserError(f"regularization takes a number above 0, got {regularization!r}")
        self.centres = count_of("centres", centres)
        self.regularization = float(regularization)

    def build(self, input_shape):
        """Makes places for μ_i, Σ_i⁻¹, ρ and τ."""
        size = input_shape[-1]

        def make(name: str, *shape: int):
            return self.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)

        self.loc = make("loc", self.centres, size)
        self.precision = make("precision", self.centres, size, size)
        self.reach, self.decay = make("reach"), make("decay")
        self.reach.assign(1.0)

    def fit(self, loc: np.ndarray, covariance: np.ndarray, *, seed: int = 0) -> None:
        """Takes the posteriors nearest to the means of as many clusters of codes.

        Args:
            loc: μ of all examples, `[N, d]`.
            covariance: Σ, `[N, d, d]`, or its diagonal, `[N, d]`.
            seed: Seed of the clusters.

        Raises:
            UserError: If there are fewer examples than centres.
        """
        if len(loc) < self.centres:
            raise UserError(
                f"centres={self.centres} are more than the {len(loc)} examples: take fewer"
            )
        if not self.built:
            self.build(loc.shape)
        loc = np.asarray(loc, np.float64)
        rows = _medoids(loc, self.centres, seed) if len(loc) > self.centres else slice(None)
        loc, covariance = loc[rows], np.asarray(covariance[rows], np.float64)
        if covariance.ndim == 2:
            covariance = covariance[:, :, None] * np.eye(covariance.shape[1])
        distance = np.linalg.norm(loc[:, None] - loc, axis=-1)
        np.fill_diagonal(distance, np.inf)
        self.loc.assign(loc)
        self.precision.assign(np.linalg.inv(covariance))
        self.reach.assign(distance.min(axis=1).max() if len(loc) > 1 else 1.0)
        self.decay.assign(1.0 / max(np.square(loc).sum(axis=1).max(), 1e-6))

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """The metric at each z: `[batch, d]` to `[batch, d, d]`."""
        loc, precision, reach, decay = (
            tf.convert_to_tensor(w) for w in (self.loc, self.precision, self.reach, self.decay)
        )
        apart = z[:, None] - loc
        distance = tf.einsum("bcd,cde,bce->bc", apart, precision, apart)
        near = tf.exp(-distance / tf.square(reach))
        far = self.regularization * tf.exp(-decay * tf.reduce_sum(tf.square(z), axis=-1))
        return tf.einsum("bc,cde->bde", near, precision) + far[:, None, None] * tf.eye(
            z.shape[-1], dtype=z.dtype
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"centres": self.centres, "regularization": self.regularization}
        return {**super().get_config(), **own}


def _medoids(loc: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of the points that are nearest to the means of so many clusters."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances_argmin

    means = KMeans(count, n_init=1, random_state=seed).fit(loc).cluster_centers_
    return pairwise_distances_argmin(means, loc)
