"""Priors: distributions with weights; with a context, conditional on it."""

from tfvae.lazy import public
from tfvae.priors.base import Prior
from tfvae.priors.code_pixel_cnn import CodePixelCNN
from tfvae.priors.code_prior import CodePrior
from tfvae.priors.code_transformer import CodeTransformer
from tfvae.priors.conditional_normal import ConditionalNormal
from tfvae.priors.exemplar_prior import ExemplarPrior
from tfvae.priors.fixed import Fixed
from tfvae.priors.masked_autoregressive_flow import MaskedAutoregressiveFlow
from tfvae.priors.mixture_of_normals import MixtureOfNormals
from tfvae.priors.posterior_metric import PosteriorMetric
from tfvae.priors.product import ProductPrior
from tfvae.priors.real_nvp import RealNVP
from tfvae.priors.riemannian_uniform import RiemannianUniform
from tfvae.priors.second_stage import SecondStage
from tfvae.priors.spherical_uniform import SphericalUniform
from tfvae.priors.standard_normal import StandardNormal
from tfvae.priors.standardized import Standardized
from tfvae.priors.uniform_direction import UniformDirection
from tfvae.priors.vamp_prior import VampPrior
from tfvae.priors.wrapped_normal import WrappedNormal

__all__ = [
    "CodePixelCNN",
    "CodePrior",
    "CodeTransformer",
    "ConditionalNormal",
    "ExemplarPrior",
    "Fixed",
    "MaskedAutoregressiveFlow",
    "MixtureOfNormals",
    "PosteriorMetric",
    "Prior",
    "ProductPrior",
    "RealNVP",
    "RiemannianUniform",
    "SecondStage",
    "SphericalUniform",
    "StandardNormal",
    "Standardized",
    "UniformDirection",
    "VampPrior",
    "WrappedNormal",
]
__dir__ = public(__all__)
