"""What a call of `fit` is, in a few words, for workers that have to make the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

__all__ = ["facts_of_fit"]

NUMBERS = ("initial_epoch", "steps_per_epoch", "validation_steps", "validation_freq")


def facts_of_fit(
    model: keras.Model, data: Mapping[str, object], arguments: Mapping[str, object]
) -> dict[str, object]:
    """What all workers have to agree on before the first step, by name.

    Of a data set it is the number and the types of its batches, of an array all that it holds.

    Args:
        model: The model, built and compiled.
        data: What is trained and validated on, by the name of the argument.
        arguments: Others of `fit`, by name; those that are numbers count.

    Returns:
        Values that JSON takes.
    """
    weights = hashlib.sha256()
    for weight in model.weights:
        weights.update(np.ascontiguousarray(weight.numpy()).tobytes())
    facts = {
        "the network": [f"{w.path.partition('/')[2]} {tuple(w.shape)}" for w in model.weights],
        "the seed": model.seed,
        "the step": int(model.step),
        "the objective": keras.saving.serialize_keras_object(model.objective)["config"],
        "steps_per_execution": model.steps_per_execution,
        "a digest of the weights": weights.hexdigest()[:12],
    }
    optimizer = keras.saving.serialize_keras_object(model.optimizer)["config"]
    facts |= {f"optimizer.{name}": value for name, value in optimizer.items()}
    for name in ("batch_size", "epochs", *NUMBERS):
        facts[name] = arguments.get(name)
    return facts | {name: _of_data(value) for name, value in data.items() if value is not None}


def _of_data(data: object) -> object:
    if isinstance(data, (tuple, list)):
        return [_of_data(part) for part in data]
    if isinstance(data, tf.data.Dataset):
        return f"{int(data.cardinality())} batches of {data.element_spec}"
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        array = np.ascontiguousarray(data)
        digest = hashlib.sha256(array.tobytes()).hexdigest()[:12]
        return f"{array.dtype} {array.shape} of digest {digest}"
    if isinstance(data, Iterable) and hasattr(data, "__len__"):
        return f"{len(data)} of {type(data).__name__}"
    return type(data).__name__
