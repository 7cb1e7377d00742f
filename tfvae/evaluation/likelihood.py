"""The likelihood table of held-out data: ELBO, importance-weighted log p(x), and their parts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.elbo import elbo
from tfvae.distributions.evidence import reported_terms
from tfvae.distributions.supports import support_of
from tfvae.errors import UserError
from tfvae.evaluation.active_units import active_units
from tfvae.vae import VAE

__all__ = ["evaluate_likelihood"]


def evaluate_likelihood(
    vae: VAE,
    dataset: tf.data.Dataset,
    *,
    samples: int = 100,
    examples: int | None = None,
    chunk: int | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, float | str]:
    """Estimates how well a model explains a data set.

    Args:
        vae: The model.
        dataset: Batches of x, or of (x, context).
        samples: Posterior samples per example for log p(x).
        examples: How many examples to take from the front; None: all.
        chunk: Samples in memory at once, as for `vae.log_prob`.
        seed: Seed of the noise: the same seed gives the same table.
        progress: Called with the number of examples done after each batch.

    Returns:
        By name: `examples`, `samples`, `log_prob_kind` (see `VAE.log_prob_kind`: with `"elbo"` the
        gap is 0 because log p(x) is not known, and not because the posterior is right); `elbo` and
        `log_prob` (means, nats), `elbo_se` and `log_prob_se` (standard errors of the means over
        the examples, nats); `gap` (log_prob − elbo, nats: what the posterior and its sampling
        lose); `bits_per_dim` of log_prob where the data are discrete; `active_units` of all latent
        groups. Of a model without a bound of log p(x), whose `log_prob_kind` is `"none"`, other
        means stand in the place of all of these but the active units: of codes that are points the
        `distortion`, −E log p(x|z) in nats; of an energy for a likelihood `energy`, and the `rate`
        in nats.

    Raises:
        UserError: If there is no example.

    Example:
        >>> table = evaluate_likelihood(vae, tfvae.data.load("digits", "test"), samples=50)
        >>> table["log_prob"] >= table["elbo"]
        True
    """
    if examples is not None and examples < 1:
        raise UserError(f"examples takes a number from 1, or None for all, got {examples!r}")
    found: dict[str, list] = {}
    means = []
    done, symbols = 0, None
    for i, batch in enumerate(dataset):
        x, context, *_ = vae.inputs_of(batch)
        if examples is not None:
            x, context = (None if t is None else t[: examples - done] for t in (x, context))
        done += int(x.shape[0])
        here = fold_in(as_seed(seed), i)
        if i == 0:
            vae.check(batch)
        numbers = _numbers(vae, x, context, {"samples": samples, "chunk": chunk}, here)
        for name, values in numbers.items():
            found.setdefault(name, []).append(values.numpy())
        means.append(_means(vae, x, context))
        if i == 0:
            one = None if context is None else context[:1]
            symbols = support_of(vae(x[:1], one).likelihood).symbols(x.shape[1:])
        if progress is not None:
            progress(done)
        if done == examples:
            break
    if not done:
        raise UserError("there is no example to evaluate: the data set is empty")
    # What log_prob is: of codes it may be the exact sum, or no more than the ELBO.
    table = {"examples": done, "samples": samples, "log_prob_kind": vae.log_prob_kind}
    for name, values in found.items():
        values = np.concatenate(values).astype(np.float64)
        table[name] = float(values.mean())
        table[f"{name}_se"] = float(values.std(ddof=1) / math.sqrt(done)) if done > 1 else math.nan
    if "log_prob" in table:
        table["gap"] = table["log_prob"] - table["elbo"]
        if symbols is not None:
            table["bits_per_dim"] = -table["log_prob"] / (symbols * math.log(2.0))
    table["active_units"] = active_units(np.concatenate(means))
    return table


def _numbers(vae: VAE, x, context, options: dict, seed) -> dict[str, tf.Tensor]:
    """What is averaged over the examples, by name: `[batch]` each, nats but for an energy."""
    if vae.log_prob_kind == "none":
        output = vae(x, context=context, seed=seed)
        terms = reported_terms(output, elbo(x, output))
        return {name: value for name, value in terms.items() if name != "log_joint"}
    return {
        "elbo": vae.elbo(x, seed=seed, context=context),
        "log_prob": vae.log_prob(x, seed=seed, context=context, **options),
    }


def _means(vae: VAE, x: tf.Tensor, context: tf.Tensor | None) -> np.ndarray:
    """The posterior means of all groups side by side, `[batch, latent variables]`."""
    means = vae.latents.means(vae._encode(x, context), context=context)
    return np.concatenate([np.reshape(z, [len(z), -1]) for z in tf.nest.flatten(means)], axis=1)
