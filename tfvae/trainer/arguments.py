"""What `compile` and `fit` refuse before any work is done, each with the remedy in its line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tfvae.data.batches import as_float, unpack, with_context
from tfvae.data.parts import packed
from tfvae.data.tables import dense, is_sparse, sparse_batches
from tfvae.errors import UserError

__all__ = [
    "check_branches_number",
    "check_class_weight",
    "check_compiled",
    "check_no_target",
    "check_on_replicas",
    "split_off",
    "with_validation_context",
    "without_tables",
]

WITHOUT_EFFECT = ("loss", "loss_weights", "metrics", "weighted_metrics")


def check_branches_number(branches: int) -> None:
    """Refuses a number of branches that is no integer from 1.

    Args:
        branches: As in `compile`.

    Raises:
        UserError: If it is no whole number from 1.
    """
    if branches != int(branches) or branches < 1:
        raise UserError(f"branches takes an integer from 1, got {branches!r}")


def check_on_replicas(optimizer: keras.optimizers.Optimizer, jit_compile: bool | str) -> None:
    """Refuses what TensorFlow and Keras do not do on several replicas.

    Args:
        optimizer: The optimizer, or a `LossScaleOptimizer` around it.
        jit_compile: As in `compile`.

    Raises:
        UserError: If XLA is asked for, averages that overwrite the weights, or gradients that are
            accumulated with a loss scale.
    """
    if jit_compile is True:
        raise UserError(
            "jit_compile=True does not work on several replicas in this TensorFlow: leave it out, "
            "or train on one device"
        )
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    steps = inner.gradient_accumulation_steps
    frequency = inner.use_ema and inner.ema_overwrite_frequency
    if frequency:
        raise UserError(
            f"ema_overwrite_frequency={frequency} does not work on several replicas in Keras: "
            "leave it out (the averages are then taken over at the end of training), or train on "
            "one device"
        )
    # A loss scale decides by a condition of its own, on each replica, whether there is an update.
    if steps and inner is not optimizer:
        raise UserError(
            f"gradient_accumulation_steps={steps} does not work on several replicas with a loss "
            "scale, as mixed_float16 has it: leave it out, take mixed_bfloat16, or train on one "
            "device"
        )


def check_compiled(model: keras.Model) -> None:
    """Refuses what `compile` was given and `fit` would not look at.

    Args:
        model: A model with an objective.

    Raises:
        UserError: If it was compiled with a loss or with metrics.
    """
    compiled = model.get_compile_config() or {}
    for name in WITHOUT_EFFECT:
        if compiled.get(name):
            raise UserError(
                f"compile({name}=...) would have no effect: the loss is the model's objective "
                "and its terms are the metrics, give VAE(objective=...)"
            )


def check_class_weight(class_weight) -> None:
    """Refuses `class_weight`: Keras would look the classes up among the contexts.

    Args:
        class_weight: As in `keras.Model.fit`.

    Raises:
        UserError: If it is given.
    """
    if class_weight is not None:
        raise UserError(
            "class_weight weighs the classes of a target, and a VAE has none: give each example "
            "its weight, sample_weight=w, or a data set of (x, context, w)"
        )


def check_no_target(batch) -> None:
    """Refuses `fit(x, x)`: a Keras autoencoder takes x as its target too, a VAE needs none.

    Args:
        batch: The first batch, as `unpack` takes it.

    Raises:
        UserError: If the context is x.
    """
    x, context, _ = unpack(batch)
    if context is None or tuple(context.shape) != tuple(x.shape):
        return
    if np.array_equal(np.asarray(x), np.asarray(as_float(context))):
        raise UserError(
            "x is given twice, as fit(x, x) or a data set of (x, x): a VAE reconstructs x and "
            "needs no target, and what stands beside x is a context; give x alone"
        )


def with_validation_context(validation, shapes: Mapping[str, Sequence[int]] | None = None):
    """Validation data of `fit` with a context beside sample weights, see `with_context`.

    Args:
        validation: A data set, or a tuple of x, contexts and sample weights.
        shapes: Of the parts of x, where it is a dict.
    """
    if is_sparse(validation):
        return sparse_batches(validation)
    if isinstance(validation, (tuple, list)):
        if is_sparse(validation[0]):
            return sparse_batches(*validation)
        validation = (packed(validation[0], shapes), *map(dense, validation[1:]))
        if len(validation) == 3:
            return (validation[0], *with_context(*validation))
        return validation
    return packed(validation, shapes)


def without_tables(x, y, weights, batch_size, kwargs: dict, *, training: bool = False) -> tuple:
    """Turns frames into arrays, and a sparse matrix into a data set.

    Args:
        x: As in `fit`.
        y: The contexts beside an array.
        weights: The sample weights beside an array.
        batch_size: As in `fit`.
        kwargs: The other arguments of `fit`; what a data set has no place for is taken out.
        training: Whether they are those of `fit`.

    Returns:
        x, the contexts, the weights and the batch size, as Keras takes them.

    Raises:
        UserError: If a column of a frame holds no numbers.
    """
    if not is_sparse(x):
        return dense(x), dense(y), dense(weights), batch_size
    x, beside = x.tocsr(), [None if part is None else dense(part) for part in (y, weights)]
    split = kwargs.pop("validation_split", 0.0) if training else 0.0
    if split and kwargs.get("validation_data") is None:
        first = math.floor(x.shape[0] * (1 - split))  # the last ones, as Keras takes them
        held_out = [None if part is None else part[first:] for part in beside]
        kwargs["validation_data"] = sparse_batches(x[first:], *held_out, batch_size=batch_size)
        x, beside = x[:first], [None if part is None else part[:first] for part in beside]
    shuffle = training and bool(kwargs.pop("shuffle", True))
    data = sparse_batches(x, *beside, batch_size=batch_size, shuffle=shuffle)
    return data, None, None, None


def split_off(x, y, weights, share: float) -> tuple[tuple, tuple | None]:
    """The last share of arrays, which `validation_split` holds out, and what is left.

    Args:
        x: As in `fit`.
        y: The contexts beside an array.
        weights: The sample weights beside an array.
        share: The share, `validation_split`.

    Returns:
        What is left of the three, and the three that are held out; None where Keras has to say
        that there is nothing to split.
    """
    first = math.floor(len(x) * (1.0 - share)) if hasattr(x, "shape") else 0
    if not 0 < first < len(x):
        return (x, y, weights), None
    parts = (x, y, weights)
    return (
        tuple(None if part is None else part[:first] for part in parts),
        tuple(None if part is None else part[first:] for part in parts),
    )
