"""The aggregate posterior q(z) = 1/N Σ_n q(z|x_n) of a data set, from a batch of it."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import global_batch
from tfvae.distributions.coercible import concrete
from tfvae.distributions.point import has_density
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["log_aggregate_posterior", "log_mixture", "stratified_log_weights", "total_correlation"]


def _marginals(posterior: tfd.Distribution) -> tuple[tfd.Distribution, bool]:
    """The distributions q(z_j|x), batch shape `[batch, *event]`; whether q(z|x) is their product.

    Those of a normal of any covariance Σ are normal: N(μ_j, Σ_jj).
    """
    posterior = inner = concrete(posterior)
    while isinstance(inner, tfd.Independent):
        inner = inner.distribution
    if isinstance(inner, tfd.MultivariateNormalLinearOperator):
        factorized = isinstance(inner, tfd.MultivariateNormalDiag)
        return tfd.Normal(inner.mean(), inner.stddev()), factorized
    if inner is posterior or inner.event_shape.rank != 0 or not has_density(inner):
        raise UserError(
            "the total correlation needs the density q(z_j|x) of every element of z, which is "
            f"not known of {posterior.name}: take a factorized posterior such as "
            "IndependentNormal, a normal such as MultivariateNormalTriL, or "
            "tfvae.objectives.FactorVAE, which needs no density"
        )
    return inner, True


def log_mixture(
    z: tf.Tensor, posterior: tfd.Distribution, log_weights: tf.Tensor | float = 0.0
) -> tf.Tensor:
    """Log Σ_m w_nm q(z_n|x_m), jointly and for each element of z.

    Args:
        z: `[n, *event]`.
        posterior: q(z|x_m), factorized or normal, of batch shape `[m]`.
        log_weights: log w, `[n, m]` or a number.

    Returns:
        Nats, `[n, 1 + D]`: the joint log density, then that of each of the D elements of z.

    Raises:
        UserError: If the densities of the elements of z are not known.
    """
    marginals, factorized = _marginals(posterior)
    log_q = marginals.log_prob(z[:, None])  # [n, m, *event]
    log_q = tf.reshape(log_q, [tf.shape(z)[0], -1, math.prod(z.shape[1:])])
    if factorized:
        joint = tf.reduce_sum(log_q, axis=2)
    else:
        joint = concrete(posterior).log_prob(z[:, None])
    log_q = tf.concat([joint[..., None], log_q], axis=2)
    log_weights = tf.convert_to_tensor(log_weights, log_q.dtype)
    return tf.reduce_logsumexp(log_q + log_weights[..., None], axis=1)


def stratified_log_weights(
    batch: int | tf.Tensor,
    examples: int | tf.Tensor,
    columns: tf.Tensor | None = None,
    *,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """The log weights of minibatch stratified sampling.

    For z drawn from q(z|x_i), Σ_j w_ij q(z|x_j) over a batch of B examples out of N estimates
    q(z) without bias: the stratum {i}, which is in the batch for sure, has the weight 1/N, and the
    other B − 1, drawn from N − 1, share the rest: (N − 1) / (N (B − 1)) each. A row's sum is 1.

    Chen et al. (M = B − 1) give one of the others (N − M) / (N M) and the rest of them 1/M; this
    is the mean over which one it is: of the same expectation and a lower variance, the same for
    every order of the batch, and exact for B = N. (The authors' code steps through the flat
    B x B matrix by M + 1 = B instead of B + 1, so that 1/N stands in the first column and not on
    the diagonal.)

    With sample weights the data set is the weighted one, q(z) = Σ_n v_n q(z|x_n) / Σ_n v_n: v_j is
    a factor on column j, and each row is divided by its sum, which estimates the mean of v. Where
    B = N, an example of weight 2 counts as the example twice.

    Args:
        batch: B, size of the (global) batch.
        examples: N, size of the data set; at least B.
        columns: The x_j that are wanted, by their places in the batch; None: all.
        weights: v, the sample weights of the (global) batch, `[B]`; None: all are 1.

    Returns:
        log w, `[B, columns]`.

    Example:
        >>> print(tf.exp(stratified_log_weights(2, 10)).numpy().round(3))
        [[0.1 0.9]
         [0.9 0.1]]

    References:
        Chen, Li, Grosse, Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. S8 of
        Appendix C.2.
    """
    columns = tf.range(batch) if columns is None else columns
    size = tf.cast(batch, tf.float32)
    total = tf.maximum(tf.cast(examples, tf.float32), size)
    other = tf.math.log(total - 1.0) - tf.math.log(total * tf.maximum(size - 1.0, 1.0))
    log_weights = tf.where(tf.range(batch)[:, None] == columns, -tf.math.log(total), other)
    if weights is None:
        return log_weights
    weights = tf.cast(weights, tf.float32)
    whole = tf.reduce_sum(weights)
    # Where all weights are 0 the result counts for nothing: any finite one will do.
    weights = tf.where(whole > 0, weights, tf.ones_like(weights))
    whole = tf.where(whole > 0, whole, size)
    sums = weights / total + tf.exp(other) * (whole - weights)  # of the rows
    return log_weights + tf.gather(_log(weights), columns) - tf.math.log(sums)[:, None]


def _log(weights: tf.Tensor) -> tf.Tensor:
    """The log of weights; of 0 a number that leaves gradients finite where all weights are 0."""
    positive = weights > 0
    return tf.where(positive, tf.math.log(tf.where(positive, weights, 1.0)), -1e6)


def log_aggregate_posterior(
    z: tf.Tensor,
    posterior: tfd.Distribution,
    examples: int | None = None,
    *,
    weights: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Estimates log q(z) and Σ_j log q(z_j) by minibatch stratified sampling.

    With several replicas, over the global batch: every replica compares the draws of all with its
    own posteriors, and the sums meet.

    Args:
        z: One draw of the posterior for each example, `[batch, *event]`.
        posterior: q(z|x), factorized or normal, of batch shape `[batch]`.
        examples: N, size of the data set; None: the batch is the data set.
        weights: Sample weights, `[batch]`; None: all are 1.

    Returns:
        log q(z) and Σ_j log q(z_j), `[batch]` each, nats.
    """
    everyone, start = global_batch(z)
    size, batch = tf.shape(z)[0], tf.shape(everyone)[0]
    columns = start + tf.range(size)
    if weights is not None:
        weights, _ = global_batch(weights)
    log_weights = stratified_log_weights(
        batch, batch if examples is None else examples, columns, weights=weights
    )
    parts = log_mixture(everyone, posterior, tf.cast(log_weights, z.dtype))
    parts = tf.reduce_logsumexp(global_batch(parts[None])[0], axis=0)[start : start + size]
    return parts[:, 0], tf.reduce_sum(parts[:, 1:], axis=1)


def total_correlation(
    z: tf.Tensor,
    posterior: tfd.Distribution,
    examples: int | None = None,
    *,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Estimates the total correlation KL(q(z) ‖ Π_j q(z_j)) of the aggregate posterior.

    Args:
        z: One draw of the posterior for each example, `[batch, *event]`.
        posterior: q(z|x), factorized or normal, of batch shape `[batch]`.
        examples: N, size of the data set; None: the batch is the data set.
        weights: Sample weights, `[batch]`; None: all are 1.

    Returns:
        log q(z) − Σ_j log q(z_j), `[batch]`, nats: their mean is the estimate.

    Example:
        >>> q = vae.encode(x)
        >>> float(tf.reduce_mean(total_correlation(q.sample(), q, examples=60_000)))

    References:
        Watanabe, "Information Theoretical Analysis of Multivariate Correlation", 1960.
        Chen et al., "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 2.
    """
    joint, marginals = log_aggregate_posterior(z, posterior, examples, weights=weights)
    return joint - marginals
