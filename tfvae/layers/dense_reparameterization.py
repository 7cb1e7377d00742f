"""Dense layers with a posterior of the kernel and one of the bias."""

from __future__ import annotations

import keras

from tfvae.layers.estimators import Flipout, LocalReparameterization, Reparameterization
from tfvae.layers.factorized import FactorizedLayer
from tfvae.layers.linear_maps import DenseMap

__all__ = ["DenseFlipout", "DenseLocalReparameterization", "DenseReparameterization"]


@keras.saving.register_keras_serializable(package="tfvae")
class DenseReparameterization(Reparameterization, DenseMap, FactorizedLayer):
    """Bayesian dense layer, one kernel drawn for each batch: y = activation(x W + b), W ~ q.

    KL(q ‖ p) is added to the losses; with `kl_weight = 1 / N` the loss of `fit` is −ELBO / N.

    Args:
        units: Length of the output's last axis.
        activation: Keras activation.
        activity_regularizer: Keras regularizer of the output.
        trainable: Whether the weights are trained.
        **kwargs: Posteriors, priors and divergences: see `FactorizedLayer`.

    Example:
        >>> layer = DenseReparameterization(3, kl_weight=1 / 1000)
        >>> layer(keras.ops.ones([2, 5])).shape, len(layer.losses)
        (TensorShape([2, 3]), 1)

    References:
        Blundell et al., "Weight Uncertainty in Neural Networks", 2015, Eq. 2.
    """


@keras.saving.register_keras_serializable(package="tfvae")
class DenseLocalReparameterization(LocalReparameterization, DenseMap, FactorizedLayer):
    """Bayesian dense layer, the noise drawn for each output: y ~ N(x μ, x² σ²).

    It takes the arguments of `DenseReparameterization`; the posterior of the kernel has to be
    independent normals.

    Example:
        >>> DenseLocalReparameterization(3)(keras.ops.ones([2, 5])).shape
        TensorShape([2, 3])

    References:
        Kingma, Salimans, Welling, "Variational Dropout and the Local Reparameterization Trick",
        2015, Eq. 6.
    """


@keras.saving.register_keras_serializable(package="tfvae")
class DenseFlipout(Flipout, DenseMap, FactorizedLayer):
    """Bayesian dense layer, one perturbation with random signs for each example.

    It takes the arguments of `DenseReparameterization`; the posterior of the kernel has to be
    independent normals.

    Example:
        >>> DenseFlipout(3, activation="relu")(keras.ops.ones([2, 5])).shape
        TensorShape([2, 3])

    References:
        Wen et al., "Flipout: Efficient Pseudo-Independent Weight Perturbations on Mini-Batches",
        2018, Eq. 4.
    """
