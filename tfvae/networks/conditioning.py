"""A context beside the input of a network: a vector that a conditioner makes of it."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

from tfvae.distributions.aside import aside
from tfvae.errors import UserError
from tfvae.networks.shared_layers import serialize_shared
from tfvae.options.keywords import ModelOptions, Unpack

__all__ = [
    "Conditioned",
    "HasConditioner",
    "classes_of",
    "conditioners_count_once",
    "join",
    "vector_of",
]


# The conditioners that have been called in a block of `conditioners_count_once`.
_CALLED: contextvars.ContextVar[set[int] | None] = contextvars.ContextVar("called", default=None)


def vector_of(
    name: str, conditioner: keras.layers.Layer | None, context: tf.Tensor | None
) -> tf.Tensor | None:
    """The conditioner's vector of a context.

    Args:
        name: Whose conditioner it is.
        conditioner: Keras layer from the context to a vector, or None.
        context: `[batch, ...]`, or None.

    Returns:
        `[batch, size]`; None where there is no conditioner.

    Raises:
        UserError: If there is a conditioner and no context, or a label is beyond its classes.
    """
    if conditioner is None:
        return None
    if context is None:
        raise UserError(
            f"{name} has a conditioner but got no context: give context=..., or data of "
            "(x, context)"
        )
    context = tf.convert_to_tensor(context)
    _check_labels(name, conditioner, context)
    called = _CALLED.get()
    if called is None or id(conditioner) not in called:
        if called is not None:
            called.add(id(conditioner))
        return conditioner(context)
    with aside():
        return conditioner(context)


@contextlib.contextmanager
def conditioners_count_once() -> Iterator[None]:
    """What a conditioner leaves behind counts once in the block, however often it is called.

    Encoder, decoder and prior may share one, and each asks it for its vector. The losses that its
    layers add, counters of steps and the moving statistics of a batch normalization are those of
    the first call; the others leave nothing behind. The gradient is as ever.
    """
    token = _CALLED.set(set())
    try:
        yield
    finally:
        _CALLED.reset(token)


def classes_of(conditioner: keras.layers.Layer | None) -> int | None:
    """The number of labels that a conditioner knows.

    Args:
        conditioner: Keras layer from the context to a vector, or None.

    Returns:
        The number, where the conditioner is, or begins with, a layer that takes labels
        (`CategoryEncoding`, `Embedding`); else None.

    Example:
        >>> classes_of(keras.layers.CategoryEncoding(10, output_mode="one_hot"))
        10
    """
    first = conditioner.layers[0] if isinstance(conditioner, keras.Sequential) else conditioner
    if isinstance(first, keras.layers.CategoryEncoding):
        return first.num_tokens
    return first.input_dim if isinstance(first, keras.layers.Embedding) else None


def _check_labels(name: str, conditioner: keras.layers.Layer, context: tf.Tensor) -> None:
    """Refuses labels beyond the conditioner's classes: one-hot, they would be all zeros."""
    count = classes_of(conditioner)
    if count is None:
        return
    values = tf.get_static_value(context)
    if values is None:  # in a graph; XLA leaves the check out
        known = (context >= 0) & (context < tf.cast(count, context.dtype))
        what = f"{name} got a label outside 0 to {count - 1}, the classes of its conditioner"
        tf.debugging.Assert(tf.reduce_all(known), [f"tfvae.errors.UserError: {what}"])
        return
    wrong = values[(values < 0) | (values >= count)]
    if wrong.size:
        raise UserError(
            f"{name} got the label {wrong.flat[0]}, and its conditioner has the classes 0 to "
            f"{count - 1}"
        )


def join(x: tf.Tensor | None, vector: tf.Tensor | None) -> tf.Tensor | None:
    """Puts a vector beside the last axis of `x`: as further features, or as further channels.

    Args:
        x: `[batch, ..., channels]`, or None for nothing.
        vector: `[batch, size]`, or None for nothing.

    Returns:
        `[batch, ..., channels + size]`; the other one where one is None.
    """
    if x is None or vector is None:
        return vector if x is None else x
    vector = tf.cast(vector, x.dtype)
    for _ in range(x.shape.rank - 2):
        vector = vector[:, None]
    shape = tf.concat([tf.shape(x)[:-1], tf.shape(vector)[-1:]], axis=0)
    return tf.concat([x, tf.broadcast_to(vector, shape)], axis=-1)


class Conditioned(keras.Model):
    """Base of the networks that take a context beside their input.

    Args:
        conditioner: For a conditional model: a Keras layer from the context to a vector
            `[batch, size]`, such as `keras.layers.CategoryEncoding(10, output_mode="one_hot")`
            for labels or `keras.layers.Identity()` for vectors. The vector joins the input.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(
        self, *, conditioner: keras.layers.Layer | None = None, **kwargs: Unpack[ModelOptions]
    ):
        super().__init__(**kwargs)
        self.conditioner = conditioner

    def conditioned(self, inputs, context) -> tf.Tensor:
        """The inputs in the compute dtype, with the conditioner's vector beside their channels.

        Args:
            inputs: `[batch, ...]`.
            context: `[batch, ...]`, or None where there is no conditioner.

        Returns:
            `[batch, ...]`.

        Raises:
            UserError: If there is one of context and conditioner without the other.
        """
        if context is not None and self.conditioner is None:
            raise UserError(
                f"{self.name} got a context but has no conditioner: leave the context out "
                "(labels=False in tfvae.data.load), give the network a conditioner, or the model "
                "an objective whose call takes it as its target"
            )
        vector = vector_of(self.name, self.conditioner, context)
        return join(tf.cast(inputs, self.compute_dtype), vector)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "conditioner": serialize_shared(self.conditioner)}

    @classmethod
    def from_config(cls, config: dict) -> Conditioned:
        """Makes the network of its configuration."""
        return cls(**keras.saving.deserialize_keras_object(config))


class HasConditioner(keras.layers.Layer):
    """What the layers share that depend on a context through the vector of a conditioner.

    Args:
        *args: Arguments of the class beside this one.
        conditioner: Keras layer from the context to a vector `[batch, size]`, such as
            `keras.layers.CategoryEncoding(10, output_mode="one_hot")` for labels or
            `tfvae.networks.MLP([32])` for vectors; None: a context changes nothing.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, *args, conditioner: keras.layers.Layer | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        if not isinstance(conditioner, (keras.layers.Layer, type(None))):
            raise UserError(f"conditioner takes a Keras layer, got {conditioner!r}")
        self.conditioner = conditioner

    def vector(self, context: tf.Tensor | None) -> tf.Tensor | None:
        """The conditioner's vector of a context, in the layer's dtype.

        Args:
            context: `[batch, ...]`, or None.

        Returns:
            `[batch, size]`; None where there is no conditioner.

        Raises:
            UserError: If there is a conditioner and no context.
        """
        vector = vector_of(self.name, self.conditioner, context)
        return None if vector is None else tf.cast(vector, self.variable_dtype)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "conditioner": serialize_shared(self.conditioner)}

    @classmethod
    def from_config(cls, config: dict) -> HasConditioner:
        """Makes the layer of its configuration."""
        return cls(**keras.saving.deserialize_keras_object(config))
