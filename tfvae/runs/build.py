"""From a configuration to data and a model."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfvae import data, recipes, schedules
from tfvae.errors import UserError
from tfvae.options import find
from tfvae.runs.config import flat, learns_labels, part_of
from tfvae.runs.cores import branches_of
from tfvae.runs.fitted_prior import check_fit
from tfvae.runs.optimizer import optimizer_of
from tfvae.runs.schema import fields_of, of_the_model
from tfvae.runs.sizes import fitting_memory
from tfvae.trainer.branches import check_branches
from tfvae.vae import VAE

__all__ = ["build_model", "data_info", "is_conditional", "load_data", "make_model"]


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
        Batches of x, or of (x, label) for a recipe or an objective that takes labels.
    """
    options.setdefault("labels", is_conditional(config) or learns_labels(config))
    if options["labels"] and split == config.train_split:
        options.setdefault("labelled", config.labelled)
    likelihood = find("recipe", config.recipe).fixed.get("likelihood", config.likelihood)
    return data.load(
        config.dataset,
        split,
        config.batch_size,
        binarization=config.binarization if likelihood == "bernoulli" else "none",
        values=find("likelihood", likelihood).values,
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


def is_conditional(config: ConfigDict) -> bool:
    """Whether the model is told the label of an example, by its recipe or as a conditional form."""
    return recipes.takes_labels(config.recipe) or config.conditioning == "labels"


def _conditioner(config: ConfigDict, info: data.DatasetInfo) -> keras.layers.Layer | None:
    """The layer from a label to a vector, for the conditional form of a recipe."""
    if config.conditioning == "none":
        return None
    if not info.classes:
        raise UserError(
            f"config.conditioning=labels, and {config.dataset!r} has no labels: leave it out"
        )
    return keras.layers.CategoryEncoding(len(info.classes), output_mode="one_hot")


def _beta(config: ConfigDict) -> float | schedules.Schedule | None:
    """The weight of the rate, or the schedule that leads to it; None: the recipe's own."""
    how, beta = config.beta_schedule, config.beta
    if how.name == "constant":
        return beta
    if beta is None:
        beta = find("recipe", config.recipe).arguments["beta"].default
    if beta is None:
        beta = find("objective", part_of(config, "objective")).arguments["beta"].default
    kind = {
        "linear": schedules.Linear,
        "cosine": schedules.Cosine,
        "cyclical": schedules.Cyclical,
    }[how.name]
    return kind(how.start, beta, how.steps)


def _changed(config: ConfigDict, axis: str, name: str) -> dict:
    """What a configuration says of a part's arguments, where that is not their default."""
    values = flat(config)
    given = {}
    for argument, field in fields_of(axis, name).items():
        value = values[field.name]
        if isinstance(value, str) and float in field.option.kinds:
            value = value if value in field.option.choices else float(value)
        value = tuple(value) if isinstance(value, list) else value
        if value != field.option.default and value is not None:
            given[argument] = value
    return given


def _part(config: ConfigDict, axis: str, **more) -> str | Callable | None:
    """The class of the part that a configuration names, with its arguments; None: the recipe's."""
    name = part_of(config, axis)
    given = {**_changed(config, axis, name), **more} if name else {}
    return functools.partial(find(axis, name).load(), **given) if given else config[axis]


def _model_options(config: ConfigDict, info: data.DatasetInfo) -> dict:
    """The arguments of the recipe that a configuration stands for."""
    likelihood = find("likelihood", config.likelihood)
    of_data = {}
    if "levels" in likelihood.arguments:
        if info.levels is None:
            raise UserError(
                f"config.likelihood={config.likelihood} takes integer levels, and "
                f"{config.dataset!r} holds real numbers: take normal or continuous_bernoulli"
            )
        of_data["levels"] = info.levels
    recipe = find("recipe", config.recipe)
    of_labels = {"classes": len(info.classes or ())} if learns_labels(config) else {}
    network = _changed(config, "network", config.network)
    options = {
        **{name: config[name] for name in of_the_model()},
        "hidden": tuple(config.hidden),
        "network_options": network or None,
        "beta": _beta(config),
        "likelihood": _part(config, "likelihood", **of_data),
        **{axis: _part(config, axis) for axis in ("posterior", "prior")},
        "objective": _part(config, "objective", **of_labels),
        "classes": len(info.classes or ()),
        "conditioner": _conditioner(config, info),
    }
    own = _changed(config, "recipe", config.recipe)
    shared = {n: v for n, v in options.items() if n in recipe.arguments and v is not None}
    return {**shared, **own}


def make_model(config: ConfigDict, info: data.DatasetInfo) -> VAE:
    """Makes the model of a configuration, uncompiled and without weights.

    Args:
        config: The configuration.
        info: What its dataset holds.

    Returns:
        The model.

    Raises:
        UserError: If the parts do not fit together.
    """
    return recipes.get(config.recipe)(info.shape, **_model_options(config, info))


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
    # A layer takes the seed of its weights when it is made, and draws them when it is built: both
    # follow the run's seed, so that a run can be repeated.
    keras.utils.set_random_seed(config.seed)
    with _dtype_policy(config.policy), fitting_memory():
        vae = make_model(config, info)
        examples = load_data(config, config.train_split, data_dir=data_dir)
        vae.compile(
            optimizer=optimizer_of(config, int(examples.cardinality())),
            jit_compile=config.xla,
            steps_per_execution=config.steps_per_execution,
        )
        vae.check(next(iter(examples)))
        vae.latents.adapt(examples)
        check_fit(config, vae, examples)
    vae.branches = branches_of(config, vae)
    check_branches(vae, vae.branches)
    return vae
