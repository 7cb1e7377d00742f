"""How many nats each latent dimension carries."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.point import has_density
from tfvae.distributions.product import Product
from tfvae.errors import UserError
from tfvae.plots.marginals import marginals

__all__ = ["rate_per_dimension"]

_MOST = 2**22  # numbers in memory at a time


def rate_per_dimension(
    posterior: tfp.distributions.Distribution,
    prior: tfp.distributions.Distribution,
    *,
    samples: int = 200,
    seed: int = 0,
) -> tf.Tensor:
    """Computes KL(q(z_d|x) ‖ p(z_d)), the rate of each latent dimension by itself.

    Where posterior and prior both factorize, the sum over d is KL(q(z|x) ‖ p(z)). Otherwise the
    marginals leave out what dependence between dimensions carries (with a factorized prior the
    sum is then lower than the KL by the total correlation of q(z|x)).

    How it is computed depends on what is known of the marginals:

    * both are in closed form (`tfd.Independent`, any multivariate normal) and tfp registers their
      KL: analytic;
    * their densities are known (the above, and mixtures of them such as a VampPrior): Monte Carlo
      with `samples` draws;
    * the marginal of a flow or of an autoregressive distribution has no density to compute: it is
      replaced by the normal of its mean and variance (exact ones where tfp has them, else those
      of 1000 draws), then as above. Right where the marginal is normal, approximate elsewhere.

    Args:
        posterior: q(z|x), batch shape `[B]`.
        prior: p(z), batch shape `[]` or `[B]`, of the same event shape.
        samples: Draws for Monte Carlo.
        seed: Seed of those draws.

    Returns:
        `[B, D]`, nats; D is the number of scalars in z (of factors, for `tfd.Independent` of
        vectors such as one-hot ones). Of a product with a product, those of the parts in turn.

    Raises:
        UserError: If q(z|x) is a point, as of the layer `Deterministic`.

    Example:
        >>> q = tfd.Independent(tfd.Normal([[0.0, 1.0]], 1.0), 1)
        >>> p = tfd.Independent(tfd.Normal([0.0, 0.0], 1.0), 1)
        >>> rate_per_dimension(q, p).numpy()
        array([[0. , 0.5]], dtype=float32)
    """
    if not has_density(posterior):
        raise UserError(
            f"{concrete(posterior).name} is a code without noise, which has no rate: there is none "
            "to draw, or to sort the dimensions by"
        )
    q, p = concrete(posterior), concrete(prior)
    if isinstance(q, Product) and isinstance(p, Product):
        pairs = zip(q.parts, p.parts, strict=True)
        options = {"samples": samples, "seed": seed}
        return tf.concat([rate_per_dimension(a, b, **options) for a, b in pairs], axis=-1)
    q, p = marginals(posterior), marginals(prior)
    if q.distribution is not None and p.distribution is not None:
        try:
            return _flat(tfp.distributions.kl_divergence(q.distribution, p.distribution))
        except NotImplementedError:
            pass
    source = posterior if q.distribution is None else q.distribution
    draws = source.sample(samples, seed=(seed, 0))
    # A few draws at a time: a mixture of 500 components needs 500 times the memory of its sample.
    one = (draws[0].shape.num_elements() or 1) * max(q.components, p.components)
    chunk = max(1, _MOST // one)
    total = 0.0
    for start in range(0, samples, chunk):
        z = draws[start : start + chunk]
        total += tf.reduce_sum(q.log_prob(z) - p.log_prob(z), axis=0)
    return _flat(total / samples)


def _flat(rates: tf.Tensor) -> tf.Tensor:
    """`[B, ...]` to `[B, D]`."""
    return tf.reshape(rates, [tf.shape(rates)[0], -1])
