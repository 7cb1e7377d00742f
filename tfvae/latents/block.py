"""The base of the blocks that a top-down hierarchy is made of."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.networks.conditioning import join

tfd = tfp.distributions

__all__ = ["Block"]


class Block(keras.layers.Layer):
    """Base of the blocks: one group of latent variables z, given a state that comes from above.

    All methods see one batch axis. Densities are float32 under any policy.
    """

    def enter(self, state: tf.Tensor | None, n, vector=None) -> tf.Tensor | None:
        """The state that this block works with; by default the one from above and the vector.

        Args:
            state: `[n, ...]`; None above the top block.
            n: Number of examples.
            vector: The conditioner's, `[n, size]`; None without one.

        Returns:
            `[n, ...]`.
        """
        return join(state, vector)

    def prior(self, state: tf.Tensor, n) -> tuple[tfd.Distribution, tf.Tensor]:
        """The prior p(z | state), and the state as it goes on to `update`."""
        raise NotImplementedError(f"{type(self).__name__} has to define prior(state, n)")

    def posterior(
        self, state: tf.Tensor, features: tuple[tf.Tensor, ...], prior: tfd.Distribution
    ) -> tfd.Distribution:
        """The posterior q(z | state, x) for the encoder's features of x, `[n, ...]` each."""
        raise NotImplementedError(f"{type(self).__name__} has to define posterior(...)")

    def update(self, state: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """The state below, for the state that `prior` passed on."""
        raise NotImplementedError(f"{type(self).__name__} has to define update(state, z)")
