"""A categorical over one-hot vectors, and over nothing else."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_one_hot, zero_outside

tfd = tfp.distributions

__all__ = ["ExactOneHot"]


class ExactOneHot(tfd.OneHotCategorical):
    """tfp's categorical over one-hot vectors, with probability 0 for all other vectors.

    tfp's is x·log p for any x: probability 1 for a vector of zeros.

    Args:
        logits: `[..., categories]`; or None.
        probs: Probabilities instead.
        dtype: Data type of the samples.
        validate_args: Whether tfp checks values at run time.
        allow_nan_stats: As in tfp.
        name: Name of the distribution.
    """

    def _log_prob(self, x):
        # Any one-hot vector is safe: the first axis.
        safe = tf.one_hot(0, x.shape[-1], dtype=x.dtype)
        return zero_outside(are_one_hot(x), x, safe, super()._log_prob)
