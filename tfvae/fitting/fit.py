"""`fit_prior`: another p(z) for a trained model, fitted to what it encodes data to."""

from __future__ import annotations

from typing import Literal

import numpy as np
import tensorflow as tf

from tfvae.data.batches import first_batch
from tfvae.distributions.spaces import check_same_space
from tfvae.errors import UserError
from tfvae.fitting.kinds import check_options, make_prior
from tfvae.latents import OneGroup
from tfvae.latents.codes import codes_of, moments_of
from tfvae.priors import Prior
from tfvae.vae import VAE

__all__ = ["fit_prior", "prior_to_fit"]


def fit_prior(
    vae: VAE,
    data: tf.data.Dataset | np.ndarray,
    kind: str | Prior = "gaussian_mixture",
    *,
    codes: Literal["draws", "means"] = "draws",
    draws: int | None = None,
    seed: int = 0,
    **options,
) -> Prior:
    """Fits a prior to the codes of data and gives it to the model, in the place of its own.

    Of all priors the aggregate posterior q(z) = 1/N Σ_n q(z|x_n) has the largest ELBO on the N
    examples, for the encoder and the decoder that there are: a prior is fitted to draws of it,
    max_p E_q(z) log p(z). The means of q(z|x) are narrower than q(z); they are for a model whose
    posteriors are no more than noise around its codes.

    `vae.prior` is the new one afterwards, and `sample`, `elbo`, `log_prob`, `fit` and `save` go on
    with it. Its weights are not trained on by `fit`; `vae.prior.trainable = True` and a new
    `compile` change that.

    Args:
        vae: The trained model; z is one group, and its prior is the same for each context.
        data: The training data, batches of x, (x, context) or (x, context, sample_weight); or an
            array of x. An example of weight w counts w times.
        kind: What is fitted: `"gaussian_mixture"`, by EM; `"maf"`, `"iaf"` or `"real_nvp"`, a
            masked autoregressive flow, an inverse one or one of couplings; `"two_stage"`, a second
            VAE of the codes, whose log p(z) is an estimate of a lower bound; `"hypersphere"`, a
            uniform direction and fitted radii; `"riemannian"`, the uniform distribution on the
            manifold of the posteriors, which has draws and no density; or a `tfvae.priors.Prior`.
        codes: Whether to `"draws"` of q(z|x) or to its `"means"`; `"riemannian"` is fitted to the
            means and covariances of q(z|x).
        draws: Draws for each example; None: as many as make 20 000 of all examples, or one.
        seed: Seed of the draws and of the fit.
        **options: Arguments of the prior, such as `components=20`, and of its `fit`, such as
            `steps=5000`.

    Returns:
        The prior, `vae.prior`.

    Raises:
        UserError: If the kind or an option is unknown, z is not one group, the prior depends on
            a context, there are no data, or the prior is of another support than the posterior.

    Example:
        >>> model = tfvae.recipes.vae((8, 8, 1), 2, hidden=(16,))
        >>> model.compile("adam")
        >>> history = model.fit(train, epochs=1, verbose=0)
        >>> prior = tfvae.fit_prior(model, train, "gaussian_mixture", components=3)
        >>> model.prior is prior
        True

    References:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, Section 4 (ex-post
        density estimation).
        Tomczak and Welling, "VAE with a VampPrior", 2018, Eq. 5 (the aggregate posterior).
        Dai and Wipf, "Diagnosing and Enhancing VAE Models", 2019, Section 4 (`"two_stage"`).
        Chadebec and Allassonnière, "A Geometric Perspective on Variational Autoencoders", 2022
        (`"riemannian"`).
    """
    prior = prior_to_fit(vae, data, kind, options)
    if prior.reads == "codes":
        found = codes_of(vae, data, codes=codes, draws=draws, seed=seed)
    else:
        found = moments_of(vae, data, seed=seed)
    prior.fit(*found, seed=seed, **options)
    prior.trainable = False
    vae.replace_prior(prior)
    return prior


def prior_to_fit(vae: VAE, data: tf.data.Dataset | np.ndarray, kind, options: dict) -> Prior:
    """Makes the prior of a kind for a model, and refuses all that can be refused before the fit.

    Args:
        vae: As in `fit_prior`; it need not be trained yet.
        data: As in `fit_prior`.
        kind: As in `fit_prior`.
        options: As in `fit_prior`; those that make the prior are taken out.

    Returns:
        The prior, built and not fitted.

    Raises:
        UserError: As in `fit_prior`.
    """
    _check(vae)
    prior = make_prior(kind, options)
    check_options(kind, prior, options)
    if getattr(prior, "conditioner", None) is not None:
        raise UserError(f"{type(prior).__name__} depends on a context: it is trained with a model")
    batch = first_batch(data)
    vae.check(batch)
    if type(prior).connect is not Prior.connect:
        raise UserError(
            f"{type(prior).__name__} is made of the posteriors of its model and trained with it: "
            "take another prior to be fitted to codes, such as MixtureOfNormals"
        )
    posterior = vae.encode(*vae.inputs_of(batch)[:2])
    event = tuple(posterior.event_shape)
    if prior.event_shape not in (None, event):
        raise UserError(
            f"kind has the event shape {prior.event_shape}, and the posterior {event}: give it none"
        )
    if not prior.built:
        with vae.distribute_strategy.scope():
            prior.build(event, vae.data_shape)
    check_same_space(posterior, prior())
    return prior


def _check(vae: VAE) -> None:
    """Refuses a model whose prior another one cannot take the place of."""
    if not isinstance(vae, VAE):
        raise UserError(f"vae takes a tfvae.VAE, got {vae!r}")
    if not isinstance(vae.latents, OneGroup):
        raise UserError(
            f"{type(vae.latents).__name__} has no prior of one group that another could take the "
            "place of: give a model whose z is one group, such as tfvae.recipes.vae makes"
        )
    if getattr(vae.prior, "conditioner", None) is not None:
        raise UserError(
            f"the prior of the model depends on its context ({type(vae.prior).__name__}), and one "
            "that is fitted to all codes would not: make the model with conditional_prior=False"
        )
