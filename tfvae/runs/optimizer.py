"""From a configuration to the optimizer and its learning rate."""

from __future__ import annotations

import keras
from ml_collections import ConfigDict

from tfvae.errors import UserError, one_line
from tfvae.optimizers import optimizer_class
from tfvae.runs.schema import OF_THE_OPTIMIZER
from tfvae.trainer.adam import Adam
from tfvae.trainer.learning_rates import WarmUp, burda

__all__ = ["learning_rate_of", "optimizer_of"]


def learning_rate_of(
    config: ConfigDict, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate, or its schedule, of a configuration.

    Keras counts updates: where the gradients of several batches are accumulated, a schedule's steps
    are divided by their number.

    Args:
        config: The configuration of the run.
        steps_per_epoch: Batches in an epoch.

    Returns:
        A number or a schedule.
    """
    how, each, rate = config.learning_rate_schedule, config.accumulation_steps, config.learning_rate
    steps = how.steps and max(1, round(how.steps / each))
    schedules = keras.optimizers.schedules
    if how.name == "cosine":
        rate = schedules.CosineDecay(rate, steps, alpha=how.end)
    elif how.name == "exponential":
        rate = schedules.ExponentialDecay(rate, steps, how.rate)
    elif how.name == "burda":
        rate = burda(rate, steps_per_epoch / each)
    return WarmUp(rate, round(how.warmup_steps / each)) if how.warmup_steps else rate


def optimizer_of(config: ConfigDict, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer of a configuration.

    Args:
        config: The configuration of the run.
        steps_per_epoch: Batches in an epoch.

    Returns:
        The optimizer.

    Raises:
        UserError: If Keras's optimizer does not take one of the fields.
    """
    optimizer = Adam if config.optimizer == "adam" else optimizer_class(config.optimizer)
    options = {
        "weight_decay": config.weight_decay,
        "clipnorm": config.clipnorm,
        "global_clipnorm": config.global_clipnorm,
    }
    options |= config[OF_THE_OPTIMIZER]
    options = {name: value for name, value in options.items() if value is not None}
    if config.ema_momentum is not None:
        options |= {"use_ema": True, "ema_momentum": config.ema_momentum}
    if config.accumulation_steps > 1:
        options["gradient_accumulation_steps"] = config.accumulation_steps
    try:
        return optimizer(learning_rate_of(config, steps_per_epoch), **options)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"config.optimizer={config.optimizer} takes not all of {options}: {one_line(error)}"
        ) from error
