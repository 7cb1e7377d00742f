"""The base of distributions without batch axes, over all real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["Unbatched"]


class Unbatched(tfd.Distribution):
    """Base: batch shape `[]`, an event shape that is known, densities or draws at all real numbers.

    Args:
        dtype: Data type of z.
        event_shape: Shape of z.
        parameters: Of the concrete distribution, by name.
        reparameterization: Whether draws pass gradients on.
    """

    def __init__(
        self,
        dtype: tf.DType | str,
        event_shape: Sequence[int],
        parameters: Mapping,
        *,
        reparameterization=tfd.FULLY_REPARAMETERIZED,
    ):
        self.shape = tuple(event_shape)
        super().__init__(
            tf.as_dtype(dtype),
            reparameterization,
            validate_args=False,
            allow_nan_stats=True,
            parameters=dict(parameters),
            name=type(self).__name__,
        )

    def _batch_shape(self):
        return tf.TensorShape([])

    def _batch_shape_tensor(self):
        return tf.zeros([0], tf.int32)

    def _event_shape(self):
        return tf.TensorShape(self.shape)

    def _event_shape_tensor(self):
        return tf.constant(self.shape, tf.int32)

    def _default_event_space_bijector(self):
        return tfb.Identity()
