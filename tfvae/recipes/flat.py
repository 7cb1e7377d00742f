"""One group of latent variables: the VAE, and models that change its prior or its posterior."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import keras
import tensorflow_probability as tfp

from tfvae import layers, networks, priors
from tfvae.objectives import Objective
from tfvae.options.bounds import Count, Depth, Seed, Weight, Widths
from tfvae.recipes.composing import compose
from tfvae.recipes.extending import extends
from tfvae.recipes.resolving import head_of, uniform_of
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

tfd = tfp.distributions

__all__ = [
    "beta_vae",
    "conditional_vae",
    "exemplar_vae",
    "iaf_vae",
    "nvp_vae",
    "two_stage_vae",
    "vae",
    "vamp_vae",
]


def vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    posterior: str | keras.layers.Layer | Callable | None = None,
    prior: str | priors.Prior | tfd.Distribution | Callable | None = None,
    likelihood: str | keras.layers.Layer | Callable = "bernoulli",
    objective: str | Objective | Callable | None = None,
    beta: Weight | Scheduled | None = None,
    free_bits: Weight | Scheduled | None = None,
    capacity: Weight | Scheduled | None = None,
    samples: Count | None = None,
    kl: Literal["auto", "analytic", "monte_carlo"] | None = None,
    conditioner: keras.layers.Layer | None = None,
    seed: Seed = 0,
) -> VAE:
    """The variational autoencoder: every part by name, as a class, or as an object.

    A name is that of a class in snake case, such as `"vamp_prior"`; an object may have arguments
    of its own, `prior=tfvae.priors.VampPrior(50)`, and so may
    `likelihood=functools.partial(tfvae.layers.IndependentNormal, scale=0.5)`.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        network: `"mlp"`, `"conv"` or `"resnet"`; or the encoder's trunk and the decoder's.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Further arguments of the network, such as `filters`.
        posterior: q(z|x), a layer of `tfvae.layers`; None: factorized normal.
        prior: p(z), a part of `tfvae.priors` or a `tfd.Distribution`; None: standard normal,
            uniform where the posterior is on the sphere, the simplex, one-hot vectors or 0 and 1,
            and on its ball where that is hyperbolic.
        likelihood: p(x|z), a layer of `tfvae.layers`.
        objective: What is minimised, a part of `tfvae.objectives`; None: the negative ELBO.
        beta: Weight of the rate; None: the objective's own.
        free_bits: Floor of the rate, nats per latent group; None: none.
        capacity: Target of the rate, nats; None: none.
        samples: Posterior samples per example in the loss; None: the objective's own.
        kl: How the rate is computed, `"auto"`, `"analytic"` or `"monte_carlo"`; None: auto.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        seed: Seed of the noise in training and evaluation.

    Returns:
        The model, uncompiled.

    Raises:
        UserError: If a name is unknown, or the parts do not fit together.

    Example:
        >>> model = tfvae.recipes.vae((8, 8, 1), latent_dim=2, prior="vamp_prior")
        >>> model.compile("adam")

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014.
    """
    return of_one_group(
        event_shape, (latent_dim,), network=network, hidden=hidden,
        network_options=network_options, posterior=posterior, prior=prior, likelihood=likelihood,
        objective=objective, conditioner=conditioner, seed=seed, beta=beta, free_bits=free_bits,
        capacity=capacity, samples=samples, kl=kl,
    )  # fmt: skip


def of_one_group(
    event_shape: Sequence[int],
    latent_shape: Sequence[int],
    *,
    network: str | Trunks,
    hidden: Sequence[int],
    network_options: Mapping | None,
    posterior: str | keras.layers.Layer | Callable | None,
    prior: str | priors.Prior | tfd.Distribution | Callable | None,
    conditioner: keras.layers.Layer | None,
    **options,
) -> VAE:
    """The model of one group of latent variables of any shape; see `vae` for what is not listed.

    Args:
        event_shape: Shape of one example, channels last.
        latent_shape: Shape of z.
        network: See `vae`.
        hidden: See `vae`.
        network_options: See `vae`.
        posterior: See `vae`.
        prior: See `vae`.
        conditioner: See `vae`.
        **options: Further arguments of `compose`.

    Returns:
        The model, uncompiled.
    """
    down, up = trunks(event_shape, network, hidden, network_options)
    head = head_of("posterior", posterior or layers.IndependentNormal, latent_shape)
    prior = uniform_of(head) if prior is None else prior

    def encoder(scaled: Callable) -> keras.Model:
        return networks.Encoder(scaled(down), head, conditioner=conditioner)

    return compose(event_shape, encoder, up, prior=prior, conditioner=conditioner, **options)


@extends(vae, fixes=("objective",))
def beta_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 10,
    *,
    beta: Weight | Scheduled = 4.0,
    **options,
) -> VAE:
    """The beta-VAE: the rate weighs beta times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Weight of the rate.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", 2017, Eq. 4.
    """
    return vae(event_shape, latent_dim, beta=beta, **options)


@extends(vae, fixes=("prior",))
def vamp_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    pseudo_inputs: Count = 500,
    **options,
) -> VAE:
    """The VAE with a VampPrior: the prior is a mixture of posteriors of learned pseudo-inputs.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        pseudo_inputs: Components of the prior.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Tomczak and Welling, "VAE with a VampPrior", 2018, Eq. 9.
    """
    prior = functools.partial(priors.VampPrior, pseudo_inputs)
    return vae(event_shape, latent_dim, prior=prior, **options)


@extends(vae, fixes=("prior", "conditioner"))
def exemplar_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    exemplars: Count = 1000,
    neighbours: Count | None = None,
    **options,
) -> VAE:
    """The exemplar VAE: the prior is a mixture of equal normals around the codes of examples.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        exemplars: Examples that are stored for the prior; `latents.adapt(data)` stores them.
        neighbours: So many of the nearest are summed over; None: all.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Norouzi, Fleet, Norouzi, "Exemplar VAE: Linking Generative Models, Nearest Neighbor
        Retrieval, and Data Augmentation", 2020, Eq. 6-9.
    """
    prior = priors.ExemplarPrior(exemplars, neighbours)
    return vae(event_shape, latent_dim, prior=prior, **options)


@extends(vae, fixes=("prior",))
def nvp_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    couplings: Depth = 6,
    flow_hidden: Widths = (128, 128),
    **options,
) -> VAE:
    """The VAE whose prior is a real NVP.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        couplings: Affine couplings of the prior.
        flow_hidden: Units of the network of each coupling.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Dinh, Sohl-Dickstein, Bengio, "Density Estimation using Real NVP", 2017.
        Chen et al., "Variational Lossy Autoencoder", 2017, Section 3.2 (a flow as prior).
    """
    return vae(event_shape, latent_dim, prior=priors.RealNVP(couplings, flow_hidden), **options)


@extends(vae, fixes={"prior": "standard_normal", "fit_prior": "two_stage"})
def two_stage_vae(event_shape: Sequence[int], latent_dim: Count = 16, **options) -> VAE:
    """The two-stage VAE: after the training, a second VAE of the codes becomes the prior.

    The command line fits the second stage when the training is over; in Python that is
    `tfvae.fit_prior(model, data, "two_stage")`. Its log p(z) is an estimate of a lower bound.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables, of both stages.
        **options: Further arguments of `vae`.

    Returns:
        The model of the first stage, uncompiled.

    References:
        Dai and Wipf, "Diagnosing and Enhancing VAE Models", 2019, Section 4.
    """
    return vae(event_shape, latent_dim, **options)


@extends(vae, fixes=("posterior",))
def iaf_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    flow_steps: Depth = 2,
    flow_hidden: Widths = (320,),
    flow_context: Count = 200,
    **options,
) -> VAE:
    """The VAE whose posterior is an inverse autoregressive flow.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        flow_steps: Steps of the flow.
        flow_hidden: Units of the network of each step.
        flow_context: Size of what each step sees of the encoder.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016.
    """
    posterior = layers.InverseAutoregressiveFlow(
        latent_dim, steps=flow_steps, hidden=flow_hidden, context_size=flow_context
    )
    return vae(event_shape, latent_dim, posterior=posterior, **options)


@extends(vae, fixes=("conditioner",))
def conditional_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    classes: Count = 10,
    context_size: Count | None = None,
    conditional_prior: bool = True,
    prior: str | priors.Prior | tfd.Distribution | Callable | None = None,
    **options,
) -> VAE:
    """The conditional VAE: encoder, decoder and prior know the label, or a vector, of an example.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        classes: Number of classes: the context is the label, `[batch]`, from 0.
        context_size: Where it is given, the context is a vector, `[batch, context_size]`.
        conditional_prior: Whether p(z|c) is learned, where no `prior` is given.
        prior: p(z), a part of `tfvae.priors`; None: as `conditional_prior` says.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled; `fit` takes data of (x, context), `sample` a `context`.

    References:
        Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional
        Generative Models", 2015, Eq. 4.
    """
    if context_size is None:
        conditioner = keras.layers.CategoryEncoding(classes, output_mode="one_hot")
    else:
        conditioner = keras.layers.Reshape((context_size,))
    if prior is None and conditional_prior:
        prior = priors.ConditionalNormal(conditioner)
    return vae(event_shape, latent_dim, prior=prior, conditioner=conditioner, **options)
