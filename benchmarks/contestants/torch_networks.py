"""The two networks in PyTorch, for the two contestants that are written with it."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks import networks

__all__ = ["images_of", "make_decoder", "make_encoder"]


def images_of(images) -> torch.Tensor:
    """The images on [0, 1] with their channels first, as PyTorch has them."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def make_encoder(network: str, image: tuple[int, int, int]) -> nn.Module:
    """From the image to the mean and the raw scale of q(z|x)."""
    height, width, channels = image
    if network == "mlp":
        size = height * width * channels
        trunk = [nn.Flatten(), nn.Linear(size, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU()]
    else:
        trunk = [
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(height // 4 * (width // 4) * 64, 256),
            nn.ReLU(),
        ]
    width = 200 if network == "mlp" else 256
    model = nn.Sequential(*trunk, nn.Linear(width, 2 * networks.LATENT))
    return _begun(model, networks.encoder(network, image), seed=0)


def make_decoder(network: str, image: tuple[int, int, int]) -> nn.Module:
    """From z to the logits, `[..., channels, height, width]`."""
    height, width, channels = image
    if network == "mlp":
        stack = [
            nn.Linear(networks.LATENT, 200),
            nn.ReLU(),
            nn.Linear(200, 200),
            nn.ReLU(),
            nn.Linear(200, height * width * channels),
            nn.Unflatten(-1, (channels, height, width)),
        ]
    else:
        grid = (64, height // 4, width // 4)
        stack = [
            nn.Linear(networks.LATENT, grid[0] * grid[1] * grid[2]),
            nn.ReLU(),
            nn.Unflatten(1, grid),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, channels, 1),
        ]
    return _begun(nn.Sequential(*stack), networks.decoder(network, image), seed=1)


def _begun(model: nn.Module, kernels: list[networks.Kernel], *, seed: int) -> nn.Module:
    """Copies the common weights in; kernels are transposed, for the outputs come first here."""
    weights = networks.initial_weights(kernels, seed=seed)
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            weight = torch.from_numpy(weight)
            if weight.dim() == 4:
                weight = weight.permute(3, 2, 0, 1)
            elif weight.dim() == 2:
                weight = weight.T.reshape(parameter.shape)  # a 1x1 convolution is a dense layer
            parameter.copy_(weight)
    return model
