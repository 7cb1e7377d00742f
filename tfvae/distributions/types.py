"""What a VAE hands to an objective, and what an objective hands back."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["Latent", "ObjectiveOutput", "PenalizedLatent", "VAEOutput"]


class Latent(NamedTuple):
    """One group of latent variables: a draw and the two distributions it is held against.

    Attributes:
        z: A draw of the posterior, `[batch, *event]`, or `[K, batch, *event]` with K samples.
        posterior: q(z|x), batch shape `[batch]` (or `[K, batch]` below another group).
        prior: p(z), or p(z | the groups above).
    """

    z: tf.Tensor
    posterior: tfd.Distribution
    prior: tfd.Distribution

    @property
    def penalty(self) -> tf.Tensor | None:
        """What the group adds to the loss of an example, `[batch]`; None: nothing."""
        return None


class PenalizedLatent(Latent):
    """A latent group that adds to the loss, as the commitment to a codebook does.

    Args:
        z: As in `Latent`, as for the next two; it unpacks to these three.
        posterior: q(z|x).
        prior: p(z).
        penalty: What it adds to the loss of an example, `[batch]`.
    """

    def __new__(cls, z, posterior, prior, penalty=None):
        """Makes the tuple of three, and keeps the penalty beside it."""
        latent = super().__new__(cls, z, posterior, prior)
        latent._penalty = penalty
        return latent

    @property
    def penalty(self) -> tf.Tensor | None:
        """What the group adds to the loss of an example, `[batch]`."""
        return self._penalty


class VAEOutput(NamedTuple):
    """What `vae(x)` returns and every objective reads.

    Attributes:
        latents: One `Latent` for a flat model, one per level for a hierarchy.
        likelihood: p(x|z), batch shape `[batch]`, or `[K, batch]` with K samples.
    """

    latents: tuple[Latent, ...]
    likelihood: tfd.Distribution


class ObjectiveOutput(NamedTuple):
    """What an objective returns, in nats.

    Attributes:
        loss: What is minimised, one number per example, `[batch]`.
        terms: Named numbers per example, each `[batch]`: `elbo`, `distortion`, `rate` and what
            the objective adds to them.
    """

    loss: tf.Tensor
    terms: dict[str, tf.Tensor]
