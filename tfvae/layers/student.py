"""Student's t distributions whose elements are independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.loc_scale import LocScaleLayer
from tfvae.options.bounds import Freedom, Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["IndependentStudent"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentStudent(LocScaleLayer):
    """Independent Student's t: p(x) ∝ Π_j (1 + t_j²/ν)^{−(ν+1)/2} / s_j, t_j = (x_j − μ_j) / s_j.

    A normal whose precision is uncertain: the tails are those of a power, so that outliers cost
    little. As a likelihood of a VAE it keeps single bad values from widening all scales.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        df: ν, the degrees of freedom, above 1: below, there is no mean. The variance is infinite
            up to 2.
        scale: `"learned"`: s = softplus(raw) + min_scale for each element and example, from the
            layer before. `"shared"`: one trainable s for all. A number: a fixed s.
        min_scale: The smallest s that is learned: the density is unbounded as s → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentStudent(2, df=3.0)
        >>> layer(tf.zeros([5, layer.params_size])).event_shape
        TensorShape([2])

    References:
        Takahashi et al., "Student-t Variational Autoencoder for Robust Density Estimation", 2018,
        Eq. 9.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        df: Freedom = 4.0,
        scale: Literal["learned", "shared"] | Positive = "learned",
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_shape,
            convert_to_tensor_fn,
            validate_args,
            scale=scale,
            min_scale=min_scale,
            **kwargs,
        )
        if not df > 1:
            raise UserError(f"df takes a number above 1, where there is a mean, got {df!r}")
        self.df = df

    def make_elements(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
        """Makes the distribution of each element."""
        df = tf.constant(self.df, loc.dtype)
        return tfd.StudentT(df, loc, scale, validate_args=self.validate_args)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "df": self.df}
