import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae.distributions.divergences import analytic_kl
from tfvae.errors import UserError
from tfvae.priors import ConditionalNormal


def one_hot():
    return keras.layers.CategoryEncoding(3, output_mode="one_hot")


def test_starts_as_the_standard_normal():
    prior = ConditionalNormal(one_hot())
    prior.build((2, 2))
    p = prior(context=tf.constant([0, 2]))
    assert p.batch_shape == (2,)
    np.testing.assert_allclose(p.mean(), np.zeros((2, 2, 2)), atol=1e-7)
    np.testing.assert_allclose(p.stddev(), np.ones((2, 2, 2)), rtol=1e-6)


def test_density_is_that_of_scipy():
    prior = ConditionalNormal(tfvae.networks.MLP([4], "tanh"))
    prior.build(2)
    c = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    prior(context=c)
    rng = np.random.default_rng(1)
    for weight in prior.weights:
        weight.assign(rng.normal(size=weight.shape))
    features = prior.conditioner(c).numpy().astype(float)
    loc, raw = (features @ w.kernel.numpy() + w.bias.numpy() for w in (prior.loc, prior.raw_scale))
    z = rng.normal(size=(5, 2)).astype("f")
    expected = scipy.stats.norm.logpdf(z, loc, np.log1p(np.exp(raw)) + 1e-3).sum(-1)
    np.testing.assert_allclose(prior(context=c).log_prob(z), expected, rtol=2e-5)


def test_its_divergence_has_a_closed_form(make_vae, binary):
    vae = make_vae(prior=ConditionalNormal(one_hot()), labels=3)
    labels = np.arange(40) % 3
    vae.prior.loc.kernel.assign([[0, 0], [1, 0], [0, 2.0]])
    q, p = vae.encode(binary, labels), vae.prior(labels)
    kl = analytic_kl(q, p)
    draws = q.sample(20_000, seed=(0, 1))
    values = (q.log_prob(draws) - p.log_prob(draws)).numpy()
    assert (np.abs(values.mean(0) - kl) < 5 * values.std(0) / np.sqrt(20_000)).all()


def test_a_context_is_needed():
    prior = ConditionalNormal(one_hot())
    prior.build(2)
    with pytest.raises(UserError, match="give context"):
        prior()
    with pytest.raises(UserError, match="conditioner takes"):
        ConditionalNormal(3)
