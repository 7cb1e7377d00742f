import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.priors import MixtureOfNormals
from tfvae.priors.temperature import tempered


@pytest.mark.parametrize("event", [(3,), (2, 2)])
def test_density_is_that_of_scipy(event):
    prior = MixtureOfNormals(4, dtype="float64", min_scale=0.05)
    prior.build(event)
    rng = np.random.default_rng(0)
    for weight in prior.weights:
        weight.assign(rng.normal(size=weight.shape))
    loc, raw, logits = (w.numpy() for w in (prior.loc, prior.raw_scale, prior.logits))
    scale = np.log1p(np.exp(raw)) + 0.05
    z = rng.normal(size=(7, *event))
    parts = scipy.stats.norm.logpdf(z[:, None], loc, scale).reshape(7, 4, -1).sum(-1)
    expected = scipy.special.logsumexp(parts + scipy.special.log_softmax(logits), axis=-1)
    np.testing.assert_allclose(prior().log_prob(z), expected, rtol=1e-12)


def test_start():
    prior = MixtureOfNormals(50)
    prior.build(40)
    p = prior()
    np.testing.assert_allclose(p.mixture_distribution.probs_parameter(), 1 / 50, rtol=1e-6)
    np.testing.assert_allclose(p.components_distribution.stddev(), 1.0, rtol=1e-6)
    # 2000 means, draws of a standard normal: the standard error of their deviation is 1/√4000.
    assert np.std(p.components_distribution.mean()) == pytest.approx(1.0, abs=5 / np.sqrt(4000))


def test_temperature_narrows_each_component_and_not_the_mixture():
    prior = MixtureOfNormals(2)
    prior.build(1)
    prior.loc.assign([[-5.0], [5.0]])
    draws = tempered(prior(), 0.1).sample(4000, seed=(0, 1)).numpy()
    for side in (draws[draws < 0] + 5, draws[draws > 0] - 5):
        assert side.std() == pytest.approx(0.1, abs=5 * 0.1 / np.sqrt(2 * len(side)))
        assert len(side) == pytest.approx(2000, abs=5 * np.sqrt(1000))


def test_a_context_changes_nothing():
    prior = MixtureOfNormals(3)
    prior.build(2)
    assert prior(context=tf.zeros([5])).batch_shape == ()
    a, b = (prior(context=c).sample(5, seed=(0, 1)) for c in (None, tf.zeros([5])))
    assert a.shape == (5, 2)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("arguments", [{"components": 0}, {"components": 1.5}, {"min_scale": 0.0}])
def test_refusals(arguments):
    with pytest.raises(UserError, match=f"{next(iter(arguments))} takes"):
        MixtureOfNormals(**arguments)
