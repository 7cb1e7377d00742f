"""Loading of saved models."""

from __future__ import annotations

import os

import keras

from tfvae import layers, networks, objectives, priors
from tfvae.errors import MissingFileError
from tfvae.vae import VAE

__all__ = ["load"]

# Importing these registered their classes with Keras.
_REGISTERED = (layers, networks, objectives, priors)


def load(path: str | os.PathLike) -> VAE:
    """Loads a model that `vae.save("m.keras")` wrote: weights, configuration, compile state.

    Args:
        path: The `.keras` file.

    Returns:
        The model, ready to be used, and to be trained on from where it was.

    Raises:
        MissingFileError: If there is no such file.

    Example:
        >>> vae.save("m.keras")
        >>> same = tfvae.load("m.keras")
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise MissingFileError(f"no model at {path!r}: give the .keras file that vae.save wrote")
    return keras.saving.load_model(path)
