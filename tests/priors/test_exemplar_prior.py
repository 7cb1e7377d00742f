import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae.errors import UserError
from tfvae.latents.example_weights import example_weights
from tfvae.priors import ExemplarPrior
from tfvae.priors.exemplars import NormalsAround
from tfvae.priors.temperature import tempered

RNG = np.random.default_rng(0)
LOC = 100.0 + RNG.normal(size=(9, 3))  # far from 0: distances are small beside the numbers
Z = 100.0 + RNG.normal(size=(4, 9, 3))


def log_parts(z, scale=0.4):
    """log N(z; μ_n, σ² I), `[..., N]`."""
    return scipy.stats.norm.logpdf(z[..., None, :], LOC, scale).sum(-1)


def normals(dtype="float64", **options):
    return NormalsAround(tf.constant(LOC, dtype), tf.constant(0.4, dtype), **options)


def test_density_is_the_mean_of_scipys_normals():
    truth = scipy.special.logsumexp(log_parts(Z), axis=-1) - np.log(9)
    np.testing.assert_allclose(normals().log_prob(Z), truth, rtol=1e-9)
    np.testing.assert_allclose(normals("float32").log_prob(Z), truth, rtol=1e-4, atol=1e-3)


def test_neighbours_bound_the_density_from_below():
    parts = np.sort(log_parts(Z), axis=-1)
    truth = scipy.special.logsumexp(parts[..., -3:], axis=-1) - np.log(9)
    np.testing.assert_allclose(normals(neighbours=3).log_prob(Z), truth, rtol=1e-9)
    assert (truth <= normals().log_prob(Z).numpy()).all()
    np.testing.assert_allclose(normals(neighbours=99).log_prob(Z), normals().log_prob(Z))


def test_each_example_is_left_out_of_its_own():
    logits = np.where(np.eye(9, dtype=bool), -np.inf, 0.3 * RNG.normal(size=9))
    p = normals(logits=logits)
    assert p.batch_shape == (9,)
    weights = scipy.special.log_softmax(logits, axis=-1)
    truth = scipy.special.logsumexp(log_parts(Z) + weights, axis=-1)
    np.testing.assert_allclose(p.log_prob(Z), truth, rtol=1e-9)
    narrow = NormalsAround(tf.constant(LOC), tf.constant(1e-6, tf.float64), logits=logits)
    draws = narrow.sample(400, seed=(0, 1))
    nearest = np.argmin(np.linalg.norm(draws.numpy()[:, :, None] - LOC, axis=-1), axis=-1)
    assert draws.shape == (400, 9, 3)
    for example, seen in enumerate(nearest.T):
        assert set(seen) == set(range(9)) - {example}


def test_draws_are_of_the_mixture():
    draws = normals().sample(5000, seed=(0, 1)).numpy()
    variance = LOC.var(0) + 0.4**2
    error = np.sqrt(variance / 5000)
    assert (np.abs(draws.mean(0) - LOC.mean(0)) < 5 * error).all()
    np.testing.assert_allclose(draws.var(0), variance, rtol=0.1)
    cold = tempered(normals(), 1e-6).sample(50, seed=(0, 1)).numpy()
    assert np.abs(cold[:, None] - LOC).sum(-1).min(1).max() < 1e-3


def test_a_model_has_stored_exemplars_and_those_of_its_batch(make_vae, binary, tmp_path):
    vae = make_vae(prior=ExemplarPrior(30))
    vae.latents.adapt(tf.data.Dataset.from_tensor_slices(binary).batch(16))
    np.testing.assert_array_equal(vae.prior.examples, binary[:30])
    vae.prior.log_scale.assign(-1.0)
    x = binary[30:]
    loc = vae.encode(x).mean().numpy()
    z = np.float32(RNG.normal(size=(5, 10, 2)))
    # In training, the others of the batch; the gradient reaches them.
    (latent,) = vae(x, training=True).latents
    parts = scipy.stats.norm.logpdf(z[:, :, None], loc, np.exp(-1.0)).sum(-1)
    parts[:, np.eye(10, dtype=bool)] = -np.inf
    truth = scipy.special.logsumexp(parts, axis=-1) - np.log(9)
    np.testing.assert_allclose(latent.prior.log_prob(z), truth, rtol=1e-4, atol=1e-4)
    (latent,) = vae(x).latents
    stored = vae.encode(binary[:30]).mean().numpy()
    parts = scipy.stats.norm.logpdf(z[:, :, None], stored, np.exp(-1.0)).sum(-1)
    truth = scipy.special.logsumexp(parts, axis=-1) - np.log(30)
    np.testing.assert_allclose(latent.prior.log_prob(z), truth, rtol=1e-4, atol=1e-4)
    # Those that count twice, and not at all; one that is alone has itself.
    with example_weights(tf.constant([0.0, 1.0, 2.0])):
        (latent,) = vae(x[:3], training=True).latents
    probs = np.exp(scipy.special.log_softmax(latent.prior.logits, axis=-1))
    np.testing.assert_allclose(probs, [[0, 1 / 3, 2 / 3], [0, 0, 1], [0, 1, 0]], atol=1e-6)
    (alone,) = vae(x[:1], training=True).latents
    assert np.isfinite(alone.prior.log_prob(alone.z)).all()
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(same.sample(5, seed=1), vae.sample(5, seed=1))


def test_few_examples_are_repeated(make_vae, binary):
    vae = make_vae(prior=ExemplarPrior(7))
    vae.latents.adapt([binary[:3]])
    np.testing.assert_array_equal(vae.prior.examples, binary[[0, 1, 2, 0, 1, 2, 0]])


def test_refusals(make_vae):
    with pytest.raises(UserError, match="exemplars takes"):
        ExemplarPrior(0)
    prior = ExemplarPrior(3)
    prior.build(2, (3,))
    with pytest.raises(UserError, match="give it to a VAE"):
        prior()
    with pytest.raises(UserError, match="data set is empty"):
        make_vae(prior=ExemplarPrior(3)).latents.adapt([])
    with pytest.raises(UserError, match="without a context"):
        make_vae(prior=ExemplarPrior(3), labels=3)
    prior = ExemplarPrior(3)
    make_vae(prior=prior)
    with pytest.raises(UserError, match="posteriors of another model"):
        make_vae(prior=prior)
    assert keras.saving.get_registered_name(ExemplarPrior) == "tfvae>ExemplarPrior"
