"""A distribution made by a function of one's own."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import TensorDistribution
from tfvae.distributions.variables import refuse_untracked
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, saved_function
from tfvae.options.keywords import DistributionOptions, Unpack

tfd = tfp.distributions

__all__ = ["DistributionLambda"]


@keras.saving.register_keras_serializable(package="tfvae")
class DistributionLambda(DistributionLayer):
    """The distribution that a function makes of the layer's inputs.

    Floating inputs come as float32, whatever the policy. A model that is to be saved needs a
    function with a name that Keras can find again (`keras.saving.register_keras_serializable`);
    with a lambda everything but saving and cloning works. Weights belong into a layer: a
    `tf.Variable` that the function closes over would not be trained, and is refused.

    Args:
        make_distribution_fn: Function of the inputs that returns a `tfd.Distribution`.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = DistributionLambda(lambda t: tfd.Normal(t[..., 0], tf.exp(t[..., 1])))
        >>> layer(tf.zeros([5, 2])).batch_shape
        TensorShape([5])
    """

    params_per_element = None
    event_argument = None
    roles = ()

    def __init__(
        self,
        make_distribution_fn: Callable,
        convert_to_tensor_fn: str | Callable = "sample",
        **kwargs: Unpack[DistributionOptions],
    ):
        super().__init__((), convert_to_tensor_fn, **kwargs)
        if not callable(make_distribution_fn):
            raise UserError(f"make_distribution_fn takes a function, got {make_distribution_fn!r}")
        refuse_untracked("make_distribution_fn", make_distribution_fn)
        self.make_distribution_fn = make_distribution_fn

    def make_distribution(self, params, *args, **kwargs) -> tfd.Distribution:
        """Calls the function."""
        return self.make_distribution_fn(params, *args, **kwargs)

    def call(self, inputs, *args, **kwargs) -> TensorDistribution:
        """Returns the distribution of the inputs, which also counts as a tensor."""

        def wide(x):
            floating = tf.is_tensor(x) and tf.as_dtype(x.dtype).is_floating
            return tf.cast(x, self.variable_dtype) if floating else x

        inputs, args, kwargs = tf.nest.map_structure(wide, (inputs, args, kwargs))
        return self.wrap(self.make_distribution(inputs, *args, **kwargs))

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        del config["validate_args"]
        function = saved_function(self, "make_distribution_fn", self.make_distribution_fn)
        return {**config, "make_distribution_fn": function}
