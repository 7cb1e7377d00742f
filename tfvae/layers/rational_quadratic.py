"""Monotone rational-quadratic splines: the maps of the neural spline flow."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["RationalQuadratic"]


class RationalQuadratic:
    """Splines on [−B, B] that are the identity beyond, one for each element.

    In a bin of width w and height v, with s = v / w, slopes δ₀ and δ₁ at its ends and ξ the place
    in it from 0 to 1, the value is y₀ + v (s ξ² + δ₀ ξ(1 − ξ)) / (s + (δ₁ + δ₀ − 2s) ξ(1 − ξ)).

    Args:
        widths: Of the K bins, `[*batch, K]`, above 0 and of the sum 2 B.
        heights: Likewise.
        slopes: At the knots between bins, `[*batch, K − 1]`, above 0; at the ends they are 1.
        bound: B.

    Example:
        >>> four, one = tf.constant([[4.0, 4.0]]), tf.constant([[1.0]])
        >>> RationalQuadratic(four, four, one, 4.0).forward(tf.constant([0.5]))[0].numpy()
        array([0.5], dtype=float32)

    References:
        Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", 2019, Eq. 4-8.
    """

    def __init__(self, widths: tf.Tensor, heights: tf.Tensor, slopes: tf.Tensor, bound: float):
        self._bound = bound
        # Where each bin begins; the last ends at B, whatever the rounding of the sum.
        self._x, self._y = (
            tf.cumsum(lengths, axis=-1, exclusive=True) - bound for lengths in (widths, heights)
        )
        ends = tf.ones_like(widths[..., :1])
        self._bins = tf.stack(
            [
                *(self._x, widths, self._y, heights),
                *(tf.concat([ends, slopes], axis=-1), tf.concat([slopes, ends], axis=-1)),
            ],
            axis=-1,
        )

    def _at(self, value: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Whether values are on [−B, B], themselves or 0, and the six numbers of their bins."""
        inside = tf.abs(value) < self._bound
        value = tf.where(inside, value, tf.zeros_like(value))
        passed = tf.cast(value[..., tf.newaxis] >= starts[..., 1:], value.dtype)
        ones = tf.ones_like(passed[..., :1])
        # 1 at the last bin that has begun: a product with it has no gather in its gradient.
        here = tf.concat([ones, passed], axis=-1) - tf.concat([passed, 0 * ones], axis=-1)
        numbers = tf.reduce_sum(here[..., tf.newaxis] * self._bins, axis=-2)
        return inside, value, *tf.unstack(numbers, num=6, axis=-1)

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value, and the logarithm of the slope, of each element."""
        inside, safe, x0, width, y0, height, d0, d1 = self._at(x, self._x)
        s, place = height / width, (safe - x0) / width
        rest = place * (1 - place)
        below = s + (d1 + d0 - 2 * s) * rest
        y = y0 + height * (s * place**2 + d0 * rest) / below
        above = d1 * place**2 + 2 * s * rest + d0 * (1 - place) ** 2
        log_slope = 2 * tf.math.log(s) + tf.math.log(above) - 2 * tf.math.log(below)
        return tf.where(inside, y, x), tf.where(inside, log_slope, tf.zeros_like(y))

    def inverse(self, y: tf.Tensor) -> tf.Tensor:
        """What `forward` makes y of: the root of a quadratic, in the form that does not cancel."""
        inside, safe, x0, width, y0, height, d0, d1 = self._at(y, self._y)
        s, rise = height / width, safe - y0
        bend = rise * (d1 + d0 - 2 * s)
        a, b, c = height * (s - d0) + bend, height * d0 - bend, -s * rise
        root = tf.sqrt(tf.maximum(b * b - 4 * a * c, 0.0))
        # Where b is negative, a is above 0, as a + b = height s.
        turned = b < 0
        place = tf.where(
            turned,
            (tf.abs(b) + root) / (2 * tf.where(turned, a, tf.ones_like(a))),
            -2 * c / (tf.abs(b) + root),
        )
        return tf.where(inside, x0 + place * width, y)
