"""An autoregressive prior over maps of codes: a causal transformer in raster order."""

from __future__ import annotations

import math

import keras

from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.autoregressive_codes import AutoregressiveCodes
from tfvae.priors.causal_transformer import CausalTransformer

__all__ = ["CodeTransformer"]


@keras.saving.register_keras_serializable(package="tfvae")
class CodeTransformer(AutoregressiveCodes):
    """p(k) = Π_i p(k_i | k_1, ..., k_{i−1}), the positions of the map row by row.

    Uniform until it is fitted. With a conditioner in the quantizer its vector, of any kind, is
    seen at every position. Several codes of a position, as residual quantization has them, come
    one after the other: a second, small transformer over them sees what the first says of the
    positions before.

    Args:
        width: Features of a position.
        heads: Attention heads.
        blocks: Blocks of attention and a two-layer network.
        steps: Steps of Adam in `fit`, where no number of epochs is given.
        batch_size: Maps in a step.
        learning_rate: Of Adam, falling to zero along a cosine.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> quantizer = tfvae.latents.VectorQuantizer(128, CodeTransformer(width=64))

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.3 (there a PixelCNN).
        Razavi, van den Oord, Vinyals, "Generating Diverse High-Fidelity Images with VQ-VAE-2",
        2019, Section 3.2.
        Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022, Section
        3.2 (several codes of a position).
    """

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        blocks: int = 2,
        *,
        steps: int = 1000,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        fit = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
        super().__init__(width, heads, **fit, **kwargs)
        self.blocks = blocks

    def make_network(self, conditional: bool) -> CausalTransformer:
        """Makes the transformer for maps of `self.shape`."""
        return CausalTransformer(
            math.prod(self.shape) // self.depth,
            self.codes,
            width=self.width,
            heads=self.heads,
            blocks=self.blocks,
            conditional=conditional,
            depth=self.depth,
            dtype=self.dtype_policy,
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "blocks": self.blocks}
