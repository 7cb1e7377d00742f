"""Models of data of which some have a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow_probability as tfp

from tfvae import latents, layers, networks, priors
from tfvae.errors import UserError
from tfvae.objectives import Objective
from tfvae.options.bounds import Count, Number, Weight, Widths
from tfvae.recipes.composing import compose
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.resolving import head_of, objective_of, prior_of
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.recipes.warming import warmed
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

tfd = tfp.distributions

__all__ = ["m1_m2", "m2"]


def _vectors(size: int) -> keras.layers.Layer:
    """The conditioner of one-hot classes, which are vectors already."""
    return keras.layers.Reshape((size,))


@extends(vae, fixes=("conditioner",))
def m2(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    classes: Count = 10,
    alpha: Weight = 50.0,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    posterior: str | keras.layers.Layer | Callable | None = None,
    prior: str | priors.Prior | tfd.Distribution | Callable | None = None,
    likelihood: str | keras.layers.Layer | Callable = "bernoulli",
    **options,
) -> VAE:
    """M2: a class beside z, known for some of the examples and summed over for the others.

    `fit` takes data of (x, label), with -1 for a label that is missing. The classifier q(y|x) and
    q(z|x, y) are networks of their own, of the same widths. The ELBO of an example with a label is
    a bound of log p(x, label), that of one without a bound of log p(x).

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables beside the class.
        classes: Number of classes; a label is a number from 0, or -1.
        alpha: Weight of the classifier's loss for each example with a label; the paper's is a
            tenth of the number of examples for each that has a label.
        network: As in `vae`.
        hidden: Units of the MLPs; the decoder's has them in reverse.
        network_options: As in `vae`.
        posterior: q(z|x, y), a layer of `tfvae.layers`; None: factorized normal.
        prior: p(z), a part of `tfvae.priors`; None: standard normal.
        likelihood: As in `vae`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled; `encode(x)` is the classifier, `sample` takes a label as `context`.

    References:
        Kingma, Mohamed, Rezende, Welling, "Semi-supervised Learning with Deep Generative Models",
        2014, Section 2.
    """
    (first, up), (second, _) = (
        trunks(event_shape, network, hidden, network_options) for _ in range(2)
    )
    head = head_of("posterior", posterior or layers.IndependentNormal, (latent_dim,))
    structure = latents.SemiSupervised(
        networks.Encoder(first, layers.OneHotCategorical(classes)),
        networks.Encoder(second, head, conditioner=_vectors(classes)),
        alpha=alpha,
        prior=prior_of(prior, head_of("likelihood", likelihood, event_shape), None),
    )

    def encoder(scaled: Callable) -> keras.Model:
        return networks.BottomUp([scaled(keras.layers.Identity())])

    return compose(
        event_shape, encoder, up, likelihood=likelihood, latents=structure, conditioner=None,
        **options,
    )  # fmt: skip


@extends(vae, fixes=("conditioner",))
def m1_m2(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    classes: Count = 10,
    alpha: Weight = 50.0,
    code_dim: Count = 50,
    upper_hidden: Widths = (200,),
    m1: VAE | None = None,
    warm_up: Number = 1000,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    posterior: str | keras.layers.Layer | Callable | None = None,
    prior: str | priors.Prior | tfd.Distribution | Callable | None = None,
    likelihood: str | keras.layers.Layer | Callable = "bernoulli",
    objective: str | Objective | Callable | None = None,
    beta: Weight | Scheduled | None = None,
    **options,
) -> VAE:
    """M1+M2: a semi-supervised model of the codes of a VAE, trained with it or after it.

    By default both are trained at once. With `m1`, a trained VAE, its encoder and decoder are
    taken over and stay as they are, and M2 is trained on its codes, as in the paper. `fit` takes
    data of (x, label), with -1 for a label that is missing.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables beside the class.
        classes: Number of classes; a label is a number from 0, or -1.
        alpha: Weight of the classifier's loss for each example with a label.
        code_dim: Number of latent variables of M1, which the decoder takes.
        upper_hidden: Units of the networks between the two.
        m1: A trained VAE with one group of latent variables; it is not trained any more.
        warm_up: Steps over which beta rises from zero, where it is a number. Without it the codes
            of M1 stay unused.
        network: As in `vae`.
        hidden: Units of the MLPs of M1; the decoder's has them in reverse.
        network_options: As in `vae`.
        posterior: q(z_1|x), a layer of `tfvae.layers`; None: factorized normal.
        prior: p(z_2), a part of `tfvae.priors`; None: standard normal.
        likelihood: As in `vae`.
        objective: As in `vae`.
        beta: Weight of the rate, as in `vae`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled; `encode(x)` is the classifier, `sample` takes a label as `context`.

    Raises:
        UserError: If m1 is no VAE with one group.

    References:
        Kingma, Mohamed, Rezende, Welling, "Semi-supervised Learning with Deep Generative Models",
        2014, Section 2.
    """
    if m1 is not None:
        if not isinstance(m1, VAE) or not isinstance(m1.latents, latents.OneGroup) or not m1.built:
            raise UserError(
                f"m1 takes a trained VAE with one group of latent variables, got {m1!r}"
            )
        code_dim = m1.latents.event_shape[0]
    data_head = head_of("likelihood", likelihood, event_shape)

    def normals(size: int, conditioner: keras.layers.Layer | None = None) -> keras.Model:
        head = layers.IndependentNormal(size)
        return networks.Encoder(networks.MLP(upper_hidden), head, conditioner=conditioner)

    structure = latents.StackedSemiSupervised(
        networks.Encoder(networks.MLP(upper_hidden), layers.OneHotCategorical(classes)),
        normals(latent_dim, _vectors(classes)),
        normals(code_dim),
        alpha=alpha,
        prior=prior_of(prior, data_head, None),
    )
    beta = warmed(beta, objective, warm_up)
    if m1 is not None:
        m1.encoder.trainable = m1.decoder.trainable = False
        seed = options.pop("seed")
        return VAE(
            m1.encoder, m1.decoder, objective=objective_of(objective, beta=beta, **options),
            latents=structure, scale_inputs=m1.scale_inputs, seed=seed,
        )  # fmt: skip
    down, up = trunks(event_shape, network, hidden, network_options)
    head = head_of("posterior", posterior or layers.IndependentNormal, (code_dim,))

    def encoder(scaled: Callable) -> keras.Model:
        return networks.Encoder(scaled(down), head)

    return compose(
        event_shape, encoder, up, likelihood=data_head, latents=structure, objective=objective,
        conditioner=None, beta=beta, **options,
    )  # fmt: skip
