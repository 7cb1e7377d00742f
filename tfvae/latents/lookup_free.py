"""Lookup-free quantization: the signs of a vector are its code."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfvae.distribute import all_replicas_sum
from tfvae.errors import UserError
from tfvae.latents.example_weights import weights_of
from tfvae.latents.quantization import Quantization
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["LookupFree"]

MOST_BITS = 24  # the mean of the batch has a probability for each of 2^bits codes


@keras.saving.register_keras_serializable(package="tfvae")
class LookupFree(Quantization):
    """The code of a vector is that of its signs, e(v) = sign(v): K = 2^bits codes, and no codebook.

    entropy · (E[H(q(k|v))] − diversity · H(E[q(k|v)])) + commitment · |v − e|²

    is added to the loss, where q(k|v) ∝ exp(−|v − e_k|²/τ) is a product over the bits. The first
    entropy, nats, makes each code sure; the second, of the mean over the global batch, has all of
    them used. It is exact, a sum over all K codes.

    Args:
        bits: Numbers in a vector.
        entropy: Weight of the entropies.
        diversity: Weight of the entropy of the mean beside the mean entropy.
        commitment: Weight of the distance of the vectors to their signs.
        temperature: τ.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> rule = LookupFree(3)
        >>> rule.nearest(tf.constant([[0.5, -0.1, 2.0]])).numpy()
        array([5], dtype=int32)
        >>> rule.look_up(tf.constant([5])).numpy()
        array([[ 1., -1.,  1.]], dtype=float32)

    References:
        Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", 2023,
        Section 3.1 and Eq. 4.
    """

    def __init__(
        self,
        bits: int = 8,
        *,
        entropy: float = 1.0,
        diversity: float = 1.0,
        commitment: float = 0.25,
        temperature: float = 1.0,
        **kwargs: Unpack[LayerOptions],
    ):
        if bits != int(bits) or not 1 <= bits <= MOST_BITS:
            raise UserError(f"bits takes an integer from 1 to {MOST_BITS}, got {bits!r}")
        if not (min(entropy, diversity, commitment) >= 0 and temperature > 0):
            raise UserError(
                f"entropy={entropy!r}, diversity={diversity!r}, commitment={commitment!r} and "
                f"temperature={temperature!r}: give three numbers from 0, and one above 0"
            )
        super().__init__(2 ** int(bits), size=int(bits), **kwargs)
        self.entropy, self.diversity = float(entropy), float(diversity)
        self.commitment, self.temperature = float(commitment), float(temperature)
        self._basis = 2 ** np.arange(self.size, dtype=np.int32)

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The codes of vectors: their signs as digits, the first the lowest, int32, `[...]`."""
        return tf.reduce_sum(tf.cast(vectors > 0, tf.int32) * self._basis, axis=-1)

    def look_up(self, codes: tf.Tensor) -> tf.Tensor:
        """The signs that codes stand for, −1 and 1, `[..., bits]`."""
        bits = codes[..., None] // self._basis % 2
        return tf.cast(2 * bits - 1, self.variable_dtype)

    def penalty(self, vectors: tf.Tensor, entries: tf.Tensor) -> tf.Tensor:
        """The entropies of a batch and the commitment, `[...]`."""
        commitment = tf.reduce_sum((vectors - entries) ** 2, axis=-1)
        logits = 4.0 * vectors / self.temperature  # |v + 1|² − |v − 1|² = 4v
        each = tf.reduce_sum(tf.nn.softplus(logits) - logits * tf.sigmoid(logits), axis=-1)
        mean = self.entropy_of_the_mean(tf.reshape(tf.sigmoid(logits), [-1, self.size]))
        return self.entropy * (each - self.diversity * mean) + self.commitment * commitment

    def entropy_of_the_mean(self, probs: tf.Tensor) -> tf.Tensor:
        """The entropy of the mean of q(k|v) over the vectors of all replicas, nats.

        A code's probability is that of its lower bits times that of its upper ones: the sum over
        vectors is one product of two matrices, of 2^(bits / 2) columns each.

        Args:
            probs: The probabilities of the bits, `[n, bits]`.

        Returns:
            A scalar.
        """
        weights = weights_of(probs)
        weights = tf.ones_like(probs[:, 0]) if weights is None else weights
        lower, upper = (_joint(part) for part in tf.split(probs, [self.size // 2, -1], axis=1))
        joint = tf.matmul(weights[:, None] * lower, upper, transpose_a=True)
        total = all_replicas_sum(tf.reduce_sum(weights))
        mean = tf.math.divide_no_nan(all_replicas_sum(joint), total)
        return -tf.reduce_sum(tf.math.xlogy(mean, mean))

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("entropy", "diversity", "commitment", "temperature")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), "bits": self.size, **own}


def _joint(probs: tf.Tensor) -> tf.Tensor:
    """The probabilities of all values of some independent bits, `[n, 2^bits]`."""
    joint = tf.ones([tf.shape(probs)[0], 1], probs.dtype)
    for p in tf.unstack(probs, axis=1):
        joint = tf.concat([joint * (1.0 - p[:, None]), joint * p[:, None]], axis=1)
    return joint
