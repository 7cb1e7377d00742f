"""Probability layers for Keras 3: from a tensor of parameters to a `tfd.Distribution`."""

from tfvae.distributions.coercible import TensorDistribution, concrete
from tfvae.layers.affine_coupling_flow import AffineCouplingFlow
from tfvae.layers.autoregressive import AutoregressiveNetwork
from tfvae.layers.autoregressive_transform import AutoregressiveTransform
from tfvae.layers.base import DistributionLayer
from tfvae.layers.bayesian import BayesianLayer, exact_or_monte_carlo_kl
from tfvae.layers.bernoulli import IndependentBernoulli
from tfvae.layers.beta import IndependentBeta
from tfvae.layers.categorical import IndependentCategorical
from tfvae.layers.continuous_bernoulli import IndependentContinuousBernoulli
from tfvae.layers.convolution_reparameterization import (
    Convolution1DFlipout,
    Convolution1DReparameterization,
    Convolution2DFlipout,
    Convolution2DReparameterization,
    Convolution3DFlipout,
    Convolution3DReparameterization,
)
from tfvae.layers.dense_reparameterization import (
    DenseFlipout,
    DenseLocalReparameterization,
    DenseReparameterization,
)
from tfvae.layers.dense_variational import (
    DenseVariational,
    mean_field_posterior,
    standard_normal_prior,
)
from tfvae.layers.deterministic import Deterministic
from tfvae.layers.discretized_logistic import DiscretizedLogistic
from tfvae.layers.discretized_logistic_mixture import DiscretizedLogisticMixture
from tfvae.layers.distribution_lambda import DistributionLambda
from tfvae.layers.factorized import FactorizedLayer
from tfvae.layers.gaussian_kernel import ExponentiatedQuadratic
from tfvae.layers.gaussian_process import VariationalGaussianProcess
from tfvae.layers.initializers import BlockwiseInitializer
from tfvae.layers.inverse_autoregressive_flow import InverseAutoregressiveFlow
from tfvae.layers.kl import KLDivergenceAddLoss, KLDivergenceRegularizer
from tfvae.layers.laplace import IndependentLaplace
from tfvae.layers.log_cosh import IndependentLogCosh
from tfvae.layers.logistic import IndependentLogistic
from tfvae.layers.mixture import MixtureLogistic, MixtureNormal, MixtureSameFamily
from tfvae.layers.mixture_one_hot import CategoricalMixtureOfOneHotCategorical
from tfvae.layers.multi_scale_ssim import MultiScaleSSIM
from tfvae.layers.multinomial import Multinomial
from tfvae.layers.multivariate_normal import MultivariateNormalTriL
from tfvae.layers.negative_binomial import IndependentNegativeBinomial, ZeroInflatedNegativeBinomial
from tfvae.layers.noise_scope import noise, noise_seed
from tfvae.layers.normal import IndependentNormal
from tfvae.layers.one_hot_categorical import OneHotCategorical
from tfvae.layers.optimal_scale_normal import OptimalScaleNormal
from tfvae.layers.ordinal import IndependentOrdinal
from tfvae.layers.perceptual_distance import PerceptualDistance
from tfvae.layers.planar_flow import PlanarFlow
from tfvae.layers.poincare_normal import PoincareNormal
from tfvae.layers.poisson import IndependentPoisson
from tfvae.layers.product import Product
from tfvae.layers.radial_flow import RadialFlow
from tfvae.layers.relaxed_bernoulli import RelaxedBernoulli
from tfvae.layers.relaxed_one_hot import RelaxedOneHotCategorical
from tfvae.layers.spectral_norm import SpectralNorm
from tfvae.layers.spherical import PowerSpherical, VonMisesFisher
from tfvae.layers.spline_coupling_flow import SplineCouplingFlow
from tfvae.layers.student import IndependentStudent
from tfvae.layers.sylvester_flow import SylvesterFlow
from tfvae.layers.transformed import TransformedDistribution
from tfvae.layers.variable_layer import VariableLayer
from tfvae.layers.variational_loss import VariationalLoss
from tfvae.layers.weight_distribution import WeightDistribution
from tfvae.layers.weight_functions import (
    MeanFieldNormal,
    default_loc_scale_fn,
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
)
from tfvae.layers.weight_norm import WeightNorm
from tfvae.lazy import public

__all__ = [
    "AffineCouplingFlow",
    "AutoregressiveNetwork",
    "AutoregressiveTransform",
    "BayesianLayer",
    "BlockwiseInitializer",
    "CategoricalMixtureOfOneHotCategorical",
    "Convolution1DFlipout",
    "Convolution1DReparameterization",
    "Convolution2DFlipout",
    "Convolution2DReparameterization",
    "Convolution3DFlipout",
    "Convolution3DReparameterization",
    "DenseFlipout",
    "DenseLocalReparameterization",
    "DenseReparameterization",
    "DenseVariational",
    "Deterministic",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "DistributionLambda",
    "DistributionLayer",
    "ExponentiatedQuadratic",
    "FactorizedLayer",
    "IndependentBernoulli",
    "IndependentBeta",
    "IndependentCategorical",
    "IndependentContinuousBernoulli",
    "IndependentLaplace",
    "IndependentLogCosh",
    "IndependentLogistic",
    "IndependentNegativeBinomial",
    "IndependentNormal",
    "IndependentOrdinal",
    "IndependentPoisson",
    "IndependentStudent",
    "InverseAutoregressiveFlow",
    "KLDivergenceAddLoss",
    "KLDivergenceRegularizer",
    "MeanFieldNormal",
    "MixtureLogistic",
    "MixtureNormal",
    "MixtureSameFamily",
    "MultiScaleSSIM",
    "Multinomial",
    "MultivariateNormalTriL",
    "OneHotCategorical",
    "OptimalScaleNormal",
    "PerceptualDistance",
    "PlanarFlow",
    "PoincareNormal",
    "PowerSpherical",
    "Product",
    "RadialFlow",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "SpectralNorm",
    "SplineCouplingFlow",
    "SylvesterFlow",
    "TensorDistribution",
    "TransformedDistribution",
    "VariableLayer",
    "VariationalGaussianProcess",
    "VariationalLoss",
    "VonMisesFisher",
    "WeightDistribution",
    "WeightNorm",
    "ZeroInflatedNegativeBinomial",
    "concrete",
    "default_loc_scale_fn",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
    "exact_or_monte_carlo_kl",
    "mean_field_posterior",
    "noise",
    "noise_seed",
    "standard_normal_prior",
]
__dir__ = public(__all__)
