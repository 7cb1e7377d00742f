"""A posterior that a chain of radial maps makes flexible."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.layers.base import positive
from tfvae.layers.flow_posterior import FlowPosterior, FlowStep
from tfvae.layers.monotone import slope_of

__all__ = ["RadialFlow"]


class _Ball:
    """z + β (z − z₀) / (α + r), r = |z − z₀|, with β = α (s − 1): s is the slope at the centre.

    Args:
        center: z₀, `[*batch, d]`.
        radius: α above 0, `[*batch, 1]`.
        slope: s above 0, `[*batch, 1]`.
    """

    def __init__(self, center: tf.Tensor, radius: tf.Tensor, slope: tf.Tensor):
        self.center, self.radius, self.slope = center, radius, slope

    def _from_center(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The way z − z₀ and its length, whose gradient at the centre is zero."""
        way = z - self.center
        square = tf.reduce_sum(tf.square(way), axis=-1, keepdims=True)
        some = square > 0
        return way, tf.where(some, tf.sqrt(tf.where(some, square, 1.0)), 0.0)

    def _stretch(self, r: tf.Tensor) -> tf.Tensor:
        """1 + β / (α + r): how much farther from the centre the value is than its argument."""
        return (r + self.radius * self.slope) / (r + self.radius)

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value and the log determinant."""
        way, r = self._from_center(z)
        stretch, near = self._stretch(r), tf.square(self.radius / (r + self.radius))
        along = 1 - near + self.slope * near  # 1 + β α / (α + r)²
        log_det = (z.shape[-1] - 1) * tf.math.log(stretch) + tf.math.log(along)
        return self.center + stretch * way, tf.squeeze(log_det, axis=-1)

    def inverse(self, z: tf.Tensor) -> tf.Tensor:
        """What the step makes z of: r is the positive root of r² + (α s − r') r − r' α = 0."""
        way, far = self._from_center(z)
        half = self.radius * self.slope - far
        root = tf.sqrt(tf.square(half) + 4 * far * self.radius)
        # Of the two forms of the root, the one without a difference of what is nearly equal.
        inner = 2 * far * self.radius / (tf.maximum(half, 0.0) + root)
        outer = (tf.maximum(-half, 0.0) + root) / 2
        return self.center + way / self._stretch(tf.where(half > 0, inner, outer))


@keras.saving.register_keras_serializable(package="tfvae")
class RadialFlow(FlowPosterior):
    """A normal sent through radial maps, whose parameters are functions of x.

    z₀ = μ + σ₀ ε, and for each step z = z + β (z − c) / (α + r) with r = |z − c|: what lies around
    the centre c is contracted or expanded. With h = 1 / (α + r),
    log |det| = (d − 1) log(1 + β h) + log(1 + β α h²).

    The steps are invertible, as α = softplus + 10⁻³ and β = α m > −α. The paper's β is
    softplus(b) − α; here m = softplus(b + k) − 1 + 10⁻³ is 0 at b = 0, so that a step of small
    parameters is close to the identity. The inverse is in closed form, so any z has a density.

    The parameters are μ, the raw σ₀, and for each step c, the raw α and b, in this order:
    2 event_size + steps (event_size + 2).

    Args:
        event_size: Number of elements of z.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        steps: Number of steps.
        min_scale: The smallest σ₀: the density is unbounded as σ₀ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = RadialFlow(3, steps=2)
        >>> layer.params_size
        16
        >>> q = layer(tf.zeros([5, 16]))
        >>> q.log_prob(q.sample(2)).shape
        TensorShape([2, 5])

    References:
        Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015, Eq. 14 and
        Appendix A.2.
    """

    def flow_params_size(self) -> int:
        """Number of parameters of all steps: steps (event_size + 2)."""
        return self.steps * (self.event_size + 2)

    def make_steps(self, params: tf.Tensor) -> list[FlowStep]:
        """Makes the radial maps."""
        return [
            _Ball(center, positive(raw, 1e-3), slope_of(b))
            for center, raw, b in self.each_step(params, [self.event_size, 1, 1])
        ]
