"""log p(x) of pythae's models by the estimator that tfvae's are evaluated with.

log 1/K Σ_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x): the same images, the same number of samples,
and the Bernoulli likelihood of the logits. pythae's own `get_nll` takes images one by one, and
another concentration on the sphere than its training.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

__all__ = ["log_prob", "squared_error"]

DRAWS, IMAGES = 50, 100  # decoded at once


def _normal(mean: torch.Tensor, log_variance: torch.Tensor) -> Independent:
    return Independent(Normal(mean, torch.exp(0.5 * log_variance)), 1)


def _posterior(model, x: torch.Tensor) -> Independent:
    found = model.encoder(x)
    return _normal(found.embedding, found.log_covariance)


def _standard(z: torch.Tensor) -> torch.Tensor:
    return Normal(0.0, 1.0).log_prob(z).sum(dim=-1)


def _vamp(model, z: torch.Tensor) -> torch.Tensor:
    pseudo = model.pseudo_inputs(model.idle_input).reshape(-1, 1, 28, 28)
    components = _posterior(model, pseudo)
    weights = Categorical(logits=torch.zeros(len(pseudo)))
    return MixtureSameFamily(weights, components).log_prob(z)


def _draw_normal(model, x, n):
    posterior = _posterior(model, x)
    z = posterior.sample((n,))
    prior = _vamp(model, z) if hasattr(model, "pseudo_inputs") else _standard(z)
    return z, prior - posterior.log_prob(z)


def _draw_flow(model, x, n):
    start = _posterior(model, x)
    first = start.sample((n,))
    flow = model.iaf_flow.inverse(first.flatten(0, 1))
    z = flow.out.view_as(first)
    log_q = start.log_prob(first) - flow.log_abs_det_jac.view(first.shape[:2])
    return z, _standard(z) - log_q


def _log_bessel(order: float, x: torch.Tensor) -> torch.Tensor:
    from scipy.special import ive

    return torch.log(torch.from_numpy(ive(order, x.double().numpy()))) + x.double()


def _draw_sphere(model, x, n):
    found = model.encoder(x)
    loc = F.normalize(found.embedding, dim=-1)
    concentration = F.softplus(found.log_concentration) + 1  # as its `forward` has it
    size = loc.shape[-1]
    half = size / 2
    copies = (loc.repeat(n, 1), concentration.repeat(n, 1))
    z = model._sample_von_mises(*copies).view(n, *loc.shape)
    k = concentration[:, 0].double()
    log_constant = (
        (half - 1) * torch.log(k) - half * math.log(2 * math.pi) - _log_bessel(half - 1, k)
    )
    log_q = log_constant + k * (z * loc).sum(dim=-1)
    log_area = math.log(2) + half * math.log(math.pi) - math.lgamma(half)
    return z, (-log_area - log_q).float()


DRAW = {"VAE_IAF": _draw_flow, "SVAE": _draw_sphere}


@torch.no_grad()
def log_prob(model, x: torch.Tensor, samples: int) -> torch.Tensor:
    """The importance-weighted estimate of log p(x).

    Args:
        model: A model of pythae.
        x: Bits, `[n, 1, 28, 28]`.
        samples: K, a multiple of 50.

    Returns:
        Nats, `[n]`.
    """
    draw = DRAW.get(model.model_name, _draw_normal)
    found = []
    for batch in x.split(IMAGES):
        terms = []
        for _ in range(samples // DRAWS):
            z, log_ratio = draw(model, batch, DRAWS)
            logits = model.decoder.network(z)
            bits = batch.flatten(1).expand_as(logits)
            loss = F.binary_cross_entropy_with_logits(logits, bits, reduction="none")
            terms.append(log_ratio - loss.sum(dim=-1))
        found.append(torch.logsumexp(torch.cat(terms), dim=0) - math.log(samples))
    return torch.cat(found)


@torch.no_grad()
def squared_error(model, x: torch.Tensor) -> torch.Tensor:
    """Of the mean of p(x|z) at a draw of q(z|x), summed over an image, `[n]`."""
    z, _ = DRAW.get(model.model_name, _draw_normal)(model, x, 1)
    return torch.square(torch.sigmoid(model.decoder.network(z[0])) - x.flatten(1)).sum(dim=-1)
