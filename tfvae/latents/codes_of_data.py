"""The codes of a whole data set, to which a prior over codes is fitted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

__all__ = ["collected"]


def collected(
    vae, dataset, vector: Callable
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Encodes a data set, in an order that does not depend on that of its batches.

    Args:
        vae: The model.
        dataset: Batches of x, of (x, context), or of (x, context, sample_weight).
        vector: From the context to a vector, or to None.

    Returns:
        The maps of codes, `[N, *shape]`; the vectors, `[N, size]`, and the weights, `[N]`, of the
        examples, each None where there are none.
    """

    def look(x, context):
        return vae.encode(x, context).mode(), vector(context)

    look = tf.function(look, reduce_retracing=True)
    batches = (vae.inputs_of(batch) for batch in dataset)
    found = [(*look(batch.x, batch.context), batch.weights) for batch in batches]
    codes, vectors, weights = (
        None if parts[0] is None else np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    # Whatever order the batches came in, which is another one in a resumed run.
    parts = (vectors, np.reshape(codes, [len(codes), -1]), weights)
    columns = [np.reshape(part, [len(codes), -1]) for part in parts if part is not None]
    order = np.lexsort(np.concatenate(columns, axis=1).T[::-1])
    codes, vectors, weights = (
        None if part is None else part[order] for part in (codes, vectors, weights)
    )
    return codes, vectors, weights
