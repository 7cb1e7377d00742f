"""The flow of a Hamiltonian in time steps, with the momentum cooled between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.paired import in_two

tfb = tfp.bijectors

__all__ = ["TemperedFlow", "leapfrog"]

# (z, ρ, force at z) -> the same three behind one time step.
Integrator = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


def leapfrog(force: Callable[[tf.Tensor], tf.Tensor], step_size: tf.Tensor) -> Integrator:
    """The leapfrog step of H(z, ρ) = U(z) + |ρ|²/2, of volume one and its own inverse backwards.

    ρ' = ρ − ε/2 ∇U(z), z₁ = z + ε ρ', ρ₁ = ρ' − ε/2 ∇U(z₁)

    Args:
        force: −∇U, `[*batch, *event]` to the same.
        step_size: ε, `[*event]`.

    Returns:
        The step; it takes and gives the force, so that each is computed once.

    References:
        Caterini, Doucet, Sejdinovic, "Hamiltonian Variational Auto-Encoder", 2018, Eq. 7.
    """

    def step(z, momentum, at_z):
        momentum += 0.5 * step_size * at_z
        z += step_size * momentum
        at_z = force(z)
        return z, momentum + 0.5 * step_size * at_z, at_z

    return step


class TemperedFlow(tfb.Bijector):
    """(z₀, ρ₀) to (z_K, ρ_K): K time steps of volume one, each followed by ρ ← α_k ρ.

    log |det| = d Σ_k log α_k. The inverse runs the steps backwards, with the momentum reversed.

    Args:
        integrate: One time step, reversible and of volume one.
        force: What `integrate` takes beside (z, ρ), as a function of z.
        factors: α_k, `[K]`.
        event_shape: Shape of one z.
        name: Name of the bijector.
    """

    def __init__(
        self,
        integrate: Integrator,
        force: Callable[[tf.Tensor], tf.Tensor],
        factors: tf.Tensor,
        event_shape: Sequence[int],
        name: str = "tempered_flow",
    ):
        parameters = dict(locals())
        self._integrate, self._force, self._factors = integrate, force, factors
        self._rank, self._size = len(event_shape), math.prod(event_shape)
        super().__init__(
            forward_min_event_ndims=1 + self._rank,
            dtype=factors.dtype,
            parameters=parameters,
            name=name,
        )

    def _forward(self, x):
        z, momentum = in_two(x, self._rank)
        force = self._force(z)
        for factor in tf.unstack(self._factors):
            z, momentum, force = self._integrate(z, momentum, force)
            momentum *= factor
        return tf.stack([z, momentum], axis=-1 - self._rank)

    def _inverse(self, y):
        z, momentum = in_two(y, self._rank)
        force = self._force(z)
        for factor in reversed(tf.unstack(self._factors)):
            z, momentum, force = self._integrate(z, -momentum / factor, force)
            momentum = -momentum
        return tf.stack([z, momentum], axis=-1 - self._rank)

    def _forward_log_det_jacobian(self, x):
        z, _ = in_two(x, self._rank)
        one = self._size * tf.reduce_sum(tf.math.log(self._factors))
        return tf.broadcast_to(one, tf.shape(z)[: z.shape.rank - self._rank])
