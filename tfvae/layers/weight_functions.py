"""Functions that make distributions of weights for Bayesian layers."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = [
    "LocScale",
    "MeanFieldNormal",
    "default_loc_scale_fn",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
]


def _normal(mean: float, stddev: float):
    # A Keras initializer repeats its values: layers that share one would start equal.
    def initialize(shape, dtype=None):
        return keras.initializers.RandomNormal(mean, stddev)(shape, dtype)

    return initialize


class LocScale:
    """Makes the location and the scale of weights: σ = softplus(s) + ε, with μ and s trained.

    Args:
        is_singular: No scale: the weights are points.
        loc_initializer: Of μ; None: N(0, 0.1²).
        untransformed_scale_initializer: Of s; None: N(−3, 0.1²), which is σ ≈ 0.05.
        loc_regularizer: Keras regularizer of μ.
        untransformed_scale_regularizer: Keras regularizer of s.
        loc_constraint: Keras constraint of μ.
        untransformed_scale_constraint: Keras constraint of s.
    """

    def __init__(
        self,
        is_singular: bool = False,
        loc_initializer=None,
        untransformed_scale_initializer=None,
        loc_regularizer=None,
        untransformed_scale_regularizer=None,
        loc_constraint=None,
        untransformed_scale_constraint=None,
    ):
        self.is_singular = is_singular
        self.loc_initializer = keras.initializers.get(loc_initializer)
        self.untransformed_scale_initializer = keras.initializers.get(
            untransformed_scale_initializer
        )
        self.loc_regularizer = keras.regularizers.get(loc_regularizer)
        self.untransformed_scale_regularizer = keras.regularizers.get(
            untransformed_scale_regularizer
        )
        self.loc_constraint = keras.constraints.get(loc_constraint)
        self.untransformed_scale_constraint = keras.constraints.get(untransformed_scale_constraint)

    def loc_scale(self, dtype, shape, name, trainable, add_variable_fn):
        """Makes `(μ, σ)` of shape `shape`; σ is None where the weights are points."""
        dtype = tf.as_dtype(dtype)
        common = {"shape": shape, "dtype": dtype, "trainable": trainable}
        loc = add_variable_fn(
            name=f"{name}_loc",
            initializer=self.loc_initializer or _normal(0.0, 0.1),
            regularizer=self.loc_regularizer,
            constraint=self.loc_constraint,
            **common,
        )
        if self.is_singular:
            return loc, None
        raw = add_variable_fn(
            name=f"{name}_untransformed_scale",
            initializer=self.untransformed_scale_initializer or _normal(-3.0, 0.1),
            regularizer=self.untransformed_scale_regularizer,
            constraint=self.untransformed_scale_constraint,
            **common,
        )
        return loc, tf.nn.softplus(raw) + np.finfo(dtype.as_numpy_dtype).eps

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = {k: keras.saving.serialize_keras_object(v) for k, v in vars(self).items()}
        return {**config, "is_singular": self.is_singular}

    @classmethod
    def from_config(cls, config: dict) -> LocScale:
        """Makes the function of its configuration."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tfvae")
class LocScaleFn(LocScale):
    """`LocScale` as a function of `(dtype, shape, name, trainable, add_variable_fn)`."""

    __call__ = LocScale.loc_scale


@keras.saving.register_keras_serializable(package="tfvae")
class MeanFieldNormal(LocScale):
    """Makes q(w) = Π_j N(w_j; μ_j, σ_j²), or a point mass at μ where `is_singular`.

    It takes the arguments of `LocScale` and is called by a layer as
    `(dtype, shape, name, trainable, add_variable_fn)`, where `add_variable_fn` makes a weight of
    the layer, or gives the one of that name, as `tf.get_variable` did.

    Example:
        >>> keras.saving.serialize_keras_object(MeanFieldNormal())["registered_name"]
        'tfvae>MeanFieldNormal'

    References:
        Blundell et al., "Weight Uncertainty in Neural Networks", 2015, Section 3.2.
    """

    def __call__(self, dtype, shape, name, trainable, add_variable_fn) -> tfd.Distribution:
        """Makes the distribution, of event shape `shape`."""
        loc, scale = self.loc_scale(dtype, shape, name, trainable, add_variable_fn)
        weights = tfd.Deterministic(loc) if scale is None else tfd.Normal(loc, scale)
        return tfd.Independent(weights, reinterpreted_batch_ndims=len(shape))


def default_loc_scale_fn(*args, **kwargs) -> LocScaleFn:
    """Makes a serializable function that makes `(μ, σ)`; it takes the arguments of `LocScale`."""
    return LocScaleFn(*args, **kwargs)


def default_mean_field_normal_fn(*args, **kwargs) -> MeanFieldNormal:
    """Makes a serializable function that makes normals; it takes the arguments of `LocScale`."""
    return MeanFieldNormal(*args, **kwargs)


@keras.saving.register_keras_serializable(package="tfvae")
def default_multivariate_normal_fn(
    dtype, shape, name=None, trainable=None, add_variable_fn=None
) -> tfd.Distribution:
    """Makes the prior Π_j N(w_j; 0, 1), of event shape `shape` and without weights."""
    del name, trainable, add_variable_fn
    zeros = tf.zeros(shape, tf.as_dtype(dtype))
    return tfd.Independent(
        tfd.Normal(zeros, tf.ones([], zeros.dtype)), reinterpreted_batch_ndims=len(shape)
    )
