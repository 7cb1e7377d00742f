"""The kinds of priors that `fit_prior` knows by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from tfvae import priors
from tfvae.errors import UserError, unknown_name

__all__ = ["KINDS", "STEPPED", "check_options", "make_prior"]


def _gaussian_mixture(
    *, components: int = 10, covariance: str = "full", min_scale: float = 1e-3
) -> priors.Prior:
    return priors.MixtureOfNormals(components, covariance=covariance, min_scale=min_scale)


def _maf(*, flow_steps: int = 5, hidden: Sequence[int] = (128, 128)) -> priors.Prior:
    return priors.Standardized(priors.MaskedAutoregressiveFlow(flow_steps, hidden))


def _iaf(*, flow_steps: int = 2, hidden: Sequence[int] = (64, 64)) -> priors.Prior:
    # Each density takes as many passes as z has elements: fewer and smaller networks than a MAF's.
    return priors.Standardized(priors.MaskedAutoregressiveFlow(flow_steps, hidden, inverse=True))


def _real_nvp(*, couplings: int = 6, hidden: Sequence[int] = (128, 128)) -> priors.Prior:
    return priors.Standardized(priors.RealNVP(couplings, hidden))


def _two_stage(
    *, latent_size: int | None = None, hidden: Sequence[int] = (256, 256), samples: int = 16
) -> priors.Prior:
    return priors.Standardized(priors.SecondStage(latent_size, hidden, samples=samples))


def _hypersphere() -> priors.Prior:
    return priors.UniformDirection()


def _riemannian(
    *,
    centres: int = 200,
    regularization: float = 1e-2,
    chain: int = 100,
    leapfrog: int = 10,
    step_size: float = 0.1,
) -> priors.Prior:
    return priors.RiemannianUniform(
        priors.PosteriorMetric(centres, regularization=regularization),
        chain=chain,
        leapfrog=leapfrog,
        step_size=step_size,
    )


# Arguments of `fit` that are no options: they follow from the data.
GIVEN = {"z", "examples", "loc", "covariance", "seed"}
# Name -> what makes the prior, not fitted yet; its arguments are options of `fit_prior`.
KINDS: dict[str, Callable[..., priors.Prior]] = {
    "gaussian_mixture": _gaussian_mixture,
    "hypersphere": _hypersphere,
    "iaf": _iaf,
    "maf": _maf,
    "real_nvp": _real_nvp,
    "riemannian": _riemannian,
    "two_stage": _two_stage,
}
STEPPED = ("iaf", "maf", "real_nvp", "two_stage")  # those whose fit takes steps of an optimizer


def make_prior(kind: str | priors.Prior, options: dict) -> priors.Prior:
    """Makes the prior of a kind.

    Args:
        kind: A name of `KINDS`, or a prior.
        options: Arguments of `fit_prior`; those that the prior takes are taken out.

    Returns:
        The prior, not fitted yet.

    Raises:
        UserError: If the kind is unknown.
    """
    if isinstance(kind, priors.Prior):
        return kind
    if not isinstance(kind, str):
        raise UserError(f"kind takes a name or a tfvae.priors.Prior, got {kind!r}")
    if kind not in KINDS:
        raise unknown_name("kind", kind, sorted(KINDS))
    taken = [name for name in inspect.signature(KINDS[kind]).parameters if name in options]
    return KINDS[kind](**{name: options.pop(name) for name in taken})


def check_options(kind: str | priors.Prior, prior: priors.Prior, options: dict) -> None:
    """Refuses options that neither the prior nor its `fit` takes.

    Args:
        kind: As in `make_prior`.
        prior: What it made.
        options: What it left.

    Raises:
        UserError: If there is one.
    """
    inner = prior.prior if isinstance(prior, priors.Standardized) else prior
    known = set(inspect.signature(inner.fit).parameters) - GIVEN
    own = set(inspect.signature(KINDS[kind]).parameters) if isinstance(kind, str) else set()
    called = kind if isinstance(kind, str) else type(kind).__name__
    for name in set(options) - known:
        raise unknown_name(f"option of {called}", name, sorted(known | own))
