"""One Sylvester map: a planar map of several directions at once."""

from __future__ import annotations

import tensorflow as tf

from tfvae.layers.monotone import slope_at, straightened

__all__ = ["SylvesterStep"]


class SylvesterStep:
    """z + Q R tanh(a), a = R̃ Qᵀz + b, with m orthonormal columns Q and upper triangles R, R̃.

    Args:
        q: Q, `[*batch, d, m]`; None: the identity.
        r: R, `[*batch, m, m]`.
        r_tilde: R̃, `[*batch, m, m]`; with the diagonals r and r̃ of the two, 1 + r r̃ is above 0.
        b: `[*batch, m]`.
        backwards: Whether Q is the permutation that reverses the elements, where it is None.
    """

    def __init__(
        self,
        q: tf.Tensor | None,
        r: tf.Tensor,
        r_tilde: tf.Tensor,
        b: tf.Tensor,
        *,
        backwards: bool = False,
    ):
        self.q, self.r, self.r_tilde, self.b, self.backwards = q, r, r_tilde, b, backwards
        self.slope = 1 + tf.linalg.diag_part(r) * tf.linalg.diag_part(r_tilde)

    def _turned(self, z: tf.Tensor) -> tf.Tensor:
        """Qᵀz, `[*batch, m]`."""
        if self.q is None:
            return tf.reverse(z, axis=[-1]) if self.backwards else z
        return tf.linalg.matvec(self.q, z, transpose_a=True)

    def _turned_back(self, y: tf.Tensor) -> tf.Tensor:
        """Q y, `[*batch, d]`."""
        if self.q is None:
            return tf.reverse(y, axis=[-1]) if self.backwards else y
        return tf.linalg.matvec(self.q, y)

    def _moved(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """R tanh(a) and a."""
        a = tf.linalg.matvec(self.r_tilde, y) + self.b
        return tf.linalg.matvec(self.r, tf.tanh(a)), a

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value and the log determinant, that of an upper triangle."""
        moved, a = self._moved(self._turned(z))
        log_det = tf.reduce_sum(tf.math.log(slope_at(a, self.slope)), axis=-1)
        return z + self._turned_back(moved), log_det

    def inverse(self, z: tf.Tensor) -> tf.Tensor:
        """What the step makes z of.

        y = Qᵀ(its argument) solves y + R tanh(R̃ y + b) = Qᵀz, from the last element to the first
        with one scalar equation each. A step of Newton's method at the solution has the
        solution's gradients.
        """
        value = self._turned(z)
        y = self._solved(value)
        moved, a = self._moved(y)
        bend = 1 - tf.square(tf.tanh(a))
        jacobian = tf.linalg.matmul(self.r * bend[..., tf.newaxis, :], self.r_tilde)
        jacobian = tf.stop_gradient(jacobian + tf.eye(y.shape[-1], dtype=y.dtype))
        residual = (y + moved - value)[..., tf.newaxis]
        y -= tf.squeeze(tf.linalg.triangular_solve(jacobian, residual, lower=False), axis=-1)
        return z - self._turned_back(self._moved(y)[0])

    def _solved(self, value: tf.Tensor) -> tf.Tensor:
        """The solution y for a value, without gradients."""
        r, r_tilde, b, slope, value = map(
            tf.stop_gradient, (self.r, self.r_tilde, self.b, self.slope, value)
        )
        last = value.shape[-1] - 1

        def element(i, y, bent):
            row, row_tilde = tf.gather(r, i, axis=-2), tf.gather(r_tilde, i, axis=-2)
            # What the elements behind contribute: y and tanh(a) are zero from here on.
            rest = tf.gather(value, i, axis=-1) - tf.reduce_sum(row * bent, axis=-1)
            start = tf.gather(b, i, axis=-1) + tf.reduce_sum(row_tilde * y, axis=-1)
            factor, factor_tilde = tf.gather(row, i, axis=-1), tf.gather(row_tilde, i, axis=-1)
            one = tf.gather(slope, i, axis=-1)
            here = tf.tanh(straightened(factor_tilde * rest + start, one))
            mask = tf.one_hot(i, last + 1, dtype=y.dtype)
            y += (rest - factor * here)[..., tf.newaxis] * mask
            return i - 1, y, bent + here[..., tf.newaxis] * mask

        zeros = tf.zeros_like(value)
        y = tf.while_loop(lambda i, *_: i >= 0, element, (last, zeros, zeros))[1]
        return tf.stop_gradient(y)
