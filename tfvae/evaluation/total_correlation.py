"""How far the latent variables of a data set are from being independent."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from tfvae.distribute import as_seed, fold_in
from tfvae.errors import UserError
from tfvae.objectives.latents import one_group
from tfvae.objectives.total_correlation import log_mixture
from tfvae.vae import VAE

__all__ = ["total_correlation"]

ELEMENTS = 2**23  # of the pairwise densities, in memory at once


def total_correlation(
    vae: VAE,
    dataset: tf.data.Dataset,
    *,
    examples: int | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Estimates the total correlation and the mutual information of a data set's codes.

    The aggregate posterior q(z) = 1/N Σ_n q(z|x_n) of the N examples is summed exactly, and the
    expectation over it is the mean of M draws, one each for the first M examples. M N densities
    of each element of z are computed. As rate = mutual information + total correlation +
    Σ_j KL(q(z_j) ‖ p(z_j)) and the mutual information is at most log N, posteriors that are narrow
    have a large total correlation where N is small: take N so large that the mutual information
    stays below log N, and compare only numbers of the same N.

    Args:
        vae: The model; its posterior is factorized or normal.
        dataset: Batches of x, or of (x, context).
        examples: N, how many examples to take from the front; None: all.
        draws: M; None: N.
        seed: Seed of the draws.

    Returns:
        By name, in nats: `total_correlation`, KL(q(z) ‖ Π_j q(z_j)); `total_correlation_se`, its
        standard error over the draws; `mutual_information`, E[log q(z|x) − log q(z)], at most
        log N; and `examples`, N.

    Raises:
        UserError: If there is no example, the posterior is neither factorized nor normal, or there
            are several latent groups.

    Example:
        >>> table = total_correlation(vae, test, examples=200)
        >>> table["examples"]
        200

    References:
        Chen, Li, Grosse, Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 2.
    """
    for name, value in [("examples", examples), ("draws", draws)]:
        if value is not None and value < 1:
            raise UserError(f"{name} takes a number from 1, or None for all, got {value!r}")
    latents, done = [], 0
    for i, batch in enumerate(dataset):
        x, context, *_ = vae.inputs_of(batch)
        if examples is not None:
            x, context = (None if t is None else t[: examples - done] for t in (x, context))
        output = vae(x, context=context, seed=fold_in(as_seed(seed), i))
        latents.append(one_group(output, "total_correlation", "it is of one vector of codes"))
        done += int(x.shape[0])
        if done == examples:
            break
    if not latents:
        raise UserError("there is no example to evaluate: the data set is empty")
    z = tf.concat([latent.z for latent in latents], axis=0)[:draws]
    largest = max(int(latent.z.shape[0]) for latent in latents)
    rows = max(1, ELEMENTS // (largest * math.prod(z.shape[1:])))
    parts = tf.concat(
        [
            tf.reduce_logsumexp([log_mixture(part, q.posterior) for q in latents], axis=0)
            for part in (z[i : i + rows] for i in range(0, len(z), rows))
        ],
        axis=0,
    )
    joint, *marginals = np.asarray(parts, np.float64).T - math.log(done)
    correlation = joint - np.sum(marginals, axis=0)
    own = np.concatenate([latent.posterior.log_prob(latent.z) for latent in latents])[:draws]
    return {
        "examples": done,
        "total_correlation": float(correlation.mean()),
        "total_correlation_se": float(correlation.std(ddof=1) / math.sqrt(len(z)))
        if len(z) > 1
        else math.nan,
        "mutual_information": float((own - joint).mean()),
    }
