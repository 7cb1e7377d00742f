"""Latent structures: how z is inferred and generated."""

from tfvae.latents.base import ConditionalStructure, LatentStructure
from tfvae.latents.block import Block
from tfvae.latents.codebook import Codebook
from tfvae.latents.finite_scalar import FiniteScalar
from tfvae.latents.grouped import Grouped
from tfvae.latents.hamiltonian import Hamiltonian
from tfvae.latents.hierarchy import Hierarchy
from tfvae.latents.ladder import LadderBlock
from tfvae.latents.lookup_free import LookupFree
from tfvae.latents.one_group import OneGroup
from tfvae.latents.quantization import Quantization, Quantized
from tfvae.latents.quantizer import Quantizer
from tfvae.latents.residual import Residual
from tfvae.latents.riemannian import Riemannian
from tfvae.latents.semi_supervised import SemiSupervised
from tfvae.latents.stacked_semi_supervised import StackedSemiSupervised
from tfvae.latents.stochastic_layers import StochasticLayers
from tfvae.latents.top_down import TopDown
from tfvae.latents.vector_quantizer import VectorQuantizer
from tfvae.latents.very_deep import VeryDeepBlock, very_deep_blocks
from tfvae.lazy import public

__all__ = [
    "Block",
    "Codebook",
    "ConditionalStructure",
    "FiniteScalar",
    "Grouped",
    "Hamiltonian",
    "Hierarchy",
    "LadderBlock",
    "LatentStructure",
    "LookupFree",
    "OneGroup",
    "Quantization",
    "Quantized",
    "Quantizer",
    "Residual",
    "Riemannian",
    "SemiSupervised",
    "StackedSemiSupervised",
    "StochasticLayers",
    "TopDown",
    "VectorQuantizer",
    "VeryDeepBlock",
    "very_deep_blocks",
]
__dir__ = public(__all__)
