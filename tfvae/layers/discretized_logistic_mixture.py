"""Mixtures of discretized logistics with coupled colours: the likelihood of PixelCNN++."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_levels, log_sum_exp, zero_outside
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, levels_of, min_scale_of, positive
from tfvae.layers.levels_logistic import LevelsLogistic, logistic_log_mass, logistic_moments
from tfvae.options.bounds import Count, Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["DiscretizedLogisticMixture", "LevelsLogisticMixture"]


class LevelsLogisticMixture(tfd.AutoCompositeTensorDistribution):
    """One pixel: P(x) = Σ_k π_k Π_c P(x_c | x_1 .. x_{c−1}, k), the factors discretized logistics.

    Within component k the location of channel c is μ_ck + Σ_{j<c} a_cjk x_j, x_j on [−1, 1].

    Args:
        logits: Logits of π, `[*batch, K]`.
        loc: μ on [−1, 1], `[*batch, channels, K]`.
        scale: Scales in the same units, `[*batch, channels, K]`.
        coupling: a, `[*batch, channels (channels − 1) / 2, K]`: a_21, a_31, a_32, ...
        levels: Number of levels.
        validate_args: As in tfp.
        allow_nan_stats: As in tfp.
        name: Name of the distribution.
    """

    def __init__(
        self,
        logits,
        loc,
        scale,
        coupling,
        levels=256,
        validate_args=False,
        allow_nan_stats=True,
        name="LevelsLogisticMixture",
    ):
        parameters = dict(locals())
        with tf.name_scope(name) as name:
            self._logits = tf.convert_to_tensor(logits)
            self._loc = tf.convert_to_tensor(loc)
            self._scale = tf.convert_to_tensor(scale)
            self._coupling = tf.convert_to_tensor(coupling)
            self._levels = levels
            super().__init__(
                dtype=self._loc.dtype,
                reparameterization_type=tfd.NOT_REPARAMETERIZED,
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                parameters=parameters,
                name=name,
            )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "logits": tfp.util.ParameterProperties(event_ndims=1),
            "loc": tfp.util.ParameterProperties(event_ndims=2),
            "scale": tfp.util.ParameterProperties(event_ndims=2),
            "coupling": tfp.util.ParameterProperties(event_ndims=2),
        }

    logits = property(lambda self: self._logits, doc="Logits of the components.")
    loc = property(lambda self: self._loc, doc="Locations on [−1, 1].")
    scale = property(lambda self: self._scale, doc="Scales in the same units.")
    coupling = property(lambda self: self._coupling, doc="Coefficients of the channels before.")
    levels = property(lambda self: self._levels, doc="Number of levels.")

    def _event_shape(self):
        return self.loc.shape[-2:-1]

    def _event_shape_tensor(self):
        return tf.shape(self.loc)[-2:-1]

    def _default_event_space_bijector(self):
        return None

    def _channels(self, loc, scale, coupling, take: Callable) -> list[tf.Tensor]:
        """Goes through the channels; `take(c, loc, scale)` gives each one's value in levels."""
        values, row = [], 0
        for c in range(loc.shape[-2]):
            here = loc[..., c, :]
            for j in range(c):
                here += coupling[..., row + j, :] * (values[j] * (2 / (self.levels - 1)) - 1)
            row += c
            values.append(take(c, here, scale[..., c, :]))
        return values

    def _log_prob(self, x):
        x = tf.cast(x, self.dtype)
        inside = tf.reduce_all(are_levels(x, self.levels), axis=-1)
        return zero_outside(inside, x, 0, self._log_prob_of_levels)

    def _log_prob_of_levels(self, x):
        x = x[..., tf.newaxis]
        log_mass = []

        def take(c, loc, scale):
            value = x[..., c, :]
            log_mass.append(logistic_log_mass(value, loc, scale, self.levels))
            return value

        self._channels(self.loc, self.scale, self.coupling, take)
        return log_sum_exp(tf.math.log_softmax(self.logits) + sum(log_mass))

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, n=self.loc.shape[-2] + 1, salt="levels_mixture")
        chosen = tfd.OneHotCategorical(logits=self.logits, dtype=self.dtype)
        chosen = chosen.sample(n, seed=seeds[-1])[..., tf.newaxis, :]
        parts = [
            tf.reduce_sum(chosen * part, axis=-1, keepdims=True)
            for part in (self.loc, self.scale, self.coupling)
        ]

        def take(c, loc, scale):
            return LevelsLogistic(loc, scale, self.levels).sample(seed=seeds[c])

        return tf.concat(self._channels(*parts, take), axis=-1)

    def _mean(self):
        # The mean of a channel that depends on others is averaged over nodes of those; only its
        # excess over the value at their mean is, since that value is exact.
        unit, means = (self.levels - 1) / 2, []

        def clipped(loc, scale):
            """Mean of the logistic that is cut at the ends and not rounded."""
            below, above = (loc + 1) / scale, (loc - 1) / scale
            return unit * scale * (tf.math.softplus(below) - tf.math.softplus(above))

        def take(c, loc, scale):
            centre = tf.reduce_mean(loc, axis=0)
            excess = tf.reduce_mean(clipped(loc, scale), axis=0) - clipped(centre, scale)
            means.append(logistic_moments(centre, scale, self.levels)[0] + excess)
            noise = tf.reshape(tf.constant(_nodes(c), self.dtype), [-1] + [1] * len(centre.shape))
            nodes = unit * (1 + tf.clip_by_value(loc + scale * noise, -1.0, 1.0))
            return nodes - tf.reduce_mean(nodes, axis=0) + means[-1]

        self._channels(self.loc[tf.newaxis], self.scale, self.coupling, take)
        weights = tf.nn.softmax(self.logits)[..., tf.newaxis, :]
        return tf.reduce_sum(weights * tf.stack(means, axis=-2), axis=-1)


