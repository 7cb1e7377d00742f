"""Loading of saved models."""

from __future__ import annotations

import os

import keras

from tfvae import latents, layers, networks, objectives, priors
from tfvae.data.files import check_regular
from tfvae.errors import MissingFileError, UserError, one_line
from tfvae.saving.archive import at_most, check_archive
from tfvae.vae import VAE

__all__ = ["load"]

# Importing these registered their classes with Keras.
_REGISTERED = (latents, layers, networks, objectives, priors)
SLACK = 1 << 20  # elements of metrics, seeds and counters, which are not stored


def load(path: str | os.PathLike) -> VAE:
    """Loads a model that `vae.save("m.keras")` wrote: weights, configuration, compile state.

    The file is data: a lambda or a class that is neither Keras's nor registered, a member that
    would be written elsewhere, or weights larger than the file are refused before anything is made.

    Args:
        path: The `.keras` file.

    Returns:
        The model, ready to be used, and to be trained on from where it was.

    Raises:
        MissingFileError: If there is no such file.
        UserError: If it is no saved model, is damaged, holds what could run, or weights that are
            NaN or infinite.

    Example:
        >>> vae.save("m.keras")
        >>> same = tfvae.load("m.keras")
    """
    path = os.fspath(path)
    if not os.path.lexists(path):
        raise MissingFileError(f"no model at {path!r}: give the .keras file that vae.save wrote")
    check_regular(path)
    try:
        elements = check_archive(path)
        # Optimizers keep two or three arrays for each of the weights, and may not be stored yet.
        refusal = "it declares weights that are larger than what is stored in it"
        with at_most(4 * elements + SLACK, refusal):
            return keras.saving.load_model(path, safe_mode=True)
    except (
        Exception
    ) as error:  # zipfile, zlib, json, h5py, Keras and TensorFlow raise errors of their own
        raise UserError(f"cannot load {path!r}: {one_line(error)}") from error
