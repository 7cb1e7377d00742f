"""What `Encoder` and `Decoder` share: a trunk, a projection, a head."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.errors import UserError
from tfvae.networks.conditioning import Conditioned
from tfvae.options.keywords import ModelOptions, Unpack

tfd = tfp.distributions

__all__ = ["ConditionalNetwork", "build_by_call"]


def build_by_call(function, *shapes) -> None:
    """Makes all weights below a function by one eager call on zeros.

    A network may hold layers of any kind, the user's own among them; only a call is sure to
    build them all.

    Args:
        function: The function, called with one tensor for each shape, or None for None.
        *shapes: Shapes with the batch axis first; unknown sizes count as 1.
    """
    with tf.init_scope():
        function(*(None if s is None else tf.zeros([n or 1 for n in s]) for s in shapes))


class ConditionalNetwork(Conditioned):
    """A conditional distribution: `head(projection(trunk(inputs, context)))`.

    Args:
        trunk: Any Keras layer or model, from the input to features.
        head: A layer of `tfvae.layers`, from parameters to the distribution. The projection from
            the trunk's features to the parameters that the head takes is put in between: a 1x1
            convolution where features and event have the same grid, a dense layer otherwise.
        conditioner: For a conditional model: a Keras layer from the context to a vector
            `[batch, size]`, such as `keras.layers.CategoryEncoding(10, output_mode="one_hot")`
            for labels or `keras.layers.Identity()` for vectors. The vector joins the trunk's
            input.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(
        self,
        trunk: keras.layers.Layer,
        head: keras.layers.Layer,
        *,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(conditioner=conditioner, **kwargs)
        if not hasattr(head, "params_size"):
            raise UserError(
                f"head takes a layer of tfvae.layers (with params_size), got {type(head).__name__}"
            )
        self.trunk = trunk
        self.head = head
        self.projection = None

    def build(self, inputs_shape, context_shape=None):
        """Makes all weights for inputs `[batch, *shape]` and a context `[batch, ...]`."""
        build_by_call(self.call, inputs_shape, context_shape)

    def _project(self, features: tf.Tensor) -> tf.Tensor:
        event = self.head.event_shape
        grid = int(np.prod(event[:-1], dtype=int))
        in_place = len(event) > 1 and tuple(features.shape[1:-1]) == tuple(event[:-1])
        if not in_place and features.shape.rank > 2:
            features = tf.reshape(features, [-1, int(np.prod(features.shape[1:]))])
        if self.projection is None:
            size = self.head.params_size
            # float32 under mixed precision too: a logit or a log scale of 8 bits would cost nats.
            self.projection = keras.layers.Dense(
                size // grid if in_place else size,
                dtype=self.dtype_policy.variable_dtype,
                name="projection",
            )
        return self.projection(features)

    def call(self, inputs, context=None, training=False) -> tfd.Distribution:
        """Returns the distribution, batch shape `[batch]`."""
        inputs = self.conditioned(inputs, context)
        return concrete(self.head(self._project(self.trunk(inputs, training=training))))

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = {"trunk": self.trunk, "head": self.head}
        return {
            **super().get_config(),
            **{k: keras.saving.serialize_keras_object(v) for k, v in parts.items()},
        }
