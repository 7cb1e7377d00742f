"""Estimates of the evidence with many samples, in memory bounded by a chunk of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from tfvae.batches import as_float
from tfvae.distribute import as_seed, fold_in
from tfvae.divergences import distortion_and_rates, log_importance_weights
from tfvae.errors import UserError

__all__ = ["Estimators"]

CHUNK_ELEMENTS = 2**22


class Estimators:
    """The compiled estimates of a model.

    Args:
        model: The model, `model(x, context=..., samples=K, seed=...)` -> `VAEOutput`.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._compiled: dict[tuple[str, int], Callable] = {}

    def elbo(self, x, samples: int, seed, context, chunk: int | None) -> tf.Tensor:
        """See `VAE.elbo`."""
        parts = self._in_chunks("elbo", x, samples, seed, context, chunk)
        return tf.add_n([size * elbo for size, elbo in parts]) / samples

    def log_prob(self, x, samples: int, seed, context, chunk: int | None) -> tf.Tensor:
        """See `VAE.log_prob`."""
        parts = self._in_chunks("log_prob", x, samples, seed, context, chunk)
        return tf.reduce_logsumexp([total for _, total in parts], axis=0) - math.log(samples)

    def _in_chunks(
        self, estimate: str, x, samples: int, seed, context, chunk: int | None
    ) -> Iterator[tuple[int, tf.Tensor]]:
        for name, value in [("samples", samples), ("chunk", 1 if chunk is None else chunk)]:
            if value != int(value) or value < 1:
                raise UserError(f"{name} takes an integer from 1, got {value!r}")
        x, seed = as_float(x), as_seed(seed)
        chunk = min(samples, chunk or max(1, CHUNK_ELEMENTS // max(1, math.prod(x.shape))))
        sizes = [chunk] * (samples // chunk) + [samples % chunk] * (samples % chunk > 0)
        for i, size in enumerate(sizes):
            yield size, self._function(estimate, size)(x, context, fold_in(seed, i))

    def _function(self, estimate: str, samples: int) -> Callable:
        """The compiled estimate with so many samples at once: `(x, context, seed) -> [batch]`."""

        def log_prob(x, context, seed):
            output = self._model(x, context=context, samples=samples, seed=seed)
            return tf.reduce_logsumexp(log_importance_weights(x, output), axis=0)

        def elbo(x, context, seed):
            output = self._model(x, context=context, samples=samples, seed=seed)
            distortion, rates = distortion_and_rates(x, output)
            return -distortion - tf.add_n(rates)

        # A partial: of a plain def, TensorFlow counts the traces over all models and numbers of
        # samples together, and warns of retracing.
        function = functools.partial({"log_prob": log_prob, "elbo": elbo}[estimate])
        return self._compiled.setdefault(
            (estimate, samples), tf.function(function, reduce_retracing=True, autograph=False)
        )
