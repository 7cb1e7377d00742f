"""A posterior that couplings of splines make flexible: the neural spline flow."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers.coupling_flow import CouplingFlow, ElementMap
from tfvae.layers.rational_quadratic import RationalQuadratic
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["SplineCouplingFlow"]

MIN_SHARE = 1e-3  # of the interval, of a bin; and the smallest slope at a knot
_ONE = math.log(math.expm1(1 - MIN_SHARE))


@keras.saving.register_keras_serializable(package="tfvae")
class SplineCouplingFlow(CouplingFlow):
    """The neural spline flow: half of z goes through splines that the other half decides.

    z = μ + σ f_T(… f_1(ε)); in each step a network makes of one half of the elements, and of the
    context h, a function of x, for each element of the other half a monotone rational-quadratic
    spline: K bins on [−B, B] with their widths, heights and the slopes at the inner knots; beyond
    the interval it is the identity.

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
        bins: K.
        bound: B, in standard deviations of ε.
        min_scale: The smallest σ: the density is unbounded as σ → 0.
        kernel_initializer: Keras initializer of the networks; None: `VarianceScaling(0.1)`,
            small weights, with which each step begins close to the identity.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = SplineCouplingFlow(3, context_size=8)
        >>> layer.params_size
        14
        >>> q = layer(tf.zeros([5, 14]))
        >>> q.log_prob(tf.zeros([2, 5, 3])).shape
        TensorShape([2, 5])

    References:
        Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", 2019, Eq. 4-8.
    """

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
        bins: Count = 8,
        bound: Positive = 4.0,
        min_scale: Positive = 1e-3,
        kernel_initializer=None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_size, convert_to_tensor_fn, validate_args, steps=steps, hidden=hidden,
            context_size=context_size, activation=activation, min_scale=min_scale,
            kernel_initializer=kernel_initializer, **kwargs,
        )  # fmt: skip
        self.bins = count_of("bins", bins, least=2)
        if not bound > 0:
            raise UserError(f"bound takes a number above 0, got {bound!r}")
        if self.bins * MIN_SHARE > 0.5:
            raise UserError(f"bins takes an integer up to {int(0.5 / MIN_SHARE)}, got {bins!r}")
        self.bound = bound

    @property
    def params_per_map(self) -> int:
        """Number of parameters of a spline: K widths, K heights and K − 1 slopes."""
        return 3 * self.bins - 1

    def _lengths(self, raw: tf.Tensor) -> tf.Tensor:
        """Lengths of the bins, which fill the interval."""
        shares = MIN_SHARE + (1 - self.bins * MIN_SHARE) * tf.nn.softmax(raw, axis=-1)
        return 2 * self.bound * shares

    def make_map(self, params: tf.Tensor) -> ElementMap:
        """Makes the splines of `[*batch, moved, 3 bins − 1]`."""
        sizes = [self.bins, self.bins, self.bins - 1]
        widths, heights, slopes = tf.split(params, sizes, axis=-1)
        slopes = MIN_SHARE + tf.math.softplus(slopes + _ONE)
        return RationalQuadratic(self._lengths(widths), self._lengths(heights), slopes, self.bound)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "bins": self.bins, "bound": self.bound}
