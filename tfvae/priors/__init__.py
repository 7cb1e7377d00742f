"""Priors: distributions with weights; with a context, conditional on it."""

from tfvae.priors.base import Prior
from tfvae.priors.block import Block
from tfvae.priors.code_prior import CodePrior
from tfvae.priors.code_transformer import CodeTransformer
from tfvae.priors.conditional_normal import ConditionalNormal
from tfvae.priors.hierarchy import Hierarchy
from tfvae.priors.ladder import LadderBlock
from tfvae.priors.mixture_of_normals import MixtureOfNormals
from tfvae.priors.real_nvp import RealNVP
from tfvae.priors.standard_normal import StandardNormal
from tfvae.priors.stochastic_layers import StochasticLayers
from tfvae.priors.top_down import TopDown
from tfvae.priors.vamp_prior import VampPrior
from tfvae.priors.vector_quantizer import VectorQuantizer
from tfvae.priors.very_deep import VeryDeepBlock, very_deep_blocks

__all__ = [
    "Block",
    "CodePrior",
    "CodeTransformer",
    "ConditionalNormal",
    "Hierarchy",
    "LadderBlock",
    "MixtureOfNormals",
    "Prior",
    "RealNVP",
    "StandardNormal",
    "StochasticLayers",
    "TopDown",
    "VampPrior",
    "VectorQuantizer",
    "VeryDeepBlock",
    "very_deep_blocks",
]
