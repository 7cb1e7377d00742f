"""A posterior that a chain of Sylvester maps makes flexible."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import keras
import tensorflow as tf

from tfvae.errors import UserError, unknown_name
from tfvae.layers.flow_posterior import FlowPosterior, FlowStep
from tfvae.layers.monotone import MIN_SLOPE
from tfvae.layers.orthonormal import gram_schmidt, reflected
from tfvae.layers.sizes import count_of
from tfvae.layers.sylvester_step import SylvesterStep
from tfvae.options.bounds import Count, Depth, Positive
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["SylvesterFlow"]

ROTATIONS = ("orthogonal", "householder", "triangular")


@keras.saving.register_keras_serializable(package="tfvae")
class SylvesterFlow(FlowPosterior):
    """A normal sent through Sylvester maps, planar flows of m directions at once, functions of x.

    z₀ = μ + σ₀ ε, and for each step z = z + Q R tanh(R̃ Qᵀz + b), where Q has m orthonormal columns
    and R, R̃ are upper triangles. log |det| = Σ_i log(1 + r_ii r̃_ii tanh'(R̃ Qᵀz + b)_i), as
    det(I_d + AB) = det(I_m + BA). The steps are invertible, as r_ii r̃_ii > −1: both diagonals are
    tanh of a parameter times just below 1. The inverse takes m scalar equations, one after the
    other, so any z has a density.

    - `"orthogonal"`: Q is a matrix of parameters made orthonormal. The paper iterates; here it is
      the QR decomposition, exact whatever the matrix, of the parameters plus the identity.
    - `"householder"`: m = d, Q is a product of reflections.
    - `"triangular"`: m = d, Q is the identity and the reversal of the elements in turn.

    The parameters are μ, the raw σ₀, and for each step R and R̃ (m² + m), b (m) and those of Q:
    d m, `reflections` d, or none.

    Args:
        event_size: Number of elements of z, d.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        rotation: `"orthogonal"`, `"householder"` or `"triangular"`.
        steps: Number of steps.
        directions: m of an orthogonal flow; None: event_size, at most 16.
        reflections: Of each step of a Householder flow.
        min_scale: The smallest σ₀: the density is unbounded as σ₀ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = SylvesterFlow(3, rotation="triangular", steps=2)
        >>> layer.params_size
        36
        >>> q = layer(tf.zeros([5, 36]))
        >>> q.log_prob(q.sample(2)).shape
        TensorShape([2, 5])

    References:
        van den Berg et al., "Sylvester Normalizing Flows for Variational Inference", 2018, Eq. 9,
        10 and 13-19.
    """

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        rotation: Literal["orthogonal", "householder", "triangular"] = "orthogonal",
        steps: Depth = 4,
        directions: Count | None = None,
        reflections: Count = 8,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_size,
            convert_to_tensor_fn,
            validate_args,
            steps=steps,
            min_scale=min_scale,
            **kwargs,
        )
        if rotation not in ROTATIONS:
            raise unknown_name("rotation", rotation, ROTATIONS)
        if directions is not None and rotation != "orthogonal":
            raise UserError(f"directions: a {rotation} flow has event_size of them, leave it out")
        if directions is not None and count_of("directions", directions) > self.event_size:
            raise UserError(
                f"directions takes an integer up to event_size={self.event_size}, got {directions}"
            )
        self.rotation = rotation
        self.directions = directions
        self.reflections = count_of("reflections", reflections)
        few = min(self.event_size, 16) if directions is None else int(directions)
        self._columns = few if rotation == "orthogonal" else self.event_size

    def _sizes(self) -> list[int]:
        """Sizes of the parts of one step: two triangles in a square, a diagonal, b and Q."""
        m, d = self._columns, self.event_size
        of_q = {"orthogonal": d * m, "householder": d * self.reflections, "triangular": 0}
        return [m * m, m, m, of_q[self.rotation]]

    def flow_params_size(self) -> int:
        """Number of parameters of all steps."""
        return self.steps * sum(self._sizes())

    def make_steps(self, params: tf.Tensor) -> list[FlowStep]:
        """Makes the Sylvester maps."""
        return [
            self._step(i, *parts) for i, parts in enumerate(self.each_step(params, self._sizes()))
        ]

    def _step(self, i: int, square, diagonal, b, raw) -> SylvesterStep:
        square = self._matrix(square, self._columns)
        below = math.sqrt(1 - MIN_SLOPE)
        r, r_tilde = (
            tf.linalg.set_diag(tf.linalg.band_part(triangle, 0, -1), below * tf.tanh(entries))
            for triangle, entries in (
                (square, tf.linalg.diag_part(square)),
                (tf.linalg.matrix_transpose(square), diagonal),
            )
        )
        q = None
        if self.rotation == "orthogonal":
            q = gram_schmidt(self._matrix(raw, self._columns))
        elif self.rotation == "householder":
            q = reflected(self._matrix(raw, self.event_size))
        return SylvesterStep(q, r, r_tilde, b, backwards=bool(i % 2))

    @staticmethod
    def _matrix(params: tf.Tensor, columns: int) -> tf.Tensor:
        """Parameters as the rows of a matrix, `[*batch, rows, columns]`."""
        rows = params.shape[-1] // columns
        shape = tf.concat([tf.shape(params)[:-1], [rows, columns]], axis=0)
        return tf.ensure_shape(tf.reshape(params, shape), [*params.shape[:-1], rows, columns])

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("rotation", "directions", "reflections")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
