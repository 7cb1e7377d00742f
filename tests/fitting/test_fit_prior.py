"""A prior that is fitted to codes: its density, and that a model goes on with it, everywhere."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.mixture import GaussianMixture

import tfvae
from tfvae import latents, priors
from tfvae.latents.codes import codes_of

tfd = tfp.distributions


@pytest.fixture
def model(linear_gaussian):
    """The linear-Gaussian model, whose posteriors are exact, and data far from its prior."""
    found = linear_gaussian(n=300)
    sign = np.where(np.arange(300) % 3, 1.0, -1.0)[:, None]
    kernel = found.vae.decoder.projection.get_weights()[0]  # [2, 5]
    found.x = (0.5 * found.x + sign @ np.array([[4.0, 1.0]]) @ kernel).astype(np.float32)
    found.vae.compile(keras.optimizers.SGD(1e-6))
    return found


def log_marginal(vae, mixture, x):
    """log p(x) of the linear-Gaussian model under a mixture of normals as p(z), exactly."""
    kernel, bias = (np.float64(w) for w in vae.decoder.projection.get_weights())
    noise = 0.7**2 * np.eye(5)
    parts = [
        scipy.stats.multivariate_normal(m @ kernel + bias, kernel.T @ c @ kernel + noise).logpdf(x)
        for m, c in zip(mixture.means_, mixture.covariances_, strict=True)
    ]
    return scipy.special.logsumexp(np.array(parts).T + np.log(mixture.weights_), axis=1)


def sklearns(vae, x, **options):
    z, _ = codes_of(vae, x, draws=3, seed=3)
    mixture = GaussianMixture(random_state=3, reg_covar=1.0001e-6, max_iter=200, **options)
    return z, mixture.fit(np.float64(z))


def test_the_mixture_is_scikit_learns_and_takes_the_place_of_the_prior(model, tmp_path):
    vae, x = model.vae, model.x
    before = vae.elbo(x, seed=1).numpy(), vae.log_prob(x, samples=5, seed=1).numpy()
    prior = tfvae.fit_prior(vae, x, "gaussian_mixture", components=3, draws=3, seed=3)
    assert vae.prior is prior
    assert isinstance(prior, priors.MixtureOfNormals)
    z, mixture = sklearns(vae, x, n_components=3)
    np.testing.assert_allclose(
        prior().log_prob(z), mixture.score_samples(np.float64(z)), rtol=1e-4, atol=1e-3
    )
    # log p(x) is a mixture of normals, and was compiled for the old prior before.
    truth = log_marginal(vae, mixture, x)
    estimate = vae.log_prob(x, samples=500, seed=1).numpy()
    np.testing.assert_allclose(estimate, truth, atol=0.4)
    assert estimate.mean() == pytest.approx(truth.mean(), abs=0.02)
    elbo = vae.elbo(x, samples=100, seed=1).numpy()
    assert (elbo < truth + 0.3).all()
    assert truth.mean() > before[1].mean() + 1
    assert elbo.mean() > before[0].mean() + 1
    draws = vae.sample(20_000, seed=(0, 1)).numpy()
    kernel, bias = vae.decoder.projection.get_weights()
    error = draws.std(0) / np.sqrt(20_000)
    expected = mixture.weights_ @ mixture.means_ @ kernel + bias
    assert (np.abs(draws.mean(0) - expected) < 5 * error).all()
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert isinstance(same.prior, priors.MixtureOfNormals)
    assert len(same.weights) == len(vae.weights)
    np.testing.assert_array_equal(same.log_prob(x[:5], 9, seed=1), vae.log_prob(x[:5], 9, seed=1))
    np.testing.assert_array_equal(same.sample(5, seed=1), vae.sample(5, seed=1))


def test_training_goes_on_with_the_prior_as_it_is(model, tmp_path):
    vae = model.vae
    first = vae.evaluate(model.x, verbose=0, return_dict=True)
    tfvae.fit_prior(vae, model.x, components=2, draws=3)
    weights = vae.prior.get_weights()
    again = vae.evaluate(model.x, verbose=0, return_dict=True)
    assert again["elbo"] > first["elbo"] + 1
    vae.fit(model.x, batch_size=50, epochs=1, verbose=0)
    assert int(vae.step) == 6
    for one, other in zip(vae.prior.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert len(same.trainable_weights) == len(vae.trainable_weights) == 4
    assert int(same.step) == 6


def test_a_prior_that_was_trained_leaves_the_optimizer(make_vae, binary, tmp_path):
    vae = make_vae(prior=priors.RealNVP(2, [4]))
    vae.compile("adam", run_eagerly=True)
    vae.fit(binary, batch_size=20, verbose=0)
    old = {id(weight) for weight in vae.prior.weights}
    tfvae.fit_prior(vae, binary, "real_nvp", couplings=2, hidden=[4], draws=1, steps=2)
    assert not old & {id(weight) for weight in vae.weights}
    assert int(vae.step) == 2
    vae.fit(binary, batch_size=20, verbose=0)
    assert int(vae.step) == 4
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert len(same.trainable_weights) == len(vae.trainable_weights) == 8
    np.testing.assert_array_equal(same.sample(5, seed=1), vae.sample(5, seed=1))
    # A flow's weights are trained where that is said.
    vae.prior.trainable = True
    vae.compile("adam", run_eagerly=True)
    weights = vae.prior.get_weights()
    vae.fit(binary, batch_size=20, verbose=0)
    assert any((a != b).any() for a, b in zip(vae.prior.get_weights(), weights, strict=True))


def test_examples_count_by_their_weights_in_batches_of_any_size(model):
    vae, x = model.vae, model.x[:70]
    weights = np.arange(70) % 4
    data = tf.data.Dataset.from_tensor_slices((x, np.zeros([70, 0], np.float32), weights)).batch(32)
    tfvae.fit_prior(vae, data, components=1, codes="means")
    z, repeated = vae.encode(x).mean().numpy(), np.repeat(np.arange(70), weights)
    normal = vae.prior().components_distribution
    np.testing.assert_allclose(normal.mean()[0], z[repeated].mean(0), atol=1e-4)
    covariance = np.cov(z[repeated].T, bias=True)
    np.testing.assert_allclose(normal.covariance()[0], covariance, rtol=1e-3, atol=1e-4)
    # Weights that are no whole numbers: their proportions, as nearly as copies can.
    weights = np.random.default_rng(0).gamma(1.0, size=70)
    data = tf.data.Dataset.from_tensor_slices((x, np.zeros([70, 0], np.float32), weights)).batch(32)
    _, examples = codes_of(vae, data, codes="means")
    shares = np.bincount(examples, minlength=70) / len(examples)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=1 / len(examples))


@pytest.mark.parametrize("inverse", [False, True])
def test_a_flow_is_a_density_and_better_than_a_normal(inverse):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 2))
    z = np.stack([z[:, 0], 0.3 * z[:, 1] + z[:, 0] ** 2], axis=1) * [30.0, 1.0]  # a banana
    prior = priors.Standardized(priors.MaskedAutoregressiveFlow(2, [16], inverse=inverse))
    prior.fit(z, steps=200, learning_rate=1e-2)
    normal = scipy.stats.multivariate_normal(z.mean(0), np.cov(z.T))
    reached = float(tf.reduce_mean(prior().log_prob(z.astype(np.float32))))
    assert reached > normal.logpdf(z).mean() + 0.3
    axes = np.linspace(-200, 200, 300), np.linspace(-6, 22, 300)
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2).astype(np.float32)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert np.float64(prior().prob(grid)).sum() * cell == pytest.approx(1.0, abs=5e-3)


def test_a_fit_stops_where_codes_held_out_get_no_better():
    """Few codes of a normal: a flow that has its way with them fits them alone."""
    z = np.random.default_rng(0).normal(size=(300, 4))
    prior = priors.MaskedAutoregressiveFlow(2, [64])
    prior.fit(z, steps=1000)
    fresh = np.random.default_rng(1).normal(size=(1000, 4)).astype(np.float32)
    truth = scipy.stats.norm.logpdf(fresh).sum(1).mean()
    assert float(tf.reduce_mean(prior().log_prob(fresh))) > truth - 1.0


def test_a_fit_is_a_function_of_codes_and_seed():
    z = np.random.default_rng(0).normal(size=(50, 2))
    found = []
    for _ in range(2):
        prior = priors.MaskedAutoregressiveFlow(1, [4], event_shape=2)
        prior.build(2)
        prior.set_weights([np.ones(w.shape) for w in prior.weights])
        keras.utils.set_random_seed(len(found))
        prior.fit(z, steps=20, seed=1)
        found.append(np.concatenate([w.ravel() for w in prior.get_weights()]))
    np.testing.assert_array_equal(found[0], found[1])
    assert len(np.unique(found[0])) > 2


def test_a_conditional_model_keeps_its_context(make_vae, binary):
    vae = make_vae(labels=3)
    labels = np.arange(40) % 3
    data = tf.data.Dataset.from_tensor_slices((binary, labels)).batch(16)
    z, _ = codes_of(vae, data, codes="means")
    np.testing.assert_allclose(z, vae.encode(binary, labels).mean(), rtol=1e-5)
    tfvae.fit_prior(vae, data, components=2, draws=3)
    assert vae.sample(3, context=labels[:3]).shape == (3, 3, 2, 1)


def test_refusals(make_vae, binary):
    vae = make_vae(prior=tfd.MultivariateNormalDiag([0.0, 0.0]))
    prior = vae.prior

    def refused(message, data=binary, *args, model=vae, **options):
        with pytest.raises(tfvae.UserError, match=message):
            tfvae.fit_prior(model, data, *args, **options)
        assert vae.prior is prior

    refused("unknown kind 'mafia'.*'maf'", binary, "mafia")
    refused("unknown option of maf 'componentss'", binary, "maf", componentss=3)
    refused("codes takes", codes="modes")
    refused("draws takes", draws=0)
    refused("components=50 are more", draws=1, components=50, codes="means")
    refused("data set is empty", binary[:0])
    refused("repeats without end", tf.data.Dataset.from_tensor_slices(binary).batch(9).repeat())
    refused("made of the posteriors", binary, priors.VampPrior(3))
    refused("event shape", binary, priors.MixtureOfNormals(2, event_shape=3))
    refused("has no weights that are fitted", binary, priors.StandardNormal())
    refused("same support", binary, priors.SphericalUniform())
    conditional = make_vae(
        labels=3,
        prior=priors.ConditionalNormal(keras.layers.CategoryEncoding(3, output_mode="one_hot")),
    )
    refused("depends on its context", binary, model=conditional)
    blocks = [latents.LadderBlock(2, level=0), latents.LadderBlock(3, level=0, hidden=[4])]
    ladder = tfvae.VAE(tfvae.networks.MLP([6]), vae.decoder, latents=latents.TopDown(blocks))
    refused("TopDown has no prior of one group", binary, model=ladder)
    with pytest.raises(tfvae.UserError, match="no weights yet"):
        make_vae(built=False).replace_prior(priors.StandardNormal())
    with pytest.raises(tfvae.UserError, match="prior takes"):
        vae.replace_prior("maf")


def test_the_weights_are_on_all_replicas(make_vae, binary, mirrored):
    with mirrored.scope():
        vae = make_vae()
    tfvae.fit_prior(vae, binary, components=2, draws=1)
    for weight in vae.prior.weights:
        assert isinstance(weight.value, tf.distribute.DistributedValues)
        one, other = (value.numpy() for value in weight.value.values)
        np.testing.assert_array_equal(one, other)
