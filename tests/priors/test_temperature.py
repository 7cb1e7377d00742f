import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.errors import UserError
from tfvae.priors.temperature import tempered

tfb, tfd = tfp.bijectors, tfp.distributions
LOC, SCALE = [[1.0, 2.0], [3.0, 4.0]], [[0.5, 1.0], [1.5, 2.0]]


@pytest.mark.parametrize(
    "distribution",
    [
        tfd.Normal(LOC, SCALE),
        tfd.Independent(tfd.Normal(LOC, SCALE), 1),
        tfd.MultivariateNormalDiag(LOC, SCALE),
        tfd.TransformedDistribution(tfd.Independent(tfd.Normal(LOC, SCALE), 1), tfb.Shift(1.0)),
        Unfolded(tfd.Independent(tfd.Normal(LOC, SCALE), 1), tf.constant([2, 1])),
    ],
    ids=lambda distribution: distribution.name,
)
def test_scales_the_noise_about_the_mean(distribution):
    cold = tempered(distribution, 0.3)
    assert cold.batch_shape == distribution.batch_shape
    assert cold.event_shape == distribution.event_shape
    draws = distribution.sample(5, seed=(0, 1))
    expected = distribution.mean() + 0.3 * (draws - distribution.mean())
    np.testing.assert_allclose(cold.sample(5, seed=(0, 1)), expected, rtol=1e-5)


def test_one_changes_nothing_and_other_kinds_are_refused():
    bernoulli = tfd.Bernoulli(0.0)
    assert tempered(bernoulli, 1.0) is bernoulli
    with pytest.raises(UserError, match="no temperature"):
        tempered(bernoulli, 0.5)
