"""What every model gets: data, trunk, epochs, seeds; and how it is evaluated.

Standard library alone: the peers import this in an environment of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

__all__ = ["BUDGET", "COMPARED", "OWN", "SEEDS", "Budget", "command", "samples", "seeds"]


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget, as `configs/models.py` has it, and the evaluation.

    Attributes:
        epochs: Passes over the 60,000 training images, binarized anew in each.
        batch: Images in a step.
        latent: Latent variables.
        hidden: Units of the encoder's layers; the decoder has them in reverse.
        learning_rate: Adam's.
        images: Test images from the front, binarized once, the same for all.
        samples: Posterior samples per image of log p(x).
    """

    epochs: int = 3
    batch: int = 128
    latent: int = 16
    hidden: tuple[int, ...] = (200, 200)
    learning_rate: float = 1e-3
    images: int = 1000
    samples: int = 500


BUDGET = Budget()
SEEDS = (0,)
SEEDS_COMPARED = (0, 1, 2)

# Where a recipe's defaults are made for a longer training or another machine, what it is given
# instead. It stands in the command of the page.
OWN: dict[str, Mapping[str, object]] = {
    # A cycle in the middle of which the training would end; a target that would not be reached.
    "annealed_vae": {"annealed_vae.period": 400},
    "disentangled_beta_vae": {"disentangled_beta_vae.steps": 1000},
    "joint_vae": {"joint_vae.capacity_steps": 1000, "joint_vae.continuous_capacity": 15},
    # 8 decodings of an image in place of 64.
    "miwae": {"miwae.bounds": 2, "samples": 4},
    "piwae": {"piwae.bounds": 2, "samples": 4},
    # A thousand of the labels: with all of them there is nothing to be found out.
    "m2": {"labelled": 1000},
    "m1_m2": {"labelled": 1000},
    # Numbers of a code: 625 codes, and 256, in place of 5^16 and 2^16.
    "fsq_vae": {"latent_dim": 4},
    "lfq_vae": {"latent_dim": 8},
    # Codes without noise have no prior that they follow: one is fitted to them, for the samples.
    **{name: {"fit_prior": "gaussian_mixture"} for name in ("ae", "rae_l2", "rae_gp", "rae_sn")},
    # The units of all trunks, in place of tanh, which takes longer to learn.
    "two_layer_vae": {"two_layer_vae.activation": "relu"},
    # The trunk is convolutional in any case: one of few channels, from a grid of 7 on.
    "vdvae": {
        "vdvae.filters": 16,
        "vdvae.encoder": "28x1,28d2,14x1,14d2,7x1,7d7,1x1",
        "vdvae.decoder": "7x2,1x1",
    },
}

# Where 500 passes of the decoder for each image take minutes, fewer; the page says so.
SAMPLES = {"vdvae": 50, "hvae": 50, "rhvae": 50}

# Recipe -> what pythae calls it. Their figures are means over several seeds, for the spread.
COMPARED = {
    "vae": "VAE",
    "beta_vae": "BetaVAE",
    "iwae": "IWAE",
    "miwae": "MIWAE",
    "piwae": "PIWAE",
    "ciwae": "CIWAE",
    "factor_vae": "FactorVAE",
    "beta_tcvae": "BetaTCVAE",
    "info_vae": "INFOVAE_MMD",
    "vamp_vae": "VAMP",
    "iaf_vae": "VAE_IAF",
    "hyperspherical_vae": "SVAE",
}


def seeds(name: str) -> tuple[int, ...]:
    """The seeds that a recipe is trained with."""
    return SEEDS_COMPARED if name in COMPARED else SEEDS


def samples(name: str) -> int:
    """Posterior samples per image that a recipe is evaluated with."""
    return SAMPLES.get(name, BUDGET.samples)


def command(name: str) -> str:
    """The line that trains a recipe at the budget."""
    own = "".join(
        f" \\\n    --config.{field}={value}" for field, value in OWN.get(name, {}).items()
    )
    return (
        f"tfvae-train --config=configs/models.py --config.recipe={name} --workdir=runs/{name}{own}"
    )
