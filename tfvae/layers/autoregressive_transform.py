"""A layer that sends a distribution through a masked autoregressive flow."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import TensorDistribution, concrete
from tfvae.errors import UserError
from tfvae.layers.autoregressive import AutoregressiveNetwork
from tfvae.layers.base import DistributionLayer
from tfvae.layers.conversions import converter
from tfvae.options.keywords import DistributionOptions, Unpack

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["AutoregressiveTransform"]


@keras.saving.register_keras_serializable(package="tfvae")
class AutoregressiveTransform(DistributionLayer):
    """Masked autoregressive flow: x_i = μ_i(x before i) + exp(α_i(x before i)) u_i, u ~ input.

    A density takes one pass of the network, a draw takes one for each of the D elements. A
    distribution becomes the distribution of x, and a tensor u becomes the tensor x.

    Args:
        made: Network with two parameters for each input: μ and α, the log scale.
        convert_to_tensor_fn: What the output is where a tensor is needed: `"sample"` or a
            registered callable of the distribution.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> made = AutoregressiveNetwork(2, 3, hidden_units=[16], activation="relu")
        >>> p = AutoregressiveTransform(made)(tfd.MultivariateNormalDiag(tf.zeros([5, 3])))
        >>> p.log_prob(tf.zeros([5, 3])).shape
        TensorShape([5])

    References:
        Papamakarios, Pavlakou, Murray, "Masked Autoregressive Flow for Density Estimation", 2017,
        Eq. 3-5.
    """

    params_per_element = None
    event_argument = None
    roles = ()

    def __init__(
        self,
        made: AutoregressiveNetwork,
        convert_to_tensor_fn: str | Callable = "sample",
        **kwargs: Unpack[DistributionOptions],
    ):
        super().__init__((), convert_to_tensor_fn, **kwargs)
        if made.params != 2:
            raise UserError(f"a flow takes 2 parameters for each input, made.params={made.params}")
        self.made = made

    def __call__(self, inputs, *args, **kwargs):
        """Calls the layer; Keras takes no plain distribution as a positional argument."""
        if isinstance(inputs, tfd.Distribution) and not isinstance(inputs, TensorDistribution):
            inputs = TensorDistribution(inputs, converter("sample"))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        """Builds the network."""
        if not self.made.built:
            self.made.build(input_shape)

    def call(self, inputs, conditional_input: tf.Tensor | None = None):
        """Returns the transformed distribution, or the transformed tensor.

        Args:
            inputs: Distribution of event shape `[D]`, or a tensor `[*batch, D]`.
            conditional_input: `[*batch, C]`, where the network is conditional.

        Returns:
            The same kind as the input.
        """
        flow = tfb.MaskedAutoregressiveFlow(
            lambda x: tf.unstack(self.made(x, conditional_input), num=2, axis=-1)
        )
        if not isinstance(inputs, tfd.Distribution):
            return flow.forward(inputs)
        return self.wrap(
            tfd.TransformedDistribution(concrete(inputs), flow, validate_args=self.validate_args)
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "made": keras.saving.serialize_keras_object(self.made)}
