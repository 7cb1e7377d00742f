"""All probability on one point: a code without noise, and how it is known."""

from __future__ import annotations

import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.coercible import concrete

tfd = tfp.distributions

__all__ = ["Point", "has_density", "is_point"]

_LOOKED_THROUGH = (tfd.Independent, tfd.Sample, tfd.BatchReshape, Unfolded)


class Point(tfd.Deterministic):
    """A point of the real numbers, δ(z − μ): a `tfd.Deterministic` that says it has no density.

    Its `log_prob` is that of its mass, 0 at the point and −∞ elsewhere, and KL(δ_μ ‖ p) counts as
    −log p(μ): the part of the KL of an ever narrower distribution around μ that depends on μ. The
    rest, minus its entropy, grows beyond all bounds. So it serves as a penalty and not as a rate,
    and a model with it has neither an ELBO nor an estimate of log p(x), see
    `tfvae.distributions.evidence`.

    Args:
        loc: μ, `[*batch]`.
        **kwargs: Arguments of `tfd.Deterministic`.

    Example:
        >>> float(tfd.kl_divergence(Point(1.0), tfd.Normal(0.0, 1.0)))  # -log N(1; 0, 1)
        1.418...
    """


def has_density(posterior: tfd.Distribution) -> bool:
    """Whether a posterior gives its draws a density: a deterministic code has none.

    Args:
        posterior: q(z|x); wrappers such as `tfd.Independent` are looked through.

    Returns:
        Whether log q(z|x) is a finite number.

    Example:
        >>> has_density(tfd.Deterministic(0.0))
        False
    """
    inner = _inner(posterior)
    return not isinstance(inner, (tfd.Deterministic, tfd.VectorDeterministic))


def is_point(posterior: tfd.Distribution) -> bool:
    """Whether a posterior is a `Point`; wrappers such as `tfd.Independent` are looked through.

    Args:
        posterior: q(z|x).

    Example:
        >>> is_point(tfd.Independent(Point(tf.zeros([3])), 1))
        True
    """
    return isinstance(_inner(posterior), Point)


def _inner(distribution: tfd.Distribution) -> tfd.Distribution:
    distribution = concrete(distribution)
    while isinstance(distribution, _LOOKED_THROUGH):
        distribution = distribution.distribution
    return distribution
