"""Hierarchies of any depth whose groups are inferred from the top down, as they are generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.latents.block import Block
from tfvae.latents.hierarchy import Hierarchy
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["TopDown"]


@keras.saving.register_keras_serializable(package="tfvae")
class TopDown(Hierarchy):
    """p(z) = Π_l p(z_l | s_l) and q(z|x) = Π_l q(z_l | s_l, features of x), s_{l+1} = u(s_l, z_l).

    The state s carries everything from above; the one below the last block is the decoder's
    input. With a conditioner each block's state has the context's vector as well.

    Args:
        blocks: `Block`s, the top one first, as many as wanted.
        conditioner: Keras layer from the context to a vector, for a conditional prior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> blocks = [LadderBlock(8, level=1), LadderBlock(16, level=0, hidden=[64])]
        >>> structure = TopDown(blocks)

    References:
        Sønderby et al., "Ladder Variational Autoencoders", 2016.
        Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on
        Images", 2021, Section 3.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        *,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(conditioner=conditioner, **kwargs)
        if not blocks or not all(isinstance(block, Block) for block in blocks):
            raise UserError(f"blocks takes a list of one Block or more, got {blocks!r}")
        self.blocks = list(blocks)

    @property
    def groups(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def descend(self, n, choose: Callable, vector=None) -> tuple[list, tf.Tensor]:
        """Passes the state through all blocks."""
        state, priors = None, []
        for i, block in enumerate(self.blocks):
            above = block.enter(state, n, vector)
            prior, state = block.prior(above, n)
            priors.append(prior)
            state = block.update(state, choose(i, prior, above))
        return priors, state

    def walk(self, features, draw: Callable, vector=None) -> tuple[list, list, tf.Tensor]:
        """Passes the state through all blocks, with z from the posteriors."""
        posteriors = []

        def choose(i: int, prior: tfd.Distribution, state) -> tf.Tensor:
            posteriors.append(self.blocks[i].posterior(state, features, prior))
            return draw(i, posteriors[i])

        return posteriors, *self.descend(tf.shape(features[0])[0], choose, vector)

    def prepare(self, encoded, data_shape, context=None) -> None:
        """Builds all blocks."""
        super().prepare(encoded, data_shape, context)
        for block in self.blocks:
            block.built = True

    def get_config(self) -> dict:
        """Configuration for saving."""
        blocks = [keras.saving.serialize_keras_object(block) for block in self.blocks]
        return {**super().get_config(), "blocks": blocks}
