"""What the layers of a location and a scale share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, min_scale_of, positive
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["LocScaleLayer"]


class LocScaleLayer(DistributionLayer):
    """Base: independent elements of a location and a scale each, learned, shared or fixed.

    A concrete layer makes the distribution of the elements, in `make_elements(loc, scale)`.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        scale: `"learned"`: softplus(raw) + min_scale for each element and example, from the
            layer before. `"shared"`: one trainable scale for all. A number: a fixed one.
        min_scale: The smallest scale that is learned: the density is unbounded as it goes to 0.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        scale: Literal["learned", "shared"] | Positive = "learned",
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        fixed = isinstance(scale, (int, float)) and scale > 0
        if not (fixed or scale in ("learned", "shared")):
            raise UserError(f"scale takes 'learned', 'shared' or a number above 0, got {scale!r}")
        self.scale = scale
        self.min_scale = min_scale_of(min_scale)
        self.params_per_element = 2 if scale == "learned" else 1

    def build(self, input_shape):
        """Makes the shared scale, 1 at the start."""
        super().build(input_shape)
        if self.scale == "shared":
            one = math.log(math.expm1(1.0 - min(self.min_scale, 0.5)))
            self.raw_scale = self.add_weight(
                shape=(), initializer=keras.initializers.Constant(one), name="raw_scale"
            )

    def make_elements(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
        """Makes the distribution of each element, of one batch shape with loc."""
        raise NotImplementedError(f"{type(self).__name__} has to define make_elements(loc, scale)")

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of `[*batch, params_size]` parameters."""
        if self.scale == "learned":
            loc, raw = self.split(params)
            scale = positive(raw, self.min_scale)
        else:
            (loc,) = self.split(params)
            if self.scale == "shared":
                scale = positive(tf.convert_to_tensor(self.raw_scale), self.min_scale)
            else:
                scale = tf.constant(self.scale, loc.dtype)
        return self.independent(self.make_elements(loc, scale))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "scale": self.scale, "min_scale": self.min_scale}
