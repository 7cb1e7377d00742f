"""The configuration of a run: every field with its default, and what is checked of it."""

from __future__ import annotations

import numbers
import re

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from tfvae.errors import UserError, unknown_name

__all__ = ["check_config", "default_config", "flat", "interval"]

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
SCHEDULES = ("constant", "linear", "cosine", "cyclical")
ON_NAN = ("stop", "skip")
INTERVAL = re.compile(r"(\d+) *(epoch|step)s?|(\d+)")


def default_config() -> ConfigDict:
    """Makes the default configuration: the handwritten digits inside scikit-learn.

    Returns:
        A configuration; a file under `configs/` changes what differs in it.

    Example:
        >>> default_config().dataset
        'digits'
    """
    config = ConfigDict()
    # Data: a name that tfvae.data.load knows, and its splits.
    config.dataset = "digits"
    config.train_split = "train"
    config.test_split = "test"
    config.image_size = ()  # (height, width) that images:FOLDER and tfrecord:GLOB are resized to
    config.damaged = "refuse"  # skip: damaged images and records are left out, and counted
    config.binarization = "auto"  # auto, none, dynamic, static, threshold
    config.batch_size = 128  # over all replicas
    # Model: names; what a name takes beyond is in the sub-config of that name. The units are those
    # of a dense layer between the encoder's convolutions and its latent variables.
    config.recipe = "vae"
    config.network = "mlp"  # mlp, conv, resnet
    config.hidden = (200, 200)  # units of an MLP
    config.conv = ConfigDict({"filters": (32, 64), "units": 256})
    config.resnet = ConfigDict({"filters": (32, 64), "blocks": 1, "units": 256})
    config.latent_dim = 16
    config.posterior = placeholder(str)  # normal, full_covariance, iaf; None: the recipe's own
    config.likelihood = "bernoulli"
    config.normal = ConfigDict({"scale": "shared"})  # learned, shared, or a number as a string
    # What a recipe takes beyond is in the sub-config of its name.
    config.iwae = ConfigDict({"gradient": "plain"})  # plain, stl, dreg
    config.miwae = ConfigDict({"bounds": 8, "gradient": "plain"})
    config.beta_tcvae = ConfigDict({"alpha": 1.0, "gamma": 1.0})
    config.factor_vae = ConfigDict({"gamma": 10.0, "units": (256, 256, 256)})
    config.factor_vae.update(
        {"discriminator_learning_rate": 1e-4, "discriminator_optimizer": "adam"}
    )
    config.vamp_vae = ConfigDict({"pseudo_inputs": 500})
    config.nvp_vae = ConfigDict({"couplings": 6, "flow_hidden": (128, 128)})
    config.iaf_vae = ConfigDict({"flow_steps": 2, "flow_hidden": (320,), "flow_context": 200})
    config.conditional_vae = ConfigDict({"conditional_prior": True})
    config.two_layer_vae = ConfigDict(
        {"upper_hidden": (100, 100), "activation": "tanh", "warm_up": 1000}
    )
    config.ladder_vae = ConfigDict({"levels": 3, "warm_up": 1000})
    config.vdvae = ConfigDict(
        # None: by the size of the image; such as 14x2,7x3,1x1 and 28x2,28d2,14x2,14d2,7x3,7d7,1x1
        {"decoder": placeholder(str), "encoder": placeholder(str)}
    )
    config.vdvae.update({"filters": 64, "bottleneck": 0.25, "warm_up": 1000})
    config.vq_vae = ConfigDict({"codes": 128, "pieces": 16, "commitment": 0.25, "decay": 0.99})
    config.vq_vae.update({"restart": 0.05, "code_prior": "transformer", "prior_steps": 1000})
    # Objective.
    config.beta = placeholder(float)  # weight of the rate; None: the recipe's own
    config.beta_schedule = ConfigDict(
        # linear, cosine: from start to beta over steps; cyclical: anew every so many steps
        {"name": "constant", "start": 0.0, "steps": 1000}
    )
    config.free_bits = placeholder(float)  # nats per latent group; None: none
    config.capacity = placeholder(float)  # nats; None: none
    config.samples = placeholder(int)  # of the posterior, in the loss; None: the recipe's own
    # Training.
    config.epochs = 30
    config.learning_rate = 1e-3
    config.seed = 0
    config.checkpoint_every = placeholder(object)
    config.checkpoint_every = 1  # epochs; also as text: 2 epochs, 500 steps
    config.checkpoints_kept = 2  # the newest ones
    config.keep_best = True  # besides: that of the best ELBO on the test split
    config.on_nan = "stop"  # stop, skip: what a step does whose loss or gradient is not finite
    config.nan_cap = 10  # such steps that are skipped before the run is stopped
    config.policy = "float32"  # float32, mixed_bfloat16, mixed_float16
    config.xla = False
    config.steps_per_execution = 16  # steps in one call of the compiled function
    # Parts of a batch that are computed side by side; None: 2 where that was measured to be faster,
    # and the cores were shared out for it, as tfvae-train does.
    config.branches = placeholder(int)
    # What is written beside the model.
    config.panels_every = 5  # epochs between the figures in TensorBoard; 0: none
    config.evaluation = ConfigDict({"samples": 100, "examples": 1000})  # examples 0: all
    return config.lock()  # a mistyped field is refused


