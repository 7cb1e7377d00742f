"""Networks called once more, beside the data: nothing of the call is left behind."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

__all__ = ["aside"]

# The frozen weights of the blocks around, with their values: Keras sees the innermost block alone.
_FROZEN: contextvars.ContextVar[tuple] = contextvars.ContextVar("frozen", default=())


@contextlib.contextmanager
def aside(*frozen: keras.layers.Layer) -> Iterator[None]:
    """A block in which calls of layers add no losses and update no weights.

    Gradients are as ever, but those of frozen layers: they go through them to their inputs, and
    their weights count as constants. A distribution may read weights when it is asked for a draw
    or a density, as a flow does: what is to be frozen in it has to be asked inside of the block.

    Args:
        *frozen: Layers whose weights get no gradient, built; also in blocks inside of this one.

    Example:
        >>> layer = keras.layers.Dense(1)
        >>> x = tf.Variable([[2.0]])
        >>> with tf.GradientTape() as tape:
        ...     y = layer(x)
        ...     with aside(layer):
        ...         y = layer(x)
        >>> [g is None for g in tape.gradient(y, [x, layer.kernel.value])]
        [False, True]
    """
    weights = [w for layer in frozen for w in layer.trainable_variables]
    pairs = [(w, tf.stop_gradient(tf.convert_to_tensor(w))) for w in weights]
    token = _FROZEN.set((*_FROZEN.get(), *pairs))
    try:
        with keras.StatelessScope(_FROZEN.get()):
            yield
    finally:
        _FROZEN.reset(token)
