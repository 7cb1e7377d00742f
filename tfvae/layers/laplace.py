"""Laplace distributions whose elements are independent."""

from __future__ import annotations

import keras
import tensorflow_probability as tfp

from tfvae.layers.loc_scale import LocScaleLayer

tfd = tfp.distributions

__all__ = ["IndependentLaplace"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentLaplace(LocScaleLayer):
    """Independent Laplace distributions: p(x) = Π_j e^{−|x_j − μ_j| / b_j} / (2 b_j).

    With a fixed scale, maximum likelihood is least absolute deviations: robust to outliers.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        scale: `"learned"`: b = softplus(raw) + min_scale for each element and example, from the
            layer before. `"shared"`: one trainable b for all. A number: a fixed b.
        min_scale: The smallest b that is learned: the density is unbounded as b → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentLaplace(2)
        >>> layer(tf.zeros([5, layer.params_size])).event_shape
        TensorShape([2])

    References:
        Kotz, Kozubowski, Podgórski, "The Laplace Distribution and Generalizations", 2001,
        Eq. 2.1.1.
    """

    roles = ("posterior", "likelihood")

    def make_elements(self, loc, scale) -> tfd.Distribution:
        """Makes the distribution of each element."""
        return tfd.Laplace(loc, scale, validate_args=self.validate_args)
