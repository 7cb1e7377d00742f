"""A prior that does not learn: a distribution of tfp as it stands."""

from __future__ import annotations

import keras
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.errors import UserError
from tfvae.layers.tfp_objects import deserialize_tfp, serialize_tfp
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["Fixed"]


@keras.saving.register_keras_serializable(package="tfvae")
class Fixed(Prior):
    """p(z) = a given `tfd.Distribution`: what `VAE(prior=...)` makes of one.

    Args:
        distribution: A distribution of tfp, of batch shape `[]`, without variables.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If it has variables, which would not be trained, a batch shape, or cannot be
            saved.

    Example:
        >>> prior = Fixed(tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 3.0]))
        >>> prior().stddev().numpy()
        array([1., 3.], dtype=float32)

    References:
        Dillon et al., "TensorFlow Distributions", 2017 (the distributions).
    """

    def __init__(self, distribution: tfd.Distribution, **kwargs: Unpack[LayerOptions]):
        distribution = concrete(distribution)
        if not isinstance(distribution, tfd.Distribution):
            raise UserError(f"distribution takes a tfd.Distribution, got {distribution!r}")
        name, own = distribution.name, "write a tfvae.priors.Prior, which makes it in `call`"
        if distribution.variables:
            raise UserError(f"{name} as a prior holds variables, which nobody would train: {own}")
        if distribution.batch_shape.rank != 0:
            raise UserError(
                f"{name} as a prior has batch shape {tuple(distribution.batch_shape)}: wrap it in "
                "tfd.Independent, one event is one z"
            )
        try:
            self._saved = serialize_tfp(distribution)
        except UserError as error:
            raise UserError(f"{name} as a prior cannot be saved ({error}): {own}") from None
        super().__init__(tuple(distribution.event_shape), **kwargs)
        self._distribution = distribution

    def call(self, context=None) -> tfd.Distribution:
        """The distribution; a context does not change it."""
        return self._distribution

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("event_shape")
        return {**config, "distribution": self._saved}

    @classmethod
    def from_config(cls, config: dict) -> Fixed:
        """Makes the prior of its configuration."""
        return cls(**{**config, "distribution": deserialize_tfp(config["distribution"])})
