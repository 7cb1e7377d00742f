"""The multi-scale structural similarity in the place of a likelihood."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.layers.energy import EnergyLayer
from tfvae.layers.structural_similarity import ms_ssim

__all__ = ["MultiScaleSSIM"]


@keras.saving.register_keras_serializable(package="tfvae")
class MultiScaleSSIM(EnergyLayer):
    """An energy, not a likelihood: weight · (1 − MS-SSIM(x, x̂)), how unlike two images look.

    MS-SSIM compares means, contrasts and structure under a window at several scales, see
    `tfvae.layers.structural_similarity.ms_ssim`. exp(−E) is no density of x: `log_prob` of a model
    with it is refused, and what is logged is `energy` and `rate` in place of the ELBO.

    Args:
        event_shape: Shape of one image, `(height, width, channels)`, of values from 0 to 1.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        weight: What the energy, from 0 to 1, is multiplied by, beside the rate in nats.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the event is no image, or the weight not above 0.

    Example:
        >>> layer = MultiScaleSSIM((8, 8, 1))
        >>> layer(tf.zeros([5, layer.params_size])).mean().shape
        TensorShape([5, 8, 8, 1])

    References:
        Snell et al., "Learning to Generate Images with Perceptual Similarity Metrics", 2017,
        Section 3.
        Wang, Simoncelli, Bovik, "Multiscale Structural Similarity for Image Quality Assessment",
        2003, Eq. 7.
    """

    def energy(self, x: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
        """How unlike the images look, from 0 to 1."""
        return 1.0 - ms_ssim(x, made)
