"""A metric on the space of z, flat far from its centroids, and the leapfrog that it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["Place", "RiemannianMetric", "generalized_leapfrog"]


class Place(NamedTuple):
    """What the metric is at one z.

    Attributes:
        pull: The gradient in z of each exp(−|z − c_i|²/T²), halved, `[*batch, n, d]`.
        inverse: G⁻¹(z), `[*batch, d, d]`.
    """

    pull: tf.Tensor
    inverse: tf.Tensor


class RiemannianMetric:
    """G⁻¹(z) = Σ_i L_i L_iᵀ exp(−|z − c_i|²/T²) + λ I.

    Args:
        centroids: c_i, `[n, d]`.
        factors: L_i, lower triangular, `[n, d, d]`.
        temperature: T, the reach of a centroid in units of z.
        regularization: λ, above 0: what remains of G⁻¹ far from all centroids.

    References:
        Chadebec, Mantoux, Allassonnière, "Geometry-Aware Hamiltonian Variational Auto-Encoder",
        2020, Eq. 10.
    """

    def __init__(
        self, centroids: tf.Tensor, factors: tf.Tensor, temperature: float, regularization: float
    ):
        self.centroids, self.factors = centroids, factors
        self.temperature, self.regularization = temperature, regularization
        self.size = centroids.shape[-1]
        squares = tf.matmul(factors, factors, transpose_b=True)
        self._squares = tf.reshape(squares, [-1, self.size**2])  # of L_i L_iᵀ, flat
        self._floor = regularization * tf.eye(self.size, dtype=centroids.dtype)

    def at(self, z: tf.Tensor) -> Place:
        """What the metric is at z, `[*batch, d]`."""
        way = z[..., None, :] - self.centroids
        near = tf.exp(-tf.reduce_sum(tf.square(way), axis=-1) / self.temperature**2)
        flat = tf.tensordot(near, self._squares, axes=1)
        inverse = tf.reshape(flat, tf.concat([tf.shape(z), [self.size]], axis=0)) + self._floor
        return Place(-way * near[..., None] / self.temperature**2, inverse)

    def velocity(self, place: Place, momentum: tf.Tensor) -> tf.Tensor:
        """G⁻¹(z) ρ, `[*batch, d]`."""
        return tf.linalg.matvec(place.inverse, momentum)

    def _slope(self, place: Place, matrix: tf.Tensor) -> tf.Tensor:
        """The gradient in z of tr(A G⁻¹(z)) / 2 for a matrix A, `[*batch, d]`."""
        flat = tf.reshape(matrix, tf.concat([tf.shape(matrix)[:-2], [self.size**2]], axis=0))
        each = tf.tensordot(flat, self._squares, axes=[[-1], [1]])
        return tf.linalg.matvec(place.pull, each, transpose_a=True)

    def energy_slope(self, place: Place, momentum: tf.Tensor) -> tf.Tensor:
        """The gradient in z of ρᵀ G⁻¹(z) ρ / 2, `[*batch, d]`."""
        return self._slope(place, momentum[..., None] * momentum[..., None, :])

    def volume_slope(self, place: Place) -> tf.Tensor:
        """The gradient in z of log det G⁻¹(z) / 2, which is tr(G ∂G⁻¹) / 2, `[*batch, d]`."""
        return self._slope(place, tf.linalg.inv(place.inverse))

    def momentum(self, z: tf.Tensor, beta) -> tfd.Distribution:
        """N(0, G(z)/β), as ρ = C⁻ᵀ ε/√β where C Cᵀ = G⁻¹(z)."""
        scale = tf.math.rsqrt(tf.cast(beta, z.dtype))
        noise = tfd.Independent(tfd.Normal(tf.zeros_like(z), scale), 1)
        factor = tf.linalg.cholesky(self.at(z).inverse)
        solve = tfb.Invert(tfb.ScaleMatvecTriL(factor, adjoint=True))
        return tfd.TransformedDistribution(noise, solve, name="Momentum")


def generalized_leapfrog(
    metric: RiemannianMetric,
    force: Callable[[tf.Tensor], tf.Tensor],
    step_size: tf.Tensor,
    iterations: int,
) -> Callable:
    """The leapfrog step where the momentum's energy depends on z, by fixed-point iterations.

    ρ' = ρ − ε/2 ∂H/∂z(z, ρ'), z₁ = z + ε/2 (G⁻¹(z) + G⁻¹(z₁)) ρ', ρ₁ = ρ' − ε/2 ∂H/∂z(z₁, ρ')

    The first two say ρ' and z₁ by themselves. Volume and reversibility are exact at the fixed
    points, and off by a power of ε that rises with the iterations.

    Args:
        metric: G.
        force: The gradient in z of log p(x, z) − log det G(z) / 2.
        step_size: ε, `[d]`.
        iterations: Of each of the two.

    Returns:
        The step, see `leapfrog`.

    References:
        Girolami and Calderhead, "Riemann Manifold Langevin and Hamiltonian Monte Carlo", 2011,
        Eqs. 16 to 18.
    """

    def step(z, momentum, at_z):
        place, half = metric.at(z), momentum
        for _ in range(iterations):
            half = momentum + 0.5 * step_size * (at_z - metric.energy_slope(place, half))
        velocity = metric.velocity(place, half)
        moved = z + step_size * velocity
        for _ in range(iterations):
            there = metric.velocity(metric.at(moved), half)
            moved = z + 0.5 * step_size * (velocity + there)
        at_z = force(moved)
        slope = metric.energy_slope(metric.at(moved), half)
        return moved, half + 0.5 * step_size * (at_z - slope), at_z

    return step
