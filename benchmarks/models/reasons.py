"""What differs between a recipe and pythae's model; where ours is worse, why."""

from __future__ import annotations

__all__ = ["REASONS"]

REASONS = {
    "piwae": "the encoder of pythae's gets the gradient of both bounds, ours that of its own.",
    "factor_vae": (
        "pythae takes one half of each batch for the model and the other for the discriminator, so "
        "that its encoder and decoder see half as many images."
    ),
    "vamp_vae": "pythae's pseudo-inputs begin as noise, ours as the first training images.",
    "iaf_vae": "the flow of pythae's is the same for all images, ours sees what the encoder made.",
    "hyperspherical_vae": (
        "beta rises over 1000 steps in ours and is 1 from the start in pythae's, whose "
        "concentrations are at least 1."
    ),
}
