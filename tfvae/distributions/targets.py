"""Targets are brought to the shape of a distribution; what would broadcast is refused."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["fitted_target", "fitted_weights"]


def fitted_target(y, distribution: tfd.Distribution) -> tf.Tensor:
    """Gives a target the shape of the distribution that it is held against, as Keras's losses do.

    A last axis of size 1 is added or dropped where the ranks differ by that one. All else has to
    agree: `log_prob` would broadcast what does not, and `[n]` against `[n, 1]` becomes n x n
    densities. A distribution without a batch axis is one for all examples, and so is one whose
    first axis is 1 whatever the data are, as that of a `VariableLayer`.

    Args:
        y: The targets, `[*batch, *event]`, up to a last axis of size 1; `[..., *event]` for a
            distribution without a batch axis.
        distribution: p(y), batch shape `[*batch]`.

    Returns:
        The targets, `[*batch, *event]`, in the distribution's data type.

    Raises:
        UserError: If the shapes differ as far as they are known. Sizes that are unknown while a
            graph is traced are compared when it runs.

    Example:
        >>> fitted_target([1.0, 2.0], tfd.Normal(tf.zeros([2, 1]), 1.0)).shape
        TensorShape([2, 1])
    """
    y = tf.cast(tf.convert_to_tensor(y), distribution.dtype)
    batch, event = distribution.batch_shape, distribution.event_shape
    if batch.rank is None or event.rank is None:
        return y
    if y.shape.rank is None:  # Keras relaxes a shape to this after it has seen two ranks
        return _with_rank(y, distribution)
    fitted = _first_that_fits(y, batch, event)
    if fitted is None:
        remedy = "give targets of the batch and event shape together"
        if batch.rank == 1 and y.shape[1:].is_compatible_with(batch.concatenate(event)):
            remedy = "make the distribution's batch axis a part of its event (tfd.Independent)"
        raise UserError(
            f"targets of shape {_text(y.shape)} do not fit a distribution of batch shape "
            f"{_text(batch)} and event shape {_text(event)}: {remedy}"
        )
    wanted = batch.concatenate(event)[1 if _is_for_all(batch) else 0 :]
    here = fitted.shape[fitted.shape.rank - wanted.rank :]
    if here.is_fully_defined() and wanted.is_fully_defined():
        return fitted
    return _same_when_run(fitted, distribution, wanted.rank)


def _is_for_all(batch: tf.TensorShape) -> bool:
    """Whether the first axis is one of 1, whatever the data are."""
    return bool(batch.rank) and batch[0] == 1


def _text(shape: tf.TensorShape) -> str:
    if shape.rank is None:
        return "unknown rank"
    return "[" + ", ".join("?" if n is None else str(n) for n in shape) + "]"


def _first_that_fits(
    y: tf.Tensor, batch: tf.TensorShape, event: tf.TensorShape
) -> tf.Tensor | None:
    """The target as it is, with one axis more, or with one axis less."""
    whole = batch.concatenate(event)

    def fits(shape: tf.TensorShape) -> bool:
        if batch.rank == 0 and shape.rank > event.rank:
            return shape[shape.rank - event.rank :].is_compatible_with(event)
        if shape.rank and _is_for_all(batch):
            return shape[1:].is_compatible_with(whole[1:])
        return shape.is_compatible_with(whole)

    # A distribution of events [1] that all examples share: [n] holds n scalars, not one event.
    scalars = batch.rank == 0 and event.as_list() == [1] and y.shape.rank == 1
    if fits(y.shape) and not scalars:
        return y
    # An axis is added only opposite one that is known to be 1, not one that may turn out so.
    if whole.rank and whole[-1] == 1 and fits(y.shape.concatenate([1])):
        return y[..., tf.newaxis]
    if y.shape.rank and y.shape[-1] == 1 and fits(y.shape[:-1]):
        return tf.squeeze(y, axis=-1)
    return None


def _wanted(distribution: tfd.Distribution) -> tf.Tensor:
    shapes = distribution.batch_shape_tensor(), distribution.event_shape_tensor()
    return tf.concat([tf.cast(shape, tf.int32) for shape in shapes], axis=0)


def _same_when_run(y: tf.Tensor, distribution: tfd.Distribution, ndims: int) -> tf.Tensor:
    """Compares the sizes of the last axes that tracing could not know."""
    wanted = _wanted(distribution)[-ndims:]
    lead = y.shape.rank - ndims
    check = _assert_equal(tf.shape(y)[lead:], wanted, y, distribution)
    with tf.control_dependencies(check):
        # XLA leaves assertions out, but refuses a reshape to another number of elements.
        shaped = tf.reshape(y, tf.concat([tf.shape(y)[:lead], wanted], axis=0))
    return tf.ensure_shape(shaped, y.shape)


def _with_rank(y: tf.Tensor, distribution: tfd.Distribution) -> tf.Tensor:
    """Gives a target of unknown rank the distribution's shape, where the examples are as many."""
    wanted = _wanted(distribution)
    if distribution.batch_shape.rank == 0:
        return tf.reshape(y, tf.concat([[-1], wanted], axis=0))
    if _is_for_all(distribution.batch_shape):
        return tf.reshape(y, tf.concat([[-1], wanted[1:]], axis=0))
    with tf.control_dependencies(_assert_equal(tf.shape(y)[:1], wanted[:1], y, distribution)):
        return tf.reshape(y, wanted)


def _assert_equal(a: tf.Tensor, b: tf.Tensor, y: tf.Tensor, distribution) -> list:
    check = tf.debugging.assert_equal(
        a,
        b,
        message=f"targets of shape {_text(y.shape)} do not fit a distribution of batch shape "
        f"{_text(distribution.batch_shape)} and event shape {_text(distribution.event_shape)}",
    )
    return [] if check is None else [check]


def fitted_weights(weights, values: tf.Tensor) -> tf.Tensor | None:
    """Gives sample weights the rank of the values that they multiply.

    Args:
        weights: One number for each example, `[n]` or `[n, 1]`, or one for each value; or None.
        values: `[n, ...]`.

    Returns:
        The weights with the rank of the values, or None.

    Raises:
        UserError: If the weights have another shape than that.

    Example:
        >>> fitted_weights([1.0, 2.0], tf.zeros([2, 5])).shape
        TensorShape([2, 1])
    """
    if weights is None:
        return None
    weights = tf.convert_to_tensor(weights)
    if values.shape.rank is None or weights.shape.rank in (None, 0):
        return weights
    fitted = weights
    while fitted.shape.rank > max(values.shape.rank, 1) and fitted.shape[-1] == 1:
        fitted = tf.squeeze(fitted, axis=-1)
    while fitted.shape.rank < values.shape.rank:
        fitted = fitted[..., tf.newaxis]
    same = fitted.shape.rank == values.shape.rank and all(
        n in (None, m) or m is None or (i and n == 1)
        for i, (n, m) in enumerate(zip(fitted.shape, values.shape, strict=True))
    )
    if not same:
        raise UserError(
            f"sample weights of shape {_text(weights.shape)} do not fit values of shape "
            f"{_text(values.shape)}: give one weight for each example"
        )
    return fitted
