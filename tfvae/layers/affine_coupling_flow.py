"""A posterior that affine couplings make flexible: real NVP."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers.coupling_flow import Affine, CouplingFlow, ElementMap
from tfvae.options.bounds import Count, Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["AffineCouplingFlow"]


@keras.saving.register_keras_serializable(package="tfvae")
class AffineCouplingFlow(CouplingFlow):
    """Real NVP as a posterior: half of z is scaled and shifted by what the other half decides.

    z = μ + σ f_T(… f_1(ε)); in each step a network makes (t, s) of one half of the elements, y_a,
    and of the context h, a function of x: y_b = e^s y_b + t, with |s| below `max_log_scale`.
    log q(z|x) = log N(ε) − Σ_steps Σ_j s_j − Σ_j log σ_j.

    The parameters are μ, the raw σ and h, in this order: 2 event_size + context_size. A draw
    takes one pass of each network and its density nothing more, that of any other z two passes.

    Args:
        event_size: Number of elements of z.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        steps: Number of couplings: two change every element once.
        hidden: Units of the hidden layers of each network.
        context_size: Size of h.
        activation: Keras activation of the hidden layers.
        max_log_scale: Bound of |s|, which is max_log_scale tanh(raw / max_log_scale).
        min_scale: The smallest σ: the density is unbounded as σ → 0.
        kernel_initializer: Keras initializer of the networks; None: `VarianceScaling(0.1)`,
            small weights, with which each step begins close to the identity.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = AffineCouplingFlow(3, context_size=8)
        >>> layer.params_size
        14
        >>> q = layer(tf.zeros([5, 14]))
        >>> q.log_prob(tf.zeros([2, 5, 3])).shape
        TensorShape([2, 5])

    References:
        Dinh, Sohl-Dickstein, Bengio, "Density Estimation using Real NVP", 2017, Eq. 4-8.
    """

    params_per_map = 2

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        steps: Depth = 4,
        hidden: Widths = (128,),
        context_size: Count = 64,
        activation: str | Callable = "relu",
        max_log_scale: Positive = 2.0,
        min_scale: Positive = 1e-3,
        kernel_initializer=None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_size, convert_to_tensor_fn, validate_args, steps=steps, hidden=hidden,
            context_size=context_size, activation=activation, min_scale=min_scale,
            kernel_initializer=kernel_initializer, **kwargs,
        )  # fmt: skip
        if not max_log_scale > 0:
            raise UserError(f"max_log_scale takes a number above 0, got {max_log_scale!r}")
        self.max_log_scale = max_log_scale

    def make_map(self, params: tf.Tensor) -> ElementMap:
        """Makes the shift and scale of `[*batch, moved, 2]`."""
        shift, raw = tf.unstack(params, num=2, axis=-1)
        log_scale = self.max_log_scale * tf.tanh(raw / self.max_log_scale)
        return Affine(shift, log_scale)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "max_log_scale": self.max_log_scale}
