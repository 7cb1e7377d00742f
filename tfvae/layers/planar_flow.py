"""A posterior that a chain of planar maps makes flexible."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.layers.flow_posterior import FlowPosterior, FlowStep
from tfvae.layers.monotone import bent, slope_at, slope_of, straightened

__all__ = ["PlanarFlow"]


class _Plane:
    """z + û tanh(wᵀz + b), with wᵀû = s − 1.

    Args:
        u: `[*batch, d]`; its part along w is moved such that s, the slope across the plane, is
            above 0.
        w: Normal of the plane, `[*batch, d]`.
        b: Offset of the plane, `[*batch, 1]`.
    """

    def __init__(self, u: tf.Tensor, w: tf.Tensor, b: tf.Tensor):
        along = tf.reduce_sum(w * u, axis=-1, keepdims=True)
        square = tf.reduce_sum(tf.square(w), axis=-1, keepdims=True)
        self.slope = slope_of(along)
        # Where w is zero, so is wᵀu, and nothing has to be moved.
        some = square > 1e-30
        shift = tf.where(some, (self.slope - 1 - along) / tf.where(some, square, 1.0), 0.0)
        self.u, self.w, self.b = u + shift * w, w, b

    def _height(self, z: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.w * z, axis=-1, keepdims=True) + self.b

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value and the log determinant."""
        a = self._height(z)
        log_det = tf.math.log(slope_at(a, self.slope))
        return z + self.u * tf.tanh(a), tf.squeeze(log_det, axis=-1)

    def inverse(self, z: tf.Tensor) -> tf.Tensor:
        """What the step makes z of: a = wᵀ(its argument) + b solves a + (s − 1) tanh a = wᵀz + b.

        A step of Newton's method at the solution has the solution's gradients.
        """
        value = self._height(z)
        a = straightened(value, self.slope)
        a -= (bent(a, self.slope) - value) / tf.stop_gradient(slope_at(a, self.slope))
        return z - self.u * tf.tanh(a)


@keras.saving.register_keras_serializable(package="tfvae")
class PlanarFlow(FlowPosterior):
    """A normal sent through planar maps, whose parameters are functions of x.

    z₀ = μ + σ₀ ε, and for each step z = z + û tanh(wᵀz + b): what lies around the plane wᵀz + b = 0
    is contracted or expanded across it. log |det| = log(1 + wᵀû (1 − tanh²(wᵀz + b))).

    The steps are invertible, as û = u + (m(wᵀu) − wᵀu) w / |w|² has wᵀû = m(wᵀu) > −1. The paper's
    m is softplus(a) − 1; here m(a) = softplus(a + c) − 1 + 10⁻³ with m(0) = 0, so that a step of
    small parameters is close to the identity. The inverse takes the root of one scalar equation,
    so any z has a density.

    The parameters are μ, the raw σ₀, and for each step u, w and b, in this order:
    2 event_size + steps (2 event_size + 1).

    Args:
        event_size: Number of elements of z.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        steps: Number of steps.
        min_scale: The smallest σ₀: the density is unbounded as σ₀ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = PlanarFlow(3, steps=2)
        >>> layer.params_size
        20
        >>> q = layer(tf.zeros([5, 20]))
        >>> q.log_prob(q.sample(2)).shape
        TensorShape([2, 5])

    References:
        Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015, Eq. 10-12 and
        Appendix A.1.
    """

    def flow_params_size(self) -> int:
        """Number of parameters of all steps: steps (2 event_size + 1)."""
        return self.steps * (2 * self.event_size + 1)

    def make_steps(self, params: tf.Tensor) -> list[FlowStep]:
        """Makes the planar maps."""
        sizes = [self.event_size, self.event_size, 1]
        return [_Plane(u, w, b) for u, w, b in self.each_step(params, sizes)]
