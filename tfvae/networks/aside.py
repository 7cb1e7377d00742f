"""A network called once more, beside the data: nothing of the call is left behind."""

from __future__ import annotations

import keras
import tensorflow as tf

__all__ = ["aside"]


def aside(frozen: keras.layers.Layer | None = None) -> keras.StatelessScope:
    """A block in which calls of layers add no losses and update no weights.

    Gradients are as ever, but those of a frozen network: they go through it to its inputs, and its
    weights count as constants.

    Args:
        frozen: The network whose weights get no gradient, built; None: there is none.

    Returns:
        The context manager.

    Example:
        >>> layer = keras.layers.Dense(1)
        >>> x = tf.Variable([[2.0]])
        >>> with tf.GradientTape() as tape:
        ...     y = layer(x)
        ...     with aside(frozen=layer):
        ...         y = layer(x)
        >>> [g is None for g in tape.gradient(y, [x, layer.kernel.value])]
        [False, True]
    """
    weights = [] if frozen is None else frozen.trainable_variables
    return keras.StatelessScope([(w, tf.stop_gradient(tf.convert_to_tensor(w))) for w in weights])
