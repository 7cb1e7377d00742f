import numpy as np
import pytest
import scipy.stats

from tfvae.errors import UserError
from tfvae.priors import UniformDirection
from tfvae.priors.temperature import tempered


def radial(concentration, rate, event=(3,)):
    prior = UniformDirection(event, dtype="float64")
    prior.build()
    prior.log_concentration.assign(np.log(concentration / 1.5))
    prior.log_rate.assign(np.log(rate / 0.5))
    return prior


@pytest.mark.parametrize("event", [(3,), (2, 2), (1,)])
def test_starts_as_the_standard_normal(event):
    prior = UniformDirection(event, dtype="float64")
    z = np.random.default_rng(0).normal(size=(7, *event))
    z[0] = 0.0
    expected = scipy.stats.norm.logpdf(z).reshape(7, -1).sum(-1)
    np.testing.assert_allclose(prior().log_prob(z), expected, rtol=1e-6)


def test_density_is_that_of_the_radius_over_the_area_of_its_sphere():
    p = radial(4.0, 2.0)()
    z = np.random.default_rng(0).normal(size=(7, 3))
    r = np.linalg.norm(z, axis=1)
    of_radius = scipy.stats.gamma(4.0, scale=0.5).pdf(r**2) * 2 * r
    np.testing.assert_allclose(p.prob(z), of_radius / (4 * np.pi * r**2), rtol=1e-10)


def test_draws_have_the_radii_and_no_direction():
    draws = radial(4.0, 2.0)().sample(5000, seed=(0, 1)).numpy()
    squared = (draws**2).sum(1)
    assert scipy.stats.kstest(squared, scipy.stats.gamma(4.0, scale=0.5).cdf).pvalue > 0.01
    assert (np.abs(draws.mean(0)) < 5 * draws.std(0) / np.sqrt(5000)).all()
    cooler = tempered(radial(4.0, 2.0)(), 0.5).sample(5000, seed=(0, 1)).numpy()
    np.testing.assert_allclose(cooler, 0.5 * draws, rtol=1e-6)


def test_fit_is_scipys_maximum_likelihood():
    z = radial(5.0, 0.3)().sample(300, seed=(0, 1)).numpy()
    prior = UniformDirection(dtype="float64")
    prior.fit(z)
    a, _, scale = scipy.stats.gamma.fit((z**2).sum(1), floc=0)
    np.testing.assert_allclose(prior().squared_radius.concentration, a, rtol=1e-3)
    np.testing.assert_allclose(prior().squared_radius.rate, 1 / scale, rtol=1e-3)


def test_refusals():
    with pytest.raises(UserError, match="has no direction"):
        UniformDirection().fit(np.zeros([3, 2]))
    with pytest.raises(UserError, match="same radius"):
        UniformDirection().fit(np.eye(3))