def _nodes(channel: int, count: int = 31) -> np.ndarray:
    """Points of equal weight for a standard logistic; those of several channels are a lattice."""
    u = (np.arange(count) * 12**channel % count + 0.5) / count
    nodes = np.log(u) - np.log1p(-u)
    return nodes * np.pi / np.sqrt(3 * np.mean(nodes**2))


@keras.saving.register_keras_serializable(package="tfvae")
class DiscretizedLogisticMixture(DistributionLayer):
    """Pixels of mixtures of discretized logistics, the colours of a pixel coupled (PixelCNN++).

    Each pixel has K components over all its channels together; within a component the location
    of green follows red, and that of blue red and green, linearly. The data hold the levels
    0 .. levels − 1, channels last; the probabilities of all colours of a pixel add up to 1.

    Of a pixel of C channels the layer takes K logits, and for each component C locations on
    [−1, 1], C raw scales (s = softplus(raw) + min_scale) and C(C − 1)/2 raw coefficients (tanh).

    `mean` is exact for the first channel and for uncoupled ones. A coupled channel's is exact but
    where its location runs into an end of the levels: there the channels before it are averaged
    over 31 nodes.

    Args:
        event_shape: Shape of one event, the channels last.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        num_components: Number of components K.
        levels: Number of levels, 256 by default.
        min_scale: The smallest s, in units where the levels span [−1, 1].
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = DiscretizedLogisticMixture((8, 8, 3), num_components=5)
        >>> layer.params_size == 8 * 8 * 5 * (1 + 3 + 3 + 3)
        True
        >>> p = layer(tf.zeros([2, 8, 8, 50]))
        >>> p.log_prob(tf.fill([2, 8, 8, 3], 255.0)).shape
        TensorShape([2])

    References:
        Salimans, Karpathy, Chen, Kingma, "PixelCNN++", 2017, equations 1 to 3.
    """

    values = "levels"

    def __init__(
        self,
        event_shape: int | Sequence[int],
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        num_components: Count = 10,
        levels: int = 256,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if not self.event_shape or self.event_shape[-1] > 4:
            raise UserError(
                f"event_shape takes a shape with the channels last, 1 to 4, got {event_shape!r}: "
                "add an axis of 1 for grey images"
            )
        if not (isinstance(num_components, int) and num_components >= 1):
            raise UserError(f"num_components takes an integer above 0, got {num_components!r}")
        self.num_components = num_components
        self.levels = levels_of(levels)
        self.min_scale = min_scale_of(min_scale)

    @property
    def _sizes(self) -> list[int]:
        """Parameters of a pixel: logits, locations, scales, coefficients."""
        channels, components = self.event_shape[-1], self.num_components
        pairs = channels * (channels - 1) // 2
        return [components * n for n in (1, channels, channels, pairs)]

    def count_params_size(self) -> int:
        """Number of parameters: pixels times those of a pixel."""
        pixels = 1
        for n in self.event_shape[:-1]:
            pixels *= n
        return pixels * sum(self._sizes)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the mixtures of `[*batch, params_size]` parameters, those of a pixel together."""
        pixels = self.per_element(params, rank=-1)
        logits, *rest = tf.split(pixels, self._sizes, axis=-1)
        loc, raw, coupling = (
            self._reshape(part, pixels.shape.rank - 1, (n, self.num_components))
            for part, n in zip(
                rest, [s // self.num_components for s in self._sizes[1:]], strict=True
            )
        )
        pixel = LevelsLogisticMixture(
            logits,
            loc,
            positive(raw, self.min_scale),
            tf.tanh(coupling),
            levels=self.levels,
            validate_args=self.validate_args,
        )
        return self.independent(pixel)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "levels": self.levels,
            "min_scale": self.min_scale,
        }
