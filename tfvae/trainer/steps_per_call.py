"""How many training steps one call of the compiled function takes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import keras
import tensorflow as tf

__all__ = ["batches_done", "batches_in", "steps_per_call"]

MOST, FEW = 32, 8
DEFAULT = 16
BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


def batches_in(x, batch_size: int | None = None, steps_per_epoch: int | None = None) -> int | None:
    """Counts the batches of an epoch of what `fit` was given.

    Args:
        x: A `tf.data.Dataset`, an array or anything else that `fit` takes.
        batch_size: Batch size, for arrays.
        steps_per_epoch: As in `fit`.

    Returns:
        The number; None where it is unknown.
    """
    if steps_per_epoch is not None:
        return steps_per_epoch
    if isinstance(x, tf.data.Dataset):
        batches = int(x.cardinality())
        return batches if batches > 0 else None
    return math.ceil(len(x) / (batch_size or 32)) if hasattr(x, "shape") else None


def _watches_batches(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback wants to be called after each batch."""
    if type(callback).__module__.startswith("keras."):
        frequency = getattr(callback, "save_freq", getattr(callback, "update_freq", "epoch"))
        if frequency == "epoch" and not isinstance(callback, keras.callbacks.LambdaCallback):
            return False
    if getattr(callback, "any_pace", False):
        return False
    base = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook)
        for hook in BATCH_HOOKS
    )


def steps_per_call(
    batches: int | None,
    callbacks: keras.callbacks.Callback | Iterable[keras.callbacks.Callback] | None = None,
) -> int:
    """Chooses how many steps are taken in one call: small models wait for Python between calls.

    Args:
        batches: Batches in an epoch, None where that is unknown.
        callbacks: The callbacks of `fit`: one of the user's own that looks at batches sees each.

    Returns:
        1, or up to 32 steps, a divisor of the epoch where there is a fitting one.
    """
    callbacks = keras.tree.flatten(getattr(callbacks, "callbacks", callbacks) or [])
    if any(_watches_batches(callback) for callback in callbacks):
        return 1
    if batches is None:
        return DEFAULT
    divisors = [n for n in range(FEW, MOST + 1) if batches % n == 0]
    return max(divisors, default=min(DEFAULT, batches))


def batches_done(batch: int, batches: int | None) -> int:
    """Batches of the epoch that are done when a callback is called.

    With several steps in one call, Keras numbers the last one as if the epoch were a whole number
    of calls.

    Args:
        batch: What the callback was called with.
        batches: Batches in the epoch, None where that is unknown.

    Returns:
        The number of batches.
    """
    return batch + 1 if batches is None else min(batch + 1, batches)
