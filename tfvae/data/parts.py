"""Data of several parts, such as an image and its caption: a dict of arrays, made one vector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfvae.data.tables import dense
from tfvae.errors import UserError, unknown_name

__all__ = ["packed"]


def packed(x, shapes: Mapping[str, Sequence[int]] | None = None):
    """Makes one vector an example of data of several parts; returns anything else as it is.

    The parts stand behind each other in the order of their sorted names, each with its values in a
    row. A part that an example lacks is NaN throughout, and so is one that no example has.

    Args:
        x: A dict of arrays, `[n, ...]` each; or something else, a table of which becomes an array.
        shapes: The shape that each part has to have, by its name; None: any names and shapes.

    Returns:
        `[n, size of all parts]`, float32.

    Raises:
        UserError: If the parts differ in their number of examples, there are none, or one has
            another name or shape than it has to.

    Example:
        >>> packed({"image": np.zeros([5, 2, 2]), "age": np.ones([5])}).shape
        (5, 5)
    """
    if not isinstance(x, Mapping):
        return dense(x)
    if not x:
        raise UserError("x is a dict without an array: give one for each part of the data")
    parts = {name: dense(x[name]) for name in sorted(x)}
    in_graph = any(tf.is_tensor(part) for part in parts.values())
    parts = {k: tf.convert_to_tensor(v) if in_graph else np.asarray(v) for k, v in parts.items()}
    _check(parts, shapes)
    of_numpy = [np.reshape, np.full, np.concatenate, np.shape]
    reshape, fill, join, shape_of = (
        [tf.reshape, tf.fill, tf.concat, tf.shape] if in_graph else of_numpy
    )
    count, flat = shape_of(next(iter(parts.values())))[0], []
    for name in sorted(shapes or parts):
        size = math.prod(shapes[name] if shapes else parts[name].shape[1:])
        if name in parts:
            part = parts[name]
            part = tf.cast(part, tf.float32) if in_graph else part.astype(np.float32)
            flat.append(reshape(part, [-1, size] if in_graph else [len(part), size]))
        else:
            flat.append(fill([count, size], np.float32(np.nan)))
    return join(flat, axis=1)


def _check(parts: Mapping, shapes: Mapping[str, Sequence[int]] | None) -> None:
    """Refuses parts of other names or shapes, or of different numbers of examples."""
    counts = {name: part.shape[0] for name, part in parts.items()}
    if len({n for n in counts.values() if n is not None}) > 1:
        raise UserError(
            f"the parts of x differ in their number of examples, {counts}: give each example all "
            "parts, NaN in the place of those that it lacks"
        )
    if shapes is None:
        return
    for name, part in parts.items():
        if name not in shapes:
            raise unknown_name("modality", name, shapes)
        if tuple(part.shape[1:]) != tuple(shapes[name]):
            raise UserError(
                f"{name} has examples of the shape {tuple(part.shape[1:])}, and the model's are of "
                f"{tuple(shapes[name])}: reshape them"
            )
