"""From a configuration to data and a model."""

from __future__ import annotations

import contextlib
import inspect
import os

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfvae import data, recipes, schedules
from tfvae.errors import UserError
from tfvae.runs.cores import branches_of
from tfvae.runs.sizes import fitting_memory
from tfvae.trainer.adam import Adam
from tfvae.trainer.branches import check_branches
from tfvae.vae import VAE

__all__ = ["build_model", "data_info", "load_data"]


def load_data(
    config: ConfigDict, split: str, *, data_dir: str | os.PathLike | None = None, **options
) -> tf.data.Dataset:
    """Loads a split as the configuration's likelihood takes it.

    Args:
        config: The configuration.
        split: The split, such as `config.test_split`.
        data_dir: Folder with dataset files.
        **options: Further arguments of `tfvae.data.load`.

    Returns:
        Batches of x, or of (x, label) for a recipe that takes labels.
    """
    options.setdefault("labels", recipes.takes_labels(config.recipe))
    return data.load(
        config.dataset,
        split,
        config.batch_size,
        binarization=config.binarization if config.likelihood == "bernoulli" else "none",
        values="levels" if config.likelihood in recipes.OF_LEVELS else "unit",
        seed=config.seed,
        size=tuple(config.image_size) or None,
        damaged=config.damaged,
        data_dir=data_dir,
        **options,
    )


def data_info(config: ConfigDict, data_dir: str | os.PathLike | None = None) -> data.DatasetInfo:
    """What the configuration's dataset holds."""
    size = tuple(config.image_size) or None
    return data.info(config.dataset, data_dir=data_dir, size=size, damaged=config.damaged)


def _schedule(config: ConfigDict) -> float | schedules.Schedule | None:
    how = config.beta_schedule
    if how.name == "constant":
        return config.beta
    beta = config.beta
    if beta is None:
        own = inspect.signature(recipes.get(config.recipe)).parameters.get("beta")
        beta = 1.0 if own is None or own.default is None else own.default
    kind = {
        "linear": schedules.Linear,
        "cosine": schedules.Cosine,
        "cyclical": schedules.Cyclical,
    }[how.name]
    return kind(how.start, beta, how.steps)


def _likelihood_options(config: ConfigDict, levels: int | None) -> dict:
    if config.likelihood in recipes.OF_LEVELS:
        if levels is None:
            raise UserError(
                f"config.likelihood={config.likelihood} takes integer levels, and "
                f"{config.dataset!r} holds real numbers: take normal or continuous_bernoulli"
            )
        return {"levels": levels}
    if config.likelihood == "normal":
        scale = config.normal.scale
        return {"scale": scale if scale in ("learned", "shared") else _number(scale)}
    return {}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"config.normal.scale is {text!r}: give learned, shared or a number"
        ) from None


@contextlib.contextmanager
def _dtype_policy(name: str):
    """The policy holds while the model is made, and not for anybody else."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_model(config: ConfigDict, *, data_dir: str | os.PathLike | None = None) -> VAE:
    """Makes the compiled model of a configuration.

    Args:
        config: The configuration.
        data_dir: Folder with dataset files, for the data's shape.

    Returns:
        The model.

    Raises:
        UserError: If the parts do not fit together.
    """
    info = data_info(config, data_dir)
    if len(info.shape) != 3 and config.network != "mlp":
        raise UserError(
            f"config.network={config.network} takes images [height, width, channels], and "
            f"{config.dataset!r} has examples of shape {info.shape}: take config.network=mlp"
        )
    own = {  # None: the recipe's
        "beta": _schedule(config),
        "free_bits": config.free_bits,
        "capacity": config.capacity,
        "samples": config.samples,
        "posterior": config.posterior,
        "classes": len(info.classes or ()) if recipes.takes_labels(config.recipe) else None,
    }
    # A layer takes the seed of its weights when it is made, and draws them when it is built: both
    # follow the run's seed, so that a run can be repeated.
    keras.utils.set_random_seed(config.seed)
    if config.recipe not in recipes.OWN_NETWORKS:
        own |= {"network": config.network, "hidden": tuple(config.hidden)}
    if config.network != "mlp":
        own |= {"network": config.network, "network_options": config[config.network].to_dict()}
    with _dtype_policy(config.policy), fitting_memory():
        vae = recipes.get(config.recipe)(
            info.shape,
            config.latent_dim,
            likelihood=config.likelihood,
            likelihood_options=_likelihood_options(config, info.levels),
            seed=config.seed,
            **{name: value for name, value in own.items() if value is not None},
            **(config[config.recipe].to_dict() if config.recipe in config else {}),
        )
        vae.compile(
            optimizer=Adam(config.learning_rate),
            jit_compile=config.xla,
            steps_per_execution=config.steps_per_execution,
        )
        examples = load_data(config, config.train_split, data_dir=data_dir)
        vae.check(next(iter(examples)))
        vae.prior_layer.adapt(examples)
    vae.branches = branches_of(config, vae)
    check_branches(vae, vae.branches)
    return vae
