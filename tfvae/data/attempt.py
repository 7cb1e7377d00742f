"""A `try` inside a graph: a function of tensors that may fail, and what to take instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

__all__ = ["attempt", "complain"]


def attempt(function: Callable, inputs: Sequence[tf.Tensor], otherwise: Sequence) -> tuple:
    """Computes a function inside a graph, and goes on where an operation of it fails.

    No Python runs when one fails. A `py_function`, which could catch the error, needs Python's
    lock: a pipeline's thread that waits for it when the interpreter exits would keep the process
    from ending.

    Args:
        function: Takes the inputs and returns a tuple of tensors.
        inputs: Tensors.
        otherwise: What is given instead if it fails: for each result one of the same type and of a
            shape that may differ.

    Returns:
        The tuple.

    Example:
        >>> number = lambda text: (tf.strings.to_number(text),)
        >>> [float(attempt(number, (text,), (-1.0,))[0]) for text in ("7", "seven")]
        [7.0, -1.0]
    """
    otherwise = tf.data.Dataset.from_tensors(tuple(otherwise))
    tried = tf.data.Dataset.from_tensors(tuple(inputs)).map(function).ignore_errors()
    return tried.concatenate(otherwise).take(1).get_single_element()


def complain(message: tf.Tensor) -> tf.Operation:
    """Fails inside a graph, with a message that `tfvae.errors.readable_errors` finds again."""
    return tf.debugging.Assert(False, [tf.strings.join(["tfvae.errors.UserError: ", message])])
