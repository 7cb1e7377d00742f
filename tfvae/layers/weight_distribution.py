"""Where the parameters of random weights are kept, and a layer that gives their distribution."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import TensorDistribution
from tfvae.distributions.variables import refuse_untracked
from tfvae.layers.conversions import converter
from tfvae.layers.sizes import event_shape_of
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["WeightDistribution", "WeightStore"]


class WeightStore:
    """`add_variable_fn` of one layer: makes a weight by name, or gives the one that is there.

    A distribution holds the values that its weights had when it was made. So a layer makes its
    distributions anew in every call, and the functions that make them reach their weights here.
    The value is in the dtype of the variables: a mixed precision policy has no part in densities.

    Args:
        layer: The Keras layer that owns the weights.
    """

    def __init__(self, layer: keras.layers.Layer):
        self.layer = layer
        self.made = {}

    def __call__(
        self,
        name: str,
        shape=(),
        dtype=None,
        initializer=None,
        regularizer=None,
        trainable: bool = True,
        constraint=None,
    ) -> tf.Tensor:
        """Returns the value of the weight called `name`."""
        if name not in self.made:
            self.made[name] = self.layer.add_weight(
                name=name,
                shape=tuple(shape),
                dtype=tf.as_dtype(dtype or self.layer.variable_dtype).name,
                initializer=initializer,
                regularizer=regularizer,
                trainable=trainable,
                constraint=constraint,
                autocast=False,
            )
        return tf.convert_to_tensor(self.made[name])


@keras.saving.register_keras_serializable(package="tfvae")
class WeightDistribution(keras.layers.Layer):
    """A layer that gives one distribution whatever its input: a posterior or prior of weights.

    Args:
        make_distribution: Registered callable of
            `(dtype, shape, name, trainable, add_variable_fn)`, such as `MeanFieldNormal()`.
        shape: Event shape of the distribution.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> from tfvae.layers.weight_functions import MeanFieldNormal
        >>> WeightDistribution(MeanFieldNormal(), [4])(tf.zeros([1, 2])).event_shape
        TensorShape([4])
    """

    def __init__(self, make_distribution, shape, **kwargs: Unpack[LayerOptions]):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = keras.config.dtype_policy().variable_dtype
        super().__init__(**kwargs)
        self.make_distribution = make_distribution
        self.shape = event_shape_of(shape, "shape")
        self._store = WeightStore(self)

    def build(self, input_shape=None):
        """Makes the weights."""
        refuse_untracked("what make_distribution returns", self.distribution())

    def distribution(self) -> tfd.Distribution:
        """The distribution with the weights as they are now."""
        return self.make_distribution(
            tf.as_dtype(self.variable_dtype), self.shape, "weights", self.trainable, self._store
        )

    def call(self, inputs=None) -> TensorDistribution:
        """Returns the distribution, which also counts as one draw of it."""
        return TensorDistribution(self.distribution(), converter("sample"))

    def compute_output_shape(self, input_shape=None):
        """Shape of a draw."""
        return self.shape

    def get_config(self) -> dict:
        """Configuration for saving."""
        make = keras.saving.serialize_keras_object(self.make_distribution)
        return {**super().get_config(), "make_distribution": make, "shape": list(self.shape)}

    @classmethod
    def from_config(cls, config: dict) -> WeightDistribution:
        """Makes the layer of its configuration."""
        make = keras.saving.deserialize_keras_object(config["make_distribution"])
        return cls(**{**config, "make_distribution": make})
