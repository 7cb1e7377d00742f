"""The two networks as lists of kernels, and the weights that every contestant starts from."""

from __future__ import annotations

import dataclasses
import itertools
import math

__all__ = ["LATENT", "MIN_SCALE", "Kernel", "decoder", "encoder", "initial_weights"]

LATENT = 50
MIN_SCALE = 1e-3  # q(z|x) has the scale softplus(raw) + MIN_SCALE


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A dense layer or a convolution.

    Attributes:
        shape: `(in, out)`, or `(height, width, in, out)`.
        positions: At how many positions of an image it is applied.
    """

    shape: tuple[int, ...]
    positions: int = 1

    @property
    def rows(self) -> int:
        """Numbers that go into one output."""
        return math.prod(self.shape[:-1])


def encoder(network: str, image: tuple[int, int, int]) -> list[Kernel]:
    """Kernels from the image to the mean and the raw scale of q(z|x)."""
    height, width, channels = image
    if network == "mlp":
        return _dense(height * width * channels, 200, 200, 2 * LATENT)
    half, quarter = height * width // 4, height * width // 16
    return [
        Kernel((3, 3, channels, 32), half),
        Kernel((3, 3, 32, 64), quarter),
        *_dense(quarter * 64, 256, 2 * LATENT),
    ]


def decoder(network: str, image: tuple[int, int, int]) -> list[Kernel]:
    """Kernels from z to the logits."""
    height, width, channels = image
    if network == "mlp":
        return _dense(LATENT, 200, 200, height * width * channels)
    return [
        *_dense(LATENT, height * width // 16 * 64),
        Kernel((3, 3, 64, 32), height * width // 4),
        Kernel((3, 3, 32, 32), height * width),
        Kernel((32, channels), height * width),
    ]


def _dense(*sizes: int) -> list[Kernel]:
    return [Kernel(pair) for pair in itertools.pairwise(sizes)]


def initial_weights(kernels: list[Kernel], *, seed: int) -> list:
    """Glorot-uniform kernels and biases of 0, in turn: the same for all contestants."""
    import numpy as np

    random = np.random.default_rng(seed)
    weights = []
    for kernel in kernels:
        field = math.prod(kernel.shape[:-2])
        limit = math.sqrt(6 / (field * (kernel.shape[-2] + kernel.shape[-1])))
        weights.append(random.uniform(-limit, limit, kernel.shape).astype("float32"))
        weights.append(np.zeros(kernel.shape[-1], "float32"))
    return weights