def check_config(config: ConfigDict) -> None:
    """Refuses a configuration before any work is done with it.

    Args:
        config: The configuration.

    Raises:
        UserError: If a name is unknown or a number is out of its range.
    """
    from tfvae import recipes
    from tfvae.data.registry import DAMAGED
    from tfvae.data.view import BINARIZATIONS
    from tfvae.runs.sizes import check_sizes  # imports TensorFlow

    fields = flat(default_config())
    for field in flat(config):
        if field not in fields and field.split(".")[0] not in recipes.names():
            raise unknown_name("field of the configuration", field, fields)
    for field, known in [
        ("recipe", recipes.names()),
        ("network", recipes.NETWORKS),
        ("posterior", recipes.POSTERIORS),
        ("likelihood", recipes.LIKELIHOODS),
        ("policy", POLICIES),
        ("binarization", BINARIZATIONS),
        ("on_nan", ON_NAN),
        ("damaged", DAMAGED),
    ]:
        if config[field] is not None and config[field] not in known:
            raise unknown_name(f"config.{field}", config[field], known)
    if config.beta_schedule.name not in SCHEDULES:
        raise unknown_name("config.beta_schedule.name", config.beta_schedule.name, SCHEDULES)
    at_least = {
        "batch_size": 1,
        "latent_dim": 1,
        "epochs": 1,
        "samples": 1,
        "checkpoints_kept": 1,
        "nan_cap": 0,
        "steps_per_execution": 1,
        "branches": 1,
        "panels_every": 0,
        "seed": 0,
        "beta": 0,
        "free_bits": 0,
        "capacity": 0,
        "beta_schedule.steps": 1,
        "conv.units": 1,
        "resnet.units": 1,
        "resnet.blocks": 0,
        "beta_schedule.start": 0,
        "vamp_vae.pseudo_inputs": 1,
        "nvp_vae.couplings": 1,
        "iaf_vae.flow_steps": 1,
        "iaf_vae.flow_context": 1,
        "miwae.bounds": 1,
        "beta_tcvae.alpha": 0,
        "beta_tcvae.gamma": 0,
        "factor_vae.gamma": 0,
        "evaluation.samples": 1,
        "evaluation.examples": 0,
    }
    for field, low in at_least.items():
        value = _get(config, field)
        if value is not None and not value >= low:
            raise UserError(f"config.{field} is {value!r}: give a number from {low}")
    interval(config.checkpoint_every)
    for field in ("learning_rate", "factor_vae.discriminator_learning_rate"):
        if not _get(config, field) > 0:
            raise UserError(f"config.{field} is {_get(config, field)!r}: give one above 0")
    flows = ("nvp_vae.flow_hidden", "iaf_vae.flow_hidden")
    for field in ("hidden", "conv.filters", "resnet.filters", "factor_vae.units", *flows):
        units = _get(config, field)
        if not all(isinstance(n, numbers.Integral) and n > 0 for n in units) or (
            not units and field.endswith(("filters", "units"))
        ):
            raise UserError(f"config.{field} is {units!r}: give positive whole numbers")
    if config.likelihood != "bernoulli" and config.binarization not in ("auto", "none"):
        raise UserError(
            f"config.binarization={config.binarization} is for config.likelihood=bernoulli, not "
            f"{config.likelihood}: take auto or none"
        )
    if len(config.image_size) not in (0, 2):
        raise UserError(f"config.image_size is {config.image_size!r}: give (height, width)")
    if config.free_bits is not None and config.capacity is not None:
        raise UserError("config.free_bits and config.capacity exclude each other: set one of them")
    check_sizes(flat(config))


def interval(value: object) -> tuple[int, str]:
    """Reads how often something is done.

    Args:
        value: A number of epochs, or text such as `"2 epochs"` or `"500 steps"`.

    Returns:
        The number and its unit, `"epoch"` or `"step"`.

    Raises:
        UserError: If it cannot be read.

    Example:
        >>> interval("500 steps")
        (500, 'step')
    """
    match = INTERVAL.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    number = int(match[1] or match[3]) if match else 0
    if number < 1:
        raise UserError(
            f"config.checkpoint_every is {value!r}: give a number of epochs from 1, or text such "
            "as '2 epochs' or '500 steps'"
        )
    return number, match[2] or "epoch"


def flat(config: ConfigDict, prefix: str = "") -> dict[str, object]:
    """The values of all fields, those of sub-configs under names with dots.

    Args:
        config: A configuration.
        prefix: What stands before each name.

    Returns:
        Values by name; a tuple, which JSON does not have, as a list.
    """
    values = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[prefix + name] = list(value) if isinstance(value, tuple) else value
    return values


def _get(config: ConfigDict, field: str):
    for part in field.split("."):
        config = config[part]
    return config
