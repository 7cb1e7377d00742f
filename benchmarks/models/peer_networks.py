"""The trunk of all models for pythae: the same layers, and the same spread of the first weights."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from torch import nn

from benchmarks.models.budget import BUDGET

__all__ = ["Decoder", "Discriminator", "Encoder", "SphereEncoder"]

PIXELS = 28 * 28
MIN_SCALE = 1e-3  # q(z|x) has the scale softplus(raw) + MIN_SCALE, as in tfvae


def dense(*sizes: int) -> list[nn.Module]:
    """Layers with ReLU between them; Glorot-uniform kernels and biases of 0, as Keras has them."""
    layers: list[nn.Module] = []
    for rows, columns in itertools.pairwise(sizes):
        layer = nn.Linear(rows, columns)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return layers[:-1]


class Encoder(BaseEncoder):
    """From x to the mean and the logarithm of the variance of q(z|x)."""

    def __init__(self):
        super().__init__()
        sizes = (PIXELS, *BUDGET.hidden, 2 * BUDGET.latent)
        self.network = nn.Sequential(nn.Flatten(), *dense(*sizes))

    def forward(self, x):
        """As pythae wants it."""
        mean, raw = self.network(x).chunk(2, dim=-1)
        log_variance = 2 * torch.log(F.softplus(raw) + MIN_SCALE)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class SphereEncoder(BaseEncoder):
    """From x to the direction and the raw concentration of q(z|x) on the sphere."""

    def __init__(self):
        super().__init__()
        sizes = (PIXELS, *BUDGET.hidden, BUDGET.latent + 1)
        self.network = nn.Sequential(nn.Flatten(), *dense(*sizes))

    def forward(self, x):
        """As pythae wants it."""
        mean, raw = self.network(x).split([BUDGET.latent, 1], dim=-1)
        return ModelOutput(embedding=mean, log_concentration=raw)


class Decoder(BaseDecoder):
    """From z to the probabilities of the pixels."""

    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(*dense(BUDGET.latent, *BUDGET.hidden[::-1], PIXELS))

    def forward(self, z):
        """As pythae wants it."""
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)).view(-1, 1, 28, 28))


class Discriminator(BaseDiscriminator):
    """That of tfvae's FactorVAE, three layers of 256 units, in the place of five of 1000."""

    def __init__(self):
        super().__init__()
        layers = dense(BUDGET.latent, 256, 256, 256, 2)
        self.network = nn.Sequential(
            *(nn.LeakyReLU(0.2) if isinstance(layer, nn.ReLU) else layer for layer in layers)
        )

    def forward(self, z):
        """As pythae wants it."""
        return self.network(z)
