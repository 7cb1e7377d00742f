"""Normal distributions whose elements are independent."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.loc_scale import LocScaleLayer

tfd = tfp.distributions

__all__ = ["IndependentNormal"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentNormal(LocScaleLayer):
    """Independent normals: p(x) = Π_j N(x_j; μ_j, σ_j²).

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        scale: `"learned"`: σ = softplus(raw) + min_scale for each element and example, from the
            layer before. `"shared"`: one trainable σ for all. A number: a fixed σ.
        min_scale: The smallest σ that is learned: the density is unbounded as σ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentNormal(2)
        >>> q = layer(tf.zeros([5, layer.params_size]))
        >>> q.batch_shape, q.event_shape
        (TensorShape([5]), TensorShape([2]))

    References:
        Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders",
        2021 (the shared scale).
    """

    roles = ("posterior", "likelihood")

    def make_elements(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
        """Makes the normal of each element."""
        return tfd.Normal(loc, scale, validate_args=self.validate_args)
