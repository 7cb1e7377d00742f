"""Every probability layer: the density outside of its support is 0, with sound gradients."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import layers
from tfvae.layers.base import DistributionLayer

COUNTS = (1.0, [-1.0, -0.5, 0.5, 3.5, np.nan, np.inf, -np.inf])
LEVELS = (3.0, [-1.0, -0.5, 3.5, 4.0, 255.0, np.nan, np.inf, -np.inf])
ONE_HOT = ([0.0, 1.0, 0.0], [[0, 0, 0], [0.5, 0.5, 0], [1, 1, 0], [-1, 1, 1], [np.nan, 1, 0]])
SPHERE = ([0.6, 0.0, 0.8], [[0, 0, 0], [1, 1, 0], [np.inf, 0, 0], [np.nan, 0, 1]])
UNIT = (0.5, [-0.1, 1.1, np.nan, np.inf])

# A layer, an element of its data that is inside, and elements that are outside.
OUTSIDE = {
    "poisson": (lambda: layers.IndependentPoisson(2), *COUNTS),
    "negative binomial": (lambda: layers.IndependentNegativeBinomial(2), *COUNTS),
    "zero inflated": (lambda: layers.ZeroInflatedNegativeBinomial(2), *COUNTS),
    "categorical": (lambda: layers.IndependentCategorical(2, levels=4), *LEVELS),
    "logistic": (lambda: layers.DiscretizedLogistic(2, levels=4), *LEVELS),
    "logistic mixture": (
        lambda: layers.DiscretizedLogisticMixture((2,), num_components=3, levels=4),
        *LEVELS,
    ),
    "continuous bernoulli": (lambda: layers.IndependentContinuousBernoulli(2), *UNIT),
    "beta": (lambda: layers.IndependentBeta(2), 0.5, [0.0, 1.0, -0.1, 1.1, np.nan, np.inf]),
    "ordinal": (lambda: layers.IndependentOrdinal(2, levels=4), *LEVELS),
    "multinomial": (lambda: layers.Multinomial(3), *ONE_HOT),
    "mixture": (lambda: layers.MixtureSameFamily(2, layers.IndependentPoisson(2)), *COUNTS),
    "exp": (
        lambda: layers.TransformedDistribution(layers.IndependentNormal(2), tfp.bijectors.Exp()),
        *(1.0, [-1.0, 0.0, np.nan, np.inf]),
    ),
    "sigmoid": (
        lambda: layers.TransformedDistribution(
            layers.IndependentNormal(2), tfp.bijectors.Sigmoid()
        ),
        *UNIT,
    ),
    "one hot": (lambda: layers.OneHotCategorical(3), *ONE_HOT),
    "one hot grid": (lambda: layers.OneHotCategorical((2, 3)), *ONE_HOT),
    "one hot mixture": (lambda: layers.CategoricalMixtureOfOneHotCategorical(3, 2), *ONE_HOT),
    "straight through": (
        lambda: layers.RelaxedOneHotCategorical(3, straight_through=True),
        *ONE_HOT,
    ),
    "relaxed": (
        lambda: layers.RelaxedOneHotCategorical(3),
        *([0.2, 0.3, 0.5], [[0, 0, 1], [0.5, 0.6, 0.5], [-1, 1, 1], [np.nan, 0.5, 0.5]]),
    ),
    "poincare normal": (
        lambda: layers.PoincareNormal(2),
        *([0.1, -0.3], [[1.0, 0.0], [0.8, 0.8], [np.inf, 0], [np.nan, 0]]),
    ),
    "relaxed bernoulli": (lambda: layers.RelaxedBernoulli(2), *UNIT),
    "straight through bernoulli": (
        lambda: layers.RelaxedBernoulli(2, straight_through=True),
        *(1.0, [-1.0, 0.5, 2.0, np.nan, np.inf]),
    ),
    "product": (lambda: layers.Product([layers.IndependentPoisson(2)]), *COUNTS),
    "von mises fisher": (lambda: layers.VonMisesFisher(3), *SPHERE),
    "power spherical": (lambda: layers.PowerSpherical(3), *SPHERE),
}
EVERYWHERE = {  # these have a density at all real numbers, or what their parts have
    *("IndependentNormal", "IndependentLogistic", "MultivariateNormalTriL"),
    *("MixtureNormal", "MixtureLogistic", "InverseAutoregressiveFlow", "AutoregressiveTransform"),
    *("DistributionLambda", "VariationalGaussianProcess"),
    *("IndependentLaplace", "IndependentStudent", "IndependentLogCosh", "OptimalScaleNormal"),
    *("PlanarFlow", "RadialFlow", "SylvesterFlow", "AffineCouplingFlow", "SplineCouplingFlow"),
}
NO_DENSITY = {"MultiScaleSSIM", "PerceptualDistance", "Deterministic"}
BY_THE_DATA_CHECK = {"IndependentBernoulli"}  # its speed is that of a VAE; see its docstring


def test_every_layer_is_here():
    public = {
        cls.__name__
        for cls in vars(layers).values()
        if inspect.isclass(cls) and issubclass(cls, DistributionLayer)
    }
    here = {type(make()).__name__ for make, *_ in OUTSIDE.values()}
    assert not public - here - EVERYWHERE - NO_DENSITY - BY_THE_DATA_CHECK - {"DistributionLayer"}


@pytest.mark.parametrize("case", OUTSIDE)
def test_the_density_outside_is_zero(case):
    """Issue 11.9: NaN for the negative binomial, finite for the discretized logistic."""
    make, inside, outside = OUTSIDE[case]
    layer = make()
    event = layer.event_shape
    inside, outside = np.float32(inside), np.float32(outside)
    x = np.broadcast_to(inside, (len(outside) + 1, *event)).copy()
    # The first example is inside; of each other one the last element is outside.
    flat = x.reshape(len(x), -1)
    flat[1:, -max(inside.size, 1) :] = outside.reshape(len(outside), -1)
    params = tf.Variable(
        np.random.default_rng(0).normal(size=(1, layer.params_size)).repeat(len(x), 0),
        dtype=tf.float32,
    )

    def run(x):
        with tf.GradientTape() as tape:
            log_prob = layer(tf.convert_to_tensor(params)).log_prob(x)
        return log_prob, tape.gradient(log_prob, params)

    for function in (run, tf.function(run, jit_compile=True)):
        log_prob, gradient = (value.numpy() for value in function(x))
        assert np.isfinite(log_prob[0])
        assert np.any(gradient[0] != 0)
        assert np.all(log_prob[1:] == -np.inf)
        assert np.all(np.isfinite(gradient))
        if flat.shape[1] == inside.size:  # nothing of the example is inside
            assert np.all(gradient[1:] == 0)
