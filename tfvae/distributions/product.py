"""Independent distributions of several kinds, beside each other in one vector."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete

tfd = tfp.distributions

__all__ = ["Product"]


class Product(tfd.Distribution):
    """p(z) = Π_i p_i(z_i), where z is the z_i one behind the other, each flat.

    Mean, standard deviation, entropy and KL(q ‖ p) = Σ_i KL(q_i ‖ p_i) are those of the parts.

    Args:
        parts: The distributions, of one dtype and of batch shapes that broadcast.
        name: Name of the distribution.

    Example:
        >>> normal = tfd.MultivariateNormalDiag(tf.zeros(1))
        >>> Product([normal, tfd.OneHotCategorical(tf.zeros(3), dtype=tf.float32)]).event_shape
        TensorShape([4])
    """

    def __init__(self, parts: Sequence[tfd.Distribution], name: str = "Product"):
        self._parts = [concrete(part) for part in parts]
        self._sizes = [math.prod(part.event_shape) for part in self._parts]
        kinds = {part.reparameterization_type for part in self._parts}
        passes = kinds == {tfd.FULLY_REPARAMETERIZED}
        super().__init__(
            dtype=self._parts[0].dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED
            if passes
            else tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={"parts": parts, "name": name},
            name=name,
        )

    @property
    def parts(self) -> list[tfd.Distribution]:
        """The distributions that it is made of."""
        return list(self._parts)

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Takes `[..., size]` apart into the parts' values, `[..., *event]` each."""
        pieces = tf.split(z, self._sizes, axis=-1)
        lead = tf.shape(z)[:-1]
        return [
            tf.ensure_shape(
                tf.reshape(piece, tf.concat([lead, part.event_shape], axis=0)),
                z.shape[:-1].concatenate(part.event_shape),
            )
            for part, piece in zip(self._parts, pieces, strict=True)
        ]

    def _joined(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """One vector of the values of all parts."""
        flat = [
            tf.reshape(v, tf.concat([tf.shape(v)[: v.shape.rank - len(p.event_shape)], [n]], 0))
            for v, p, n in zip(values, self._parts, self._sizes, strict=True)
        ]
        lead = functools.reduce(tf.broadcast_dynamic_shape, [tf.shape(v)[:-1] for v in flat])
        return tf.concat(
            [
                tf.broadcast_to(v, tf.concat([lead, [n]], axis=0))
                for v, n in zip(flat, self._sizes, strict=True)
            ],
            axis=-1,
        )

    def _batch_shape(self):
        shapes = [part.batch_shape for part in self._parts]
        return functools.reduce(tf.broadcast_static_shape, shapes)

    def _batch_shape_tensor(self):
        shapes = [part.batch_shape_tensor() for part in self._parts]
        return functools.reduce(tf.broadcast_dynamic_shape, shapes)

    def _event_shape(self):
        return tf.TensorShape([sum(self._sizes)])

    def _event_shape_tensor(self):
        return tf.constant([sum(self._sizes)])

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, n=len(self._parts))
        draws = []
        for part, own in zip(self._parts, seeds, strict=True):
            if part.batch_shape != self.batch_shape:  # or a draw would serve a whole batch
                part = tfd.BatchBroadcast(part, self._batch_shape_tensor())
            draws.append(part.sample(n, seed=own))
        return self._joined(draws)

    def _log_prob(self, z):
        pairs = zip(self._parts, self.split(z), strict=True)
        return sum(part.log_prob(piece) for part, piece in pairs)

    def _entropy(self):
        return sum(part.entropy() for part in self._parts)

    def _mean(self):
        return self._joined([part.mean() for part in self._parts])

    def _mode(self):
        return self._joined([part.mode() for part in self._parts])

    def _stddev(self):
        return self._joined([part.stddev() for part in self._parts])

    def _variance(self):
        return self._joined([part.variance() for part in self._parts])


@tfd.RegisterKL(Product, Product)
def _kl(q: Product, p: Product, name: str | None = None) -> tf.Tensor:
    """KL(q ‖ p) = Σ_i KL(q_i ‖ p_i)."""
    shapes = [[part.event_shape for part in one.parts] for one in (q, p)]
    if shapes[0] != shapes[1]:
        raise NotImplementedError(f"products of parts of other shapes: {shapes}")
    with tf.name_scope(name or "kl_product"):
        return sum(tfd.kl_divergence(a, b) for a, b in zip(q.parts, p.parts, strict=True))
