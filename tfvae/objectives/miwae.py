"""The mean of several importance-weighted bounds."""

from __future__ import annotations

from typing import Literal

import keras

from tfvae.objectives.importance import ImportanceWeighted
from tfvae.options.bounds import Count
from tfvae.options.keywords import ImportanceOptions, Unpack

__all__ = ["MIWAE"]


@keras.saving.register_keras_serializable(package="tfvae")
class MIWAE(ImportanceWeighted):
    """The multiply importance-weighted autoencoder: loss = −1/M Σ_m log 1/K Σ_k w_mk.

    The expectation of the bound is that of `IWAE` with K samples. Of the M·K draws, the mean over
    M lowers the noise of the encoder's gradient, where a larger K would lower its signal.

    Args:
        bounds: M, independent bounds per example.
        samples: K, posterior samples in each: M·K draws per example in all.
        gradient: `"plain"`, `"stl"` or `"dreg"`, as in `IWAE`.
        **kwargs: `kl`, of the logged rate alone; arguments of `keras.layers.Layer`.

    Raises:
        UserError: As `IWAE`.

    Example:
        >>> objective = MIWAE(bounds=8, samples=8)
        >>> objective.samples
        64

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Eq. 8.
    """

    def __init__(
        self,
        bounds: Count = 8,
        samples: Count = 8,
        gradient: Literal["plain", "stl", "dreg"] = "plain",
        **kwargs: Unpack[ImportanceOptions],
    ):
        super().__init__(bounds, samples, gradient, **kwargs)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "bounds": self.bounds}
