"""Probability layers for Keras 3: from a tensor of parameters to a `tfd.Distribution`."""

from tfvae.layers.base import DistributionLayer
from tfvae.layers.bernoulli import IndependentBernoulli
from tfvae.layers.categorical import IndependentCategorical
from tfvae.layers.coercible import TensorDistribution, concrete
from tfvae.layers.continuous_bernoulli import IndependentContinuousBernoulli
from tfvae.layers.discretized_logistic import DiscretizedLogistic
from tfvae.layers.multivariate_normal import MultivariateNormalTriL
from tfvae.layers.normal import IndependentNormal

__all__ = [
    "DiscretizedLogistic",
    "DistributionLayer",
    "IndependentBernoulli",
    "IndependentCategorical",
    "IndependentContinuousBernoulli",
    "IndependentNormal",
    "MultivariateNormalTriL",
    "TensorDistribution",
    "concrete",
]
