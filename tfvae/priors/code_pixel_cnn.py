"""An autoregressive prior over maps of codes: a gated PixelCNN."""

from __future__ import annotations

import keras

from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.autoregressive_codes import AutoregressiveCodes
from tfvae.priors.gated_pixel_cnn import GatedPixelCNN

__all__ = ["CodePixelCNN"]


@keras.saving.register_keras_serializable(package="tfvae")
class CodePixelCNN(AutoregressiveCodes):
    """p(k) = Π_i p(k_i | k_1, ..., k_{i−1}), where convolutions see the positions before i.

    y = tanh(W_f * h + V_f c) ⊙ σ(W_g * h + V_g c)

    in two stacks, one of the rows above and one of what is to the left, which leave no position
    before i unseen within their reach, `layers` · (kernel_size // 2) rows. Uniform until it is
    fitted. With a conditioner in the quantizer its vector c, of any kind, joins every layer.
    Several codes of a position come one after the other, see `CodeTransformer`.

    Args:
        width: Features of a position.
        layers: Gated layers.
        kernel_size: Of the kernels, odd.
        heads: Attention heads among the codes of a position, where it has several.
        steps: Steps of Adam in `fit`, where no number of epochs is given.
        batch_size: Maps in a step.
        learning_rate: Of Adam, falling to zero along a cosine.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> quantizer = tfvae.latents.VectorQuantizer(128, CodePixelCNN(layers=4))

    References:
        van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016, Eq. 4
        and Figure 2.
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.3.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 5,
        kernel_size: int = 3,
        *,
        heads: int = 4,
        steps: int = 1000,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        fit = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
        super().__init__(width, heads, **fit, **kwargs)
        if layers != int(layers) or layers < 1:
            raise UserError(f"layers takes an integer from 1, got {layers!r}")
        if kernel_size < 3 or kernel_size % 2 != 1:
            raise UserError(f"kernel_size takes an odd number from 3, got {kernel_size!r}")
        self.layers, self.kernel_size = int(layers), int(kernel_size)

    def make_network(self, conditional: bool) -> GatedPixelCNN:
        """Makes the PixelCNN for maps of `self.shape`; a row of codes is a map of one row."""
        grid = self.shape[:-1] if self.depth > 1 else self.shape
        if len(grid) > 2:
            raise UserError(
                f"CodePixelCNN takes maps of one or two axes, and this one has the shape {grid}: "
                "take CodeTransformer"
            )
        return GatedPixelCNN(
            (1, *grid)[-2:],
            self.codes,
            width=self.width,
            layers=self.layers,
            kernel_size=self.kernel_size,
            conditional=conditional,
            depth=self.depth,
            heads=self.heads,
            dtype=self.dtype_policy,
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"layers": self.layers, "kernel_size": self.kernel_size}
        return {**super().get_config(), **own}
