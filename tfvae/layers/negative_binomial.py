"""Negative binomial distributions for counts, also with more zeros than they explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_counts, zero_outside
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, positive
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = [
    "GammaPoisson",
    "IndependentNegativeBinomial",
    "LossyNegativeBinomial",
    "ZeroInflatedNegativeBinomial",
]


class GammaPoisson(tfd.NegativeBinomial):
    """The negative binomial with draws that XLA can compile (tfp's cannot).

    Its density is 0 outside of the integers from 0, where tfp's is NaN or that of no count.

    Args:
        total_count: r.
        logits: log μ − log r.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, total_count, logits, validate_args=False, name="NegativeBinomial"):
        parameters = dict(locals())
        super().__init__(total_count, logits=logits, validate_args=validate_args, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = super()._parameter_properties(dtype, num_classes)
        return {key: value for key, value in properties.items() if key != "probs"}

    def _log_prob(self, x):
        return zero_outside(are_counts(x), x, 0, self._log_prob_of_counts)

    def _log_prob_of_counts(self, x):
        return super()._log_prob(x)

    def _sample_n(self, n, seed=None):
        first, second = tfp.random.split_seed(seed, n=2, salt="gamma_poisson")
        rate = tfd.Gamma(self.total_count, log_rate=-self.logits).sample(n, seed=first)
        return tfd.Poisson(rate).sample(seed=second)


class LossyNegativeBinomial(GammaPoisson):
    """A negative binomial whose count is lost, and 0 seen, with probability π.

    (`tfd.ZeroInflatedNegativeBinomial` takes logits l for which π is σ(2l), not σ(l).)

    Args:
        total_count: r of the counts before the loss.
        logits: log μ − log r.
        lost_logits: log π / (1 − π).
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(
        self, total_count, logits, lost_logits, validate_args=False, name="LossyNegativeBinomial"
    ):
        parameters = dict(locals())
        self._lost_logits = tf.convert_to_tensor(lost_logits)
        super().__init__(total_count, logits, validate_args, name)
        self._parameters = parameters

    @property
    def lost_logits(self) -> tf.Tensor:
        """Logits of π."""
        return self._lost_logits

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = super()._parameter_properties(dtype, num_classes)
        return {**properties, "lost_logits": tfp.util.ParameterProperties()}

    def _log_prob_of_counts(self, x):
        kept = tf.math.log_sigmoid(-self.lost_logits) + super()._log_prob_of_counts(x)
        zero = tfp.math.log_add_exp(tf.math.log_sigmoid(self.lost_logits), kept)
        return tf.where(tf.equal(x, 0), zero, kept)

    def _sample_n(self, n, seed=None):
        first, second = tfp.random.split_seed(seed, n=2, salt="lossy_negative_binomial")
        counts = super()._sample_n(n, seed=first)
        noise = tf.random.stateless_uniform(tf.shape(counts), second, dtype=counts.dtype)
        return tf.where(noise < tf.sigmoid(self.lost_logits), tf.zeros_like(counts), counts)

    def _mean(self, logits=None):
        return tf.sigmoid(-self.lost_logits) * super()._mean(logits)

    def _variance(self):
        kept, mean = tf.sigmoid(-self.lost_logits), super()._mean()
        square = mean * (1 + tf.exp(self.logits)) + tf.square(mean)
        return kept * square - tf.square(kept * mean)

    def _mode(self):
        mode = super()._mode()
        zero = tf.zeros_like(mode)
        return tf.where(self._log_prob(zero) >= self._log_prob(mode), zero, mode)

    def _cdf(self, x):
        kept = tf.sigmoid(-self.lost_logits)
        return tf.where(x < 0, 0.0, 1 - kept + kept * super()._cdf(x))


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentNegativeBinomial(DistributionLayer):
    """Independent negative binomials for counts that vary more than a Poisson's.

    With mean μ and inverse dispersion r: p(x) = Γ(x + r) / (Γ(r) x!) (r/(r + μ))^r (μ/(r + μ))^x,
    variance μ + μ²/r. Of each element the layer takes log μ and raw, r = softplus(raw) +
    min_dispersion; r → ∞ gives the Poisson.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        dispersion: `"learned"`: r for each element and example, from the layer before.
            `"shared"`: one trainable r for each element (for each gene, in single-cell data).
        min_dispersion: The smallest r.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentNegativeBinomial(2)
        >>> layer(tf.zeros([5, layer.params_size])).mean().numpy().round(5).max()
        np.float32(1.0)

    References:
        Lopez et al., "Deep generative modeling for single-cell transcriptomics", 2018.
    """

    values = "levels"
    kinds = 1  # the parameters that come from the layer before in any case

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        dispersion: Literal["learned", "shared"] = "learned",
        min_dispersion: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if dispersion not in ("learned", "shared"):
            raise UserError(f"dispersion takes 'learned' or 'shared', got {dispersion!r}")
        if not min_dispersion > 0:
            raise UserError(f"min_dispersion takes a number above 0, got {min_dispersion!r}")
        self.dispersion = dispersion
        self.min_dispersion = min_dispersion
        self.params_per_element = self.kinds + (dispersion == "learned")

    def build(self, input_shape):
        """Makes the shared dispersion."""
        super().build(input_shape)
        if self.dispersion == "shared":
            self.raw_dispersion = self.add_weight(
                shape=self.event_shape, initializer="zeros", name="raw_dispersion"
            )

    def counts(self, log_mean: tf.Tensor, rest: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """r, and the logits log μ − log r, of log μ and the raw dispersion where it is learned."""
        raw = rest[-1] if self.dispersion == "learned" else self._shared(log_mean)
        total = positive(raw, self.min_dispersion)
        return total, log_mean - tf.math.log(total)

    def _shared(self, log_mean: tf.Tensor) -> tf.Tensor:
        """The shared raw dispersion for each example.

        By a product and a reshape: tfp's Poissons, drawn under XLA, need a shape that XLA can
        follow back, and it does not follow one through a broadcast.
        """
        batch = log_mean.shape.rank - len(self.event_shape)
        weights = tf.reshape(tf.convert_to_tensor(self.raw_dispersion), [1, -1])
        flat = self._reshape(log_mean, batch, (weights.shape[1],))
        rows = tf.tensordot(tf.ones_like(flat[..., :1]), weights, 1)
        return self._reshape(rows, batch, self.event_shape)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the negative binomials of `[*batch, params_size]` parameters."""
        log_mean, *rest = self.split(params)
        total, logits = self.counts(log_mean, rest)
        return self.independent(GammaPoisson(total, logits, validate_args=self.validate_args))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "dispersion": self.dispersion,
            "min_dispersion": self.min_dispersion,
        }


@keras.saving.register_keras_serializable(package="tfvae")
class ZeroInflatedNegativeBinomial(IndependentNegativeBinomial):
    """Negative binomials with lost counts: p(x) = π [x = 0] + (1 − π) NB(x; μ, r).

    Of each element the layer takes log μ, the logit of π, and, where it is learned, the raw
    dispersion; μ and r are those of the counts before the loss.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        dispersion: `"learned"` or `"shared"`, as in `IndependentNegativeBinomial`.
        min_dispersion: The smallest r.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = ZeroInflatedNegativeBinomial(2)
        >>> layer(tf.zeros([5, layer.params_size])).mean().numpy().round(5).max()
        np.float32(0.5)

    References:
        Lopez et al., "Deep generative modeling for single-cell transcriptomics", 2018.
    """

    kinds = 2

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of `[*batch, params_size]` parameters."""
        log_mean, lost, *rest = self.split(params)
        return self.independent(
            LossyNegativeBinomial(*self.counts(log_mean, rest), lost, self.validate_args)
        )
