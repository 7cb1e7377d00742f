"""Probability layers for Keras 3: from a tensor of parameters to a `tfd.Distribution`."""

from tfvae.layers.autoregressive import AutoregressiveNetwork
from tfvae.layers.autoregressive_transform import AutoregressiveTransform
from tfvae.layers.base import DistributionLayer
from tfvae.layers.bayesian import BayesianLayer, exact_or_monte_carlo_kl
from tfvae.layers.bernoulli import IndependentBernoulli
from tfvae.layers.categorical import IndependentCategorical
from tfvae.layers.coercible import TensorDistribution, concrete
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
from tfvae.layers.discretized_logistic import DiscretizedLogistic
from tfvae.layers.factorized import FactorizedLayer
from tfvae.layers.gaussian_kernel import ExponentiatedQuadratic
from tfvae.layers.gaussian_process import VariationalGaussianProcess
from tfvae.layers.initializers import BlockwiseInitializer
from tfvae.layers.multivariate_normal import MultivariateNormalTriL
from tfvae.layers.normal import IndependentNormal
from tfvae.layers.weight_distribution import WeightDistribution
from tfvae.layers.weight_functions import (
    MeanFieldNormal,
    default_loc_scale_fn,
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
)
from tfvae.layers.weight_norm import WeightNorm

__all__ = [
    "AutoregressiveNetwork",
    "AutoregressiveTransform",
    "BayesianLayer",
    "BlockwiseInitializer",
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
    "DiscretizedLogistic",
    "DistributionLayer",
    "ExponentiatedQuadratic",
    "FactorizedLayer",
    "IndependentBernoulli",
    "IndependentCategorical",
    "IndependentContinuousBernoulli",
    "IndependentNormal",
    "MeanFieldNormal",
    "MultivariateNormalTriL",
    "TensorDistribution",
    "VariationalGaussianProcess",
    "WeightDistribution",
    "WeightNorm",
    "concrete",
    "default_loc_scale_fn",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
    "exact_or_monte_carlo_kl",
    "mean_field_posterior",
    "standard_normal_prior",
]
