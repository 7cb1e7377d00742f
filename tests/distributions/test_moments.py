import numpy as np
import pytest
import tensorflow_probability as tfp

from tfvae.distributions.moments import mean_of, stddev_of

tfb, tfd = tfp.bijectors, tfp.distributions


def test_closed_forms_are_taken():
    assert float(mean_of(tfd.Normal(2.0, 3.0))) == 2.0
    assert float(stddev_of(tfd.Normal(2.0, 3.0))) == 3.0


def test_others_are_estimated_with_the_same_draws():
    log_normal = tfd.TransformedDistribution(tfd.Normal([0.0, 1.0], 0.5), tfb.Exp())
    with pytest.raises(NotImplementedError):
        log_normal.mean()
    mean = np.exp([0.125, 1.125])
    deviation = mean * np.sqrt(np.expm1(0.25))
    assert (np.abs(mean_of(log_normal) - mean) < 5 * deviation / np.sqrt(1000)).all()
    np.testing.assert_allclose(stddev_of(log_normal), deviation, rtol=0.15)
    np.testing.assert_array_equal(mean_of(log_normal), mean_of(log_normal))
