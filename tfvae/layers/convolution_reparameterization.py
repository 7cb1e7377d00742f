"""Convolutions with a posterior of the kernel and one of the bias."""

from __future__ import annotations

import keras

from tfvae.layers.estimators import Flipout, Reparameterization
from tfvae.layers.factorized import FactorizedLayer
from tfvae.layers.linear_maps import ConvolutionMap

__all__ = [
    "Convolution1DFlipout",
    "Convolution1DReparameterization",
    "Convolution2DFlipout",
    "Convolution2DReparameterization",
    "Convolution3DFlipout",
    "Convolution3DReparameterization",
]


class _Reparameterization(Reparameterization, ConvolutionMap, FactorizedLayer):
    pass


class _Flipout(Flipout, ConvolutionMap, FactorizedLayer):
    pass


@keras.saving.register_keras_serializable(package="tfvae")
class Convolution1DReparameterization(_Reparameterization):
    """Bayesian convolution over one axis, one kernel drawn for each batch.

    The input is `[batch, steps, channels]`, the output `[batch, new_steps, filters]`. KL(q ‖ p)
    is added to the losses; with `kl_weight = 1 / N` the loss of `fit` is −ELBO / N.

    Args:
        filters: Number of output channels.
        kernel_size: Length of the window.
        strides: Step of the window.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Distance of the window's points.
        activation: Keras activation.
        activity_regularizer: Keras regularizer of the output.
        **kwargs: Posteriors, priors and divergences: see `FactorizedLayer`.

    Example:
        >>> Convolution1DReparameterization(4, 3)(keras.ops.ones([2, 8, 1])).shape
        TensorShape([2, 6, 4])

    References:
        Blundell et al., "Weight Uncertainty in Neural Networks", 2015, Eq. 2.
    """

    rank = 1


@keras.saving.register_keras_serializable(package="tfvae")
class Convolution2DReparameterization(_Reparameterization):
    """Bayesian convolution over two axes: see `Convolution1DReparameterization`.

    Example:
        >>> Convolution2DReparameterization(4, 3)(keras.ops.ones([2, 8, 8, 1])).shape
        TensorShape([2, 6, 6, 4])
    """

    rank = 2


@keras.saving.register_keras_serializable(package="tfvae")
class Convolution3DReparameterization(_Reparameterization):
    """Bayesian convolution over three axes: see `Convolution1DReparameterization`.

    Example:
        >>> Convolution3DReparameterization(4, 3)(keras.ops.ones([2, 5, 5, 5, 1])).shape
        TensorShape([2, 3, 3, 3, 4])
    """

    rank = 3


@keras.saving.register_keras_serializable(package="tfvae")
class Convolution1DFlipout(_Flipout):
    """Bayesian convolution over one axis, one perturbation with random signs for each example.

    It takes the arguments of `Convolution1DReparameterization`; the posterior of the kernel has
    to be independent normals.

    Example:
        >>> Convolution1DFlipout(4, 3)(keras.ops.ones([2, 8, 1])).shape
        TensorShape([2, 6, 4])

    References:
        Wen et al., "Flipout: Efficient Pseudo-Independent Weight Perturbations on Mini-Batches",
        2018, Section 3.1.
    """

    rank = 1


@keras.saving.register_keras_serializable(package="tfvae")
class Convolution2DFlipout(_Flipout):
    """Bayesian convolution over two axes: see `Convolution1DFlipout`.

    Example:
        >>> Convolution2DFlipout(4, 3, strides=2)(keras.ops.ones([2, 9, 9, 1])).shape
        TensorShape([2, 4, 4, 4])
    """

    rank = 2


@keras.saving.register_keras_serializable(package="tfvae")
class Convolution3DFlipout(_Flipout):
    """Bayesian convolution over three axes: see `Convolution1DFlipout`.

    Example:
        >>> Convolution3DFlipout(4, 3)(keras.ops.ones([2, 5, 5, 5, 1])).shape
        TensorShape([2, 3, 3, 3, 4])
    """

    rank = 3
