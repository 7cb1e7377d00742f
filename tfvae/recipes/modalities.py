"""Data of several modalities, any of which may be missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import keras
import tensorflow_probability as tfp

from tfvae import layers, networks, priors
from tfvae.errors import UserError
from tfvae.objectives import Objective
from tfvae.options.bounds import Count, Depth, Number, Seed, Share, Weight, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.resolving import head_of, objective_of, prior_of
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.recipes.warming import warmed
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

tfd = tfp.distributions

__all__ = ["multimodal_vae"]


def _bands(shape: Sequence[int], count: int) -> dict[str, tuple[int, ...]]:
    """The shapes of as many bands of an array along its first axis."""
    if not 1 <= count <= shape[0]:
        raise UserError(f"bands takes a number from 1 to {shape[0]}, got {count!r}")
    ends = [shape[0] * i // count for i in range(count + 1)]
    heights = [b - a for a, b in itertools.pairwise(ends)]
    digits = len(str(count - 1))  # sorted names are in the order of the bands
    return {f"band_{i:0{digits}}": (n, *shape[1:]) for i, n in enumerate(heights)}


def _heads(likelihood: object, shapes: Mapping[str, Sequence[int]]) -> dict:
    """The likelihood of each modality."""
    if isinstance(likelihood, Mapping):
        if set(likelihood) != set(shapes):
            raise UserError(
                f"likelihood is there for {', '.join(sorted(likelihood))}, and event_shape for "
                f"{', '.join(sorted(shapes))}: give both of the same names"
            )
        return {name: head_of("likelihood", likelihood[name], shapes[name]) for name in shapes}
    if isinstance(likelihood, keras.layers.Layer) and len(shapes) > 1:
        raise UserError(
            f"likelihood={likelihood.name} is one layer for {len(shapes)} modalities: give its "
            "name or class, or a dict of one for each"
        )
    return {name: head_of("likelihood", likelihood, shape) for name, shape in shapes.items()}


@extends(vae, fixes=("posterior",))
def multimodal_vae(
    event_shape: Sequence[int] | Mapping[str, Sequence[int]],
    latent_dim: Count = 16,
    *,
    experts: Literal["product", "mixture", "mixture_of_products"] = "mixture_of_products",
    drop: Share = 0.25,
    bands: Depth = 2,
    warm_up: Number = 1000,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    prior: str | priors.Prior | tfd.Distribution | Callable | None = None,
    likelihood: str | Mapping | Callable = "bernoulli",
    objective: str | Objective | Callable | None = None,
    beta: Weight | Scheduled | None = None,
    free_bits: Weight | Scheduled | None = None,
    capacity: Weight | Scheduled | None = None,
    samples: Count | None = None,
    kl: Literal["auto", "analytic", "monte_carlo"] | None = None,
    conditioner: keras.layers.Layer | None = None,
    seed: Seed = 0,
) -> VAE:
    """The multimodal VAE: one z of several modalities, of which an example may lack any.

    With a dict of shapes, x is a dict of arrays, in `fit` and everywhere else; a modality that an
    example lacks is NaN throughout. The networks of a modality of no axis, or one, are MLPs. With
    one shape, the modalities are bands of x: the upper and the lower half of an image, say.

    Args:
        event_shape: Shapes of the modalities by name, channels last; or that of x.
        latent_dim: Number of latent variables.
        experts: How the posteriors of the modalities become one: their product with the prior
            (Wu and Goodman), their mixture (Shi et al.), or the mixture of the products of all
            subsets of them (Sutter et al.).
        drop: Share of the modalities that a training step leaves out of q(z|x), at random.
        bands: Number of bands where `event_shape` is one shape.
        warm_up: Steps over which beta rises from zero, where it is a number. Without it z may stay
            unused.
        network: As in `vae`, of each modality.
        hidden: Units of the encoders' MLPs; the decoders' have them in reverse.
        network_options: As in `vae`.
        prior: p(z), a part of `tfvae.priors`; None: standard normal.
        likelihood: p(x_m|z), a layer of `tfvae.layers` for all modalities, or a dict of them.
        objective: As in `vae`.
        beta: As in `vae`.
        free_bits: As in `vae`.
        capacity: As in `vae`.
        samples: As in `vae`.
        kl: As in `vae`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        seed: Seed of the noise in training and evaluation.

    Returns:
        The model, uncompiled.

    Raises:
        UserError: If shapes and likelihoods do not fit.

    Example:
        >>> model = tfvae.recipes.multimodal_vae(
        ...     {"image": (8, 8, 1), "label": (3,)}, 4, hidden=(16,),
        ...     likelihood={"image": "bernoulli", "label": tfvae.layers.OneHotCategorical},
        ... )
        >>> model.compile("adam")
        >>> label = np.eye(3, dtype="float32")[y]
        >>> label[::2] = np.nan  # every other one is missing
        >>> history = model.fit({"image": x, "label": label}, verbose=0)
        >>> sorted(model.sample(2))
        ['image', 'label']

    References:
        Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning",
        2018.
        Shi, Siddharth, Paige, Torr, "Variational Mixture-of-Experts Autoencoders for Multi-Modal
        Deep Generative Models", 2019.
        Sutter, Daunhawer, Vogt, "Generalized Multimodal ELBO", 2021.
    """
    whole = None if isinstance(event_shape, Mapping) else tuple(event_shape)
    shapes = dict(sorted(event_shape.items())) if whole is None else _bands(whole, bands)
    heads = _heads(likelihood, shapes)
    encoders, decoders = {}, {}
    for name, shape in shapes.items():
        plain = len(shape) < 2 and whole is None
        down, up = trunks(
            shape or (1,), "mlp" if plain else network, hidden, None if plain else network_options
        )
        normal = layers.IndependentNormal(latent_dim)
        encoders[name] = networks.Encoder(down, normal, conditioner=conditioner)
        decoders[name] = networks.Decoder(up, heads[name], conditioner=conditioner)
    kinds = {type(head) for head in heads.values()}
    # Where the modalities differ, pseudo-inputs of a prior are not held to the range of one.
    head = next(iter(heads.values())) if len(kinds) == 1 else layers.IndependentNormal(())
    return VAE(
        networks.MultimodalEncoder(encoders, shapes, experts=experts, drop=drop),
        networks.MultimodalDecoder(decoders, event_shape=whole),
        prior_of(prior, head, conditioner),
        objective_of(
            objective,
            beta=warmed(beta, objective, warm_up),
            free_bits=free_bits,
            capacity=capacity,
            samples=samples,
            kl=kl,
        ),
        seed=seed,
    )
