"""Figures from a model and data; nothing here touches pyplot or any global setting."""

from tfvae.lazy import public
from tfvae.plots.curves import training_curves
from tfvae.plots.latent import latent_plane
from tfvae.plots.output import save, to_image
from tfvae.plots.rate_bars import rate_bars
from tfvae.plots.rates import rate_per_dimension
from tfvae.plots.reconstruction import reconstructions
from tfvae.plots.sampling import samples
from tfvae.plots.tiles import tile
from tfvae.plots.traversal import traversals

__all__ = [
    "latent_plane",
    "rate_bars",
    "rate_per_dimension",
    "reconstructions",
    "samples",
    "save",
    "tile",
    "to_image",
    "training_curves",
    "traversals",
]
__dir__ = public(__all__)
