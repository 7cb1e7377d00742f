"""The block of the ladder VAE."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.latents.block import Block
from tfvae.layers.normal import IndependentNormal
from tfvae.networks import MLP, Encoder
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["LadderBlock"]


@keras.saving.register_keras_serializable(package="tfvae")
class LadderBlock(Block):
    """Prior and evidence of x, combined by their precisions.

    The features d of x give an approximate likelihood N(z; μ̂, σ̂²), linear in d; with the prior
    N(μ_p, σ_p²) that the state from above gives, the posterior is N(μ_q, σ_q²):

    1/σ_q² = 1/σ̂² + 1/σ_p²
    μ_q = (μ̂/σ̂² + μ_p/σ_p²) σ_q²

    On top, p(z) = N(0, I) and q(z|x) = N(μ̂, σ̂²). The state below is z. In a conditional
    hierarchy the context's vector stands beside the state, and alone for it on top.

    Args:
        size: Number of latent variables.
        level: Which of the encoder's features the block takes, an index.
        hidden: Units of the layers between the state above and the prior; None: the top block,
            where it has no context.
        activation: Name of a Keras activation, or a registered callable.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> top, bottom = LadderBlock(8, level=1), LadderBlock(16, level=0, hidden=[64])

    References:
        Sønderby et al., "Ladder Variational Autoencoders", 2016, Eqs. 18 and 19.
    """

    def __init__(
        self,
        size: int,
        level: int,
        hidden: Sequence[int] | None = None,
        activation="relu",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        self.size, self.level = int(size), int(level)
        self.hidden = None if hidden is None else [int(n) for n in hidden]
        self.activation = keras.activations.get(activation)
        self.evidence = Encoder(MLP([]), IndependentNormal(self.size))
        self.above = None
        if hidden is not None:
            self.above = Encoder(MLP(hidden, self.activation), IndependentNormal(self.size))

    def prior(self, state, n) -> tuple[tfd.Distribution, tf.Tensor]:
        """p(z | z above), or the standard normal on top."""
        if self.above is None:
            return tfd.Independent(tfd.Normal(tf.zeros([n, self.size]), 1.0), 1), state
        if state is None:
            raise UserError(
                f"hidden={self.hidden} of the top block, which has nothing above and no context: "
                "leave hidden out, or give the hierarchy a conditioner"
            )
        return self.above(state), state

    def posterior(self, state, features, prior) -> tfd.Distribution:
        """The evidence of x, combined with the prior below the top."""
        evidence = self.evidence(features[self.level])
        if self.above is None:
            return evidence
        precisions = [1.0 / distribution.variance() for distribution in (evidence, prior)]
        variance = 1.0 / tf.add_n(precisions)
        loc = variance * (evidence.mean() * precisions[0] + prior.mean() * precisions[1])
        return tfd.Independent(tfd.Normal(loc, tf.sqrt(variance)), 1)

    def update(self, state, z) -> tf.Tensor:
        """The state below is z."""
        return z

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "size": self.size,
            "level": self.level,
            "hidden": self.hidden,
            "activation": keras.activations.serialize(self.activation),
        }
