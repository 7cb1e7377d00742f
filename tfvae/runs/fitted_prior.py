"""The prior that a run fits after its training, as the configuration or the recipe says."""

from __future__ import annotations

import tensorflow as tf
from ml_collections import ConfigDict

from tfvae.fitting import fit_prior
from tfvae.fitting.fit import prior_to_fit
from tfvae.fitting.kinds import STEPPED
from tfvae.options import find
from tfvae.vae import VAE

__all__ = ["check_fit", "fit_as_configured"]


def _kind(config: ConfigDict) -> str | None:
    return find("recipe", config.recipe).fixed.get("fit_prior", config.fit_prior)


def check_fit(config: ConfigDict, vae: VAE, dataset: tf.data.Dataset) -> None:
    """Refuses before the training what could not be fitted after it.

    Args:
        config: The configuration.
        vae: Its model.
        dataset: Batches of the training data.

    Raises:
        UserError: If z is not one group, or the prior is of another support than the posterior.
    """
    kind = _kind(config)
    if kind is not None:
        prior_to_fit(vae, dataset, kind, {})


def fit_as_configured(config: ConfigDict, vae: VAE, dataset: tf.data.Dataset) -> None:
    """Fits a prior to the codes of the trained model, and gives it to the model.

    Args:
        config: The configuration; `fit_prior` is the kind, unless the recipe has its own.
        vae: The trained model.
        dataset: Batches of the training data.
    """
    kind = _kind(config)
    if kind is not None:
        steps = {"steps": config.fit_prior_steps} if kind in STEPPED else {}
        fit_prior(vae, dataset, kind, seed=config.seed, **steps)
