"""Estimates of the evidence with many samples, in memory bounded by a chunk of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from tfvae.data.batches import as_float
from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.divergences import log_importance_weights
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import VAEOutput
from tfvae.errors import UserError

__all__ = ["Estimators"]

# Elements of x that are decoded at once: as many as a core's cache holds, or a GPU needs.
CHUNK_ELEMENTS = {"CPU": 2**19, "GPU": 2**23}
UNKNOWN_BATCH = 128  # examples, where a graph does not say how many
SIDE_BY_SIDE = 2  # chunks: parts of one graph that do not wait for each other fill two cores


def _sum_of_elbos(x: tf.Tensor, output: VAEOutput, samples: int) -> tf.Tensor:
    return samples * elbo(x, output).elbo


def _log_sum_of_weights(x: tf.Tensor, output: VAEOutput, samples: int) -> tf.Tensor:
    return tf.reduce_logsumexp(log_importance_weights(x, output), axis=0)


def _log_add(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.reduce_logsumexp(tf.stack([a, b]), axis=0)


# What a chunk gives, how two of them are put together, and what they start from.
ESTIMATES = {
    "elbo": (_sum_of_elbos, tf.add, 0.0),
    "log_prob": (_log_sum_of_weights, _log_add, -math.inf),
}


class Estimators:
    """The compiled estimates of a model: x is encoded once, its draws are decoded in chunks.

    Args:
        encode: `(x, context, seed=seed) -> ` what the encoder returns.
        complete: `(x, encoded, context, samples, seed) -> VAEOutput`.
        dtype: Data type of the estimates, that of the model's weights.
    """

    def __init__(self, encode: Callable, complete: Callable, dtype: str):
        self._encode = encode
        self._complete = complete
        self._dtype = dtype
        self._compiled: dict[tuple[str, int, int, bool], Callable] = {}

    def elbo(self, x, samples: int, seed, context, chunk: int | None) -> tf.Tensor:
        """See `VAE.elbo`."""
        return self._in_chunks("elbo", x, samples, seed, context, chunk) / samples

    def log_prob(self, x, samples: int, seed, context, chunk: int | None) -> tf.Tensor:
        """See `VAE.log_prob`."""
        return self._in_chunks("log_prob", x, samples, seed, context, chunk) - math.log(samples)

    def log_sum(self, x, every, log_joint: Callable, context, chunk: int | None) -> tf.Tensor:
        """The sum over a z with few values, log p(x) = log Σ_z p(x, z).

        Args:
            x: `[batch, *event]`.
            every: All values of z, `[n, *event of z]`.
            log_joint: `(x, z, context) -> log p(x, z)` for z `[K, batch, *event of z]`.
            context: `[batch, ...]` or None.
            chunk: Values of z that are decoded at once.

        Returns:
            Nats, `[batch]`.
        """
        x, count = as_float(x), len(every)
        chunk = min(count, chunk or _chunk_for(math.prod(n or UNKNOWN_BATCH for n in x.shape)))

        def function(x, context, every):
            batch = tf.shape(x)[:1]

            def add(start, total):
                z = every[start : start + chunk]
                shape = tf.concat([tf.shape(z)[:1], batch, tf.shape(z)[1:]], axis=0)
                z = tf.broadcast_to(z[:, None], shape)
                part = tf.reduce_logsumexp(log_joint(x, z, context), axis=0)
                return start + chunk, _log_add(total, tf.cast(part, self._dtype))

            total = tf.fill(batch, tf.constant(-math.inf, self._dtype))
            return tf.while_loop(
                lambda start, total: start < count,
                add,
                (0, total),
                shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
                parallel_iterations=1,
            )[1]

        compiled = self._compiled.setdefault(
            ("log_sum", chunk, count, True),
            tf.function(functools.partial(function), reduce_retracing=True, autograph=False),
        )
        return compiled(x, context, every)

    def _in_chunks(
        self, estimate: str, x, samples: int, seed, context, chunk: int | None
    ) -> tf.Tensor:
        for name, value in [("samples", samples), ("chunk", 1 if chunk is None else chunk)]:
            if value != int(value) or value < 1:
                raise UserError(f"{name} takes an integer from 1, got {value!r}")
        x = as_float(x)
        chunk = min(samples, chunk or _chunk_for(math.prod(n or UNKNOWN_BATCH for n in x.shape)))
        turns, rest = divmod(int(samples), SIDE_BY_SIDE * int(chunk))
        compiled = self._function(estimate, int(chunk), rest, turns > 0)
        return compiled(x, context, as_seed(seed), tf.constant(turns))

    def _function(self, estimate: str, chunk: int, rest: int, loop: bool) -> Callable:
        """The compiled estimate of some turns and a rest: `(x, context, seed, turns)`.

        A turn is `SIDE_BY_SIDE` chunks; the rest are fewer samples than that. Without turns there
        is no loop, which would be traced for nothing.
        """
        of_chunk, together, start = ESTIMATES[estimate]
        whole, part = divmod(rest, chunk)
        last = [chunk] * whole + [part] * (part > 0)

        def function(x, context, seed, turns):
            encoded = self._encode(x, context, seed=seed)

            def add(turn, total, sizes):
                for i, samples in enumerate(sizes):
                    noise = fold_in(seed, turn * SIDE_BY_SIDE + i)
                    output = self._complete(x, encoded, context, samples, noise)
                    total = together(total, tf.cast(of_chunk(x, output, samples), self._dtype))
                return total

            total = tf.fill(tf.shape(x)[:1], tf.constant(start, self._dtype))
            if loop:
                _, total = tf.while_loop(
                    lambda turn, total: turn < turns,
                    lambda turn, total: (turn + 1, add(turn, total, [chunk] * SIDE_BY_SIDE)),
                    (0, total),
                    shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
                    parallel_iterations=1,
                )
            return add(turns, total, last)

        # A partial: of a plain def, TensorFlow counts the traces over all models and numbers of
        # samples together, and warns of retracing.
        return self._compiled.setdefault(
            (estimate, chunk, rest, loop),
            tf.function(functools.partial(function), reduce_retracing=True, autograph=False),
        )


def _chunk_for(elements: int) -> int:
    """Samples in a chunk, for x of so many elements."""
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return max(1, CHUNK_ELEMENTS[device] // max(1, elements))
