"""The importance-weighted bound."""

from __future__ import annotations

from typing import Literal

import keras

from tfvae.objectives.importance import ImportanceWeighted
from tfvae.options.bounds import Count
from tfvae.options.keywords import ImportanceOptions, Unpack

__all__ = ["IWAE"]


@keras.saving.register_keras_serializable(package="tfvae")
class IWAE(ImportanceWeighted):
    """The importance-weighted autoencoder: loss = −log 1/K Σ_k p(x, z_k) / q(z_k|x).

    The bound lies between the ELBO (K = 1) and log p(x), and rises with K. It is the term
    `iwae_bound`; `elbo`, `distortion` and `rate` are of the plain ELBO, in the mean over the
    draws, and `effective_samples` is 1 / Σ w̃², from 1 to K.

    The more draws, the worse the plain gradient's signal-to-noise ratio for the encoder (it falls
    with √K); that of `"dreg"` rises with √K.

    Args:
        samples: K, posterior samples per example.
        gradient: `"plain"`; `"stl"`, which drops the score of the posterior and is biased for
            K > 1; `"dreg"`, unbiased and of lower variance for the encoder.
        **kwargs: `kl`, of the logged rate alone; arguments of `keras.layers.Layer`.

    Raises:
        UserError: If `samples` is no integer from 1 or `gradient` is unknown; when it first sees a
            posterior without density or reparameterized draws, or `"dreg"` several groups.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=IWAE(samples=50, gradient="dreg"))

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018 (the
        signal-to-noise ratio).
        Tucker et al., "Doubly Reparameterized Gradient Estimators", 2019, Eq. 8.
    """

    def __init__(
        self,
        samples: Count = 5,
        gradient: Literal["plain", "stl", "dreg"] = "plain",
        **kwargs: Unpack[ImportanceOptions],
    ):
        super().__init__(1, samples, gradient, **kwargs)
