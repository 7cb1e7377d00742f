"""Products of distributions, and the loss of JointVAE, each against its parts."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import layers, objectives, priors, recipes
from tfvae.distributions.product import Product
from tfvae.distributions.spaces import check_same_space, space_of
from tfvae.priors.temperature import tempered
from tfvae.schedules import Linear

tfd = tfp.distributions
SHAPE = (3, 2, 1)


def normal(batch=(4,), size=2):
    rng = np.random.default_rng(1)
    loc, scale = rng.normal(size=(*batch, size)), rng.uniform(0.5, 2.0, (*batch, size))
    return tfd.Independent(tfd.Normal(np.float32(loc), np.float32(scale)), 1)


def categories(batch=(4,)):
    logits = np.random.default_rng(2).normal(size=(*batch, 2, 3)).astype(np.float32)
    return tfd.Independent(tfd.OneHotCategorical(logits, dtype=tf.float32), 1)


def test_a_product_is_its_parts():
    a, b = normal(), categories()
    both = Product([a, b])
    assert (both.batch_shape, both.event_shape) == ((4,), (8,))
    z = both.sample(5, seed=(0, 1))
    assert z.shape == (5, 4, 8)
    one, other = z[..., :2], tf.reshape(z[..., 2:], [5, 4, 2, 3])
    for found, expected in zip(both.split(z), (one, other), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(both.log_prob(z), a.log_prob(one) + b.log_prob(other), rtol=1e-5)
    np.testing.assert_allclose(both.entropy(), a.entropy() + b.entropy(), rtol=1e-5)
    for moment in ("mean", "mode"):
        expected = [np.reshape(getattr(p, moment)(), [4, -1]) for p in (a, b)]
        np.testing.assert_allclose(getattr(both, moment)(), np.concatenate(expected, axis=1))
    p = Product([normal((), 2), categories(())])
    expected = tfd.kl_divergence(a, p.parts[0]) + tfd.kl_divergence(b, p.parts[1])
    np.testing.assert_allclose(tfd.kl_divergence(both, p), expected, rtol=1e-5)
    each = tfvae.plots.rate_per_dimension(both, p)  # two numbers, and two categorical variables
    assert each.shape == (4, 4)
    np.testing.assert_allclose(tf.reduce_sum(each, axis=-1), expected, rtol=1e-5)
    cold = tempered(Product([a, normal()]), 0.5)
    np.testing.assert_allclose(cold.stddev()[:, :2], 0.5 * a.stddev())


def test_a_part_without_a_batch_is_drawn_for_each_example():
    for batch in ((), (1,)):
        both = Product([normal(), normal(batch, 1), normal(batch, 1)])
        assert both.batch_shape == (4,)
        draws = both.sample(3, seed=(0, 1)).numpy()
        assert draws.shape == (3, 4, 4)
        assert len(np.unique(draws[..., 2])) == 12
        assert np.all(draws[..., 2] != draws[..., 3])  # of the same distribution, other draws


def test_posterior_and_prior_of_other_parts_are_refused():
    one = Product([normal(), categories()])
    check_same_space(one, Product([normal(()), categories(())]))
    assert str(space_of(Product([normal(), normal()]))) == "all real numbers"
    for prior in (
        tfd.MultivariateNormalDiag(tf.zeros(8)),
        Product([categories(()), normal(())]),
        Product([normal((), 8)]),
    ):
        with pytest.raises(tfvae.UserError, match="the ELBO of the two means nothing"):
            check_same_space(one, prior)


@pytest.mark.parametrize("given", [None, "weights"])
def test_the_loss_of_joint_vae(given):
    """Dupont, Eq. 7: below one target, above the other, which is log 3 for each variable."""
    vae = recipes.joint_vae(
        SHAPE, 2, discrete=2, categories=3, hidden=(8,), gamma=7.0, continuous_capacity=4.0,
        discrete_capacity=30.0, capacity_steps=10,
    )  # fmt: skip
    x = (np.random.default_rng(0).random((12, *SHAPE)) < 0.4).astype(np.float32)
    output = vae(x, seed=0)
    weights = None if given is None else np.arange(12, dtype=np.float32)
    loss, terms = vae.objective(x, output, step=5, weights=weights)
    (latent,) = output.latents
    parts = zip(latent.posterior.parts, latent.prior.parts, strict=True)
    expected = -np.float64(output.likelihood.log_prob(x))
    rates = [np.float64(tfd.kl_divergence(q, p)) for q, p in parts]
    for rate, target in zip(rates, (2.0, 2 * np.log(3)), strict=True):
        expected += 7 * np.sign(np.average(rate, weights=weights) - target) * (rate - target)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    np.testing.assert_allclose(terms["continuous_rate"], rates[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(terms["discrete_rate"], rates[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(terms["rate"], sum(rates), rtol=1e-4)


def test_a_schedule_of_a_part_follows_the_training(binary, tmp_path):
    """Relaxed parts too; saved, loaded, and sampled."""
    posterior = layers.Product(
        [layers.IndependentNormal(2), layers.RelaxedBernoulli(3, temperature=Linear(1.0, 0.5, 4))]
    )
    vae = recipes.vae(SHAPE, 5, hidden=(4,), posterior=posterior)
    vae.compile("sgd", run_eagerly=True)
    vae.fit(binary, batch_size=20, verbose=0)
    assert int(posterior.parts[1].step) == 2
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(same.sample(4, seed=1), vae.sample(4, seed=1))
    np.testing.assert_array_equal(same.elbo(binary, seed=1), vae.elbo(binary, seed=1))
    assert np.isfinite(vae.log_prob(binary, samples=3)).all()


def test_config_round_trips():
    for one in (
        layers.Product([layers.IndependentNormal(2), layers.OneHotCategorical(3)]),
        priors.ProductPrior([priors.StandardNormal(2), tfd.OneHotCategorical(tf.zeros(3))]),
        objectives.JointCapacity(2.0, Linear(0.0, 3.0, 5), 1.0),
    ):
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
        same = keras.saving.deserialize_keras_object(config)
        assert json.dumps(same.get_config()) == json.dumps(one.get_config())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Product([keras.layers.Dense(2)]), "parts takes layers of tfvae.layers"),
        (lambda: priors.ProductPrior([]), "parts takes priors"),
        (lambda: priors.ProductPrior([priors.StandardNormal()]), "give it event_shape"),
        (lambda: objectives.JointCapacity(gamma=-1.0), "gamma"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(tfvae.UserError, match=words):
        make()
