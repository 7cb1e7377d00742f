"""Data of several parts, such as an image and its caption: a dict of arrays, made one vector."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfvae.data.tables import dense
from tfvae.errors import UserError

__all__ = ["packed"]


def packed(x):
    """Makes one vector an example of data of several parts; returns anything else as it is.

    The parts stand behind each other in the order of their sorted names, each with its values in a
    row. A part that an example lacks is NaN throughout.

    Args:
        x: A dict of arrays, `[n, ...]` each; or something else, a table of which becomes an array.

    Returns:
        `[n, size of all parts]`, float32.

    Raises:
        UserError: If the parts differ in their number of examples, or there are none.

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
    flat = []
    for part in parts.values():
        part = tf.convert_to_tensor(part) if in_graph else np.asarray(part)
        size = math.prod(part.shape[1:])
        flat.append(
            tf.reshape(tf.cast(part, tf.float32), [-1, size])
            if in_graph
            else part.reshape([len(part), size]).astype(np.float32)
        )
    counts = {name: part.shape[0] for name, part in zip(parts, flat, strict=True)}
    if len({n for n in counts.values() if n is not None}) > 1:
        raise UserError(
            f"the parts of x differ in their number of examples, {counts}: give each example all "
            "parts, NaN in the place of those that it lacks"
        )
    return tf.concat(flat, axis=1) if in_graph else np.concatenate(flat, axis=1)
