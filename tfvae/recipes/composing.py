"""What all recipes end in: an encoder, a decoder, a prior and an objective to one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tfvae import networks
from tfvae.latents import LatentStructure
from tfvae.recipes.resolving import head_of, objective_of, prior_of
from tfvae.vae import VAE

__all__ = ["compose"]


def compose(
    event_shape: Sequence[int],
    encoder: Callable[[Callable], keras.Model],
    up: keras.layers.Layer,
    *,
    likelihood: object,
    prior: object = None,
    latents: LatentStructure | None = None,
    objective: object,
    conditioner: keras.layers.Layer | None,
    seed: int,
    **numbers,
) -> VAE:
    """The model of an encoder, a decoder's trunk, and the parts that every recipe takes.

    Args:
        event_shape: Shape of one example, channels last.
        encoder: Makes the encoder, with what its first trunk has to pass: the scaling of x.
        up: Trunk of the decoder.
        likelihood: See `vae`.
        prior: See `vae`.
        latents: How z is inferred and generated, in place of a prior.
        objective: See `vae`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        seed: Seed of the noise.
        **numbers: Arguments of the objective, such as `beta`; None: its own.

    Returns:
        The model, uncompiled.
    """
    head = head_of("likelihood", likelihood, event_shape)
    levels = getattr(head, "levels", None)

    def scaled(down: keras.layers.Layer) -> keras.layers.Layer:
        if levels is None:
            return down
        # The encoder sees the levels on [-1, 1]; the likelihood sees them as they are.
        half = (levels - 1) / 2
        return keras.Sequential([keras.layers.Rescaling(1 / half, offset=-1.0), down])

    return VAE(
        encoder(scaled),
        networks.Decoder(up, head, conditioner=conditioner),
        prior_of(prior, head, conditioner),
        objective_of(objective, **numbers),
        latents=latents,
        seed=seed,
    )
