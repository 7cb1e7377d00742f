"""A categorical distribution over integer levels, taken and given as numbers."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_levels, zero_outside

tfd = tfp.distributions

__all__ = ["LevelsCategorical"]


class LevelsCategorical(tfd.Categorical):
    """A categorical over the levels 0 .. levels − 1, taken and given as numbers.

    Other numbers have probability 0; tfp's rounds down what is between, and fails at the rest.

    Args:
        logits: Tensor `[..., levels]`.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.

    Attributes:
        levels: Number of levels.
    """

    def __init__(self, logits, validate_args=False, name="LevelsCategorical"):
        parameters = dict(locals())
        logits = tf.convert_to_tensor(logits)
        super().__init__(logits=logits, dtype=logits.dtype, validate_args=validate_args, name=name)
        self._parameters = parameters

    @property
    def levels(self) -> int:
        """Number of levels."""
        return self.logits.shape[-1]

    def _log_prob(self, x):
        x = tf.convert_to_tensor(x)
        inside = are_levels(tf.cast(x, self.logits.dtype), self.levels)
        return zero_outside(inside, x, 0, super()._log_prob)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"logits": tfp.util.ParameterProperties(event_ndims=1)}
