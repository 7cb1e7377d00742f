"""What a batch of data is: x, or (x, context), or (x, context, sample weights)."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["first_batch", "unpack"]


def unpack(data) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]:
    """Takes a batch apart.

    Args:
        data: x, `(x,)`, `(x, context)` or `(x, context, sample_weight)`; x of any number type.

    Returns:
        x as float32 (float64 stays), the context or None, the sample weights or None.
    """
    x, context, weights = keras.utils.unpack_x_y_sample_weight(data)
    return as_float(x), context, weights


def as_float(x) -> tf.Tensor:
    """Makes a tensor of x: float64 stays, every other type becomes float32."""
    x = tf.convert_to_tensor(x)
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)


def first_batch(x, y=None):
    """Looks at the first batch of what `fit` was given, without using it up.

    Args:
        x: A `tf.data.Dataset`, an array, a tensor, or a `keras.utils.PyDataset`.
        y: The contexts beside an array.

    Returns:
        The batch, as `unpack` takes it; None where looking would use it up (a generator).

    Raises:
        UserError: If there is no example in it.
    """
    if isinstance(x, tf.data.Dataset):
        batch = next(iter(x.take(1)), None)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0] if len(x) else None
    elif hasattr(x, "shape") and hasattr(x, "__getitem__"):
        batch = (x[:32], None if y is None else y[:32]) if len(x) else None
    else:
        return None
    if batch is None or tf.size(unpack(batch)[0]) == 0:
        raise UserError(
            "the data set is empty: give at least one example (with drop_remainder=True, at least "
            "one whole batch)"
        )
    return batch
