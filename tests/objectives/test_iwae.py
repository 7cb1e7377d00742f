import itertools

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import tfvae
from tfvae.objectives import ELBO, IWAE
from tfvae.objectives.importance import GRADIENTS


def bounds(model, samples, runs=40):
    """The bound in many runs, in the mean over the examples: mean and standard error."""
    objective = IWAE(samples)
    x = np.tile(model.x, (runs, 1))
    loss = objective(x, model.vae(x, samples=samples, seed=1)).loss.numpy().astype(np.float64)
    means = -loss.reshape(runs, -1).mean(1)
    return means.mean(), means.std(ddof=1) / np.sqrt(runs)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("samples", [1, 5])
def test_with_the_true_posterior_the_bound_is_the_evidence(linear_gaussian, gradient, samples):
    model = linear_gaussian(objective=IWAE(samples, gradient))
    output = model.vae(model.x, samples=samples)
    loss, terms = model.vae.objective(model.x, output)
    np.testing.assert_allclose(-loss, model.log_prob, rtol=1e-4)
    np.testing.assert_array_equal(terms["iwae_bound"], -loss)
    np.testing.assert_allclose(terms["effective_samples"], samples, rtol=1e-3)


def test_one_sample_is_the_elbo(linear_gaussian):
    model = linear_gaussian(exact=False, shift=0.3, scale=1.3)
    mean, error = bounds(model, 1, runs=400)
    assert error < 0.05
    assert abs(mean - model.elbo.mean()) < 4 * error
    assert model.log_prob.mean() - mean > 20 * error  # it is not the evidence


def test_the_bound_rises_with_the_samples_to_the_evidence(linear_gaussian):
    model = linear_gaussian(shift=0.5, scale=1.3)
    found = [bounds(model, samples, runs=100) for samples in (1, 3, 10, 30, 400)]
    for (low, low_error), (high, high_error) in itertools.pairwise(found):
        assert high - low > 4 * np.hypot(low_error, high_error)
    (first, _), (last, error) = found[0], found[-1]
    truth = model.log_prob.mean()
    assert truth - first > 0.5
    assert -4 * error < truth - last < 0.05 * (truth - first)


def test_value_and_terms(make_vae, binary):
    vae = make_vae(objective=IWAE(7))
    output = vae(binary, samples=7, seed=3)
    loss, terms = vae.objective(binary, output)
    latent = output.latents[0]
    log_w = (
        output.likelihood.log_prob(binary)
        + latent.prior.log_prob(latent.z)
        - latent.posterior.log_prob(latent.z)
    ).numpy()
    assert log_w.shape == (7, 40)
    np.testing.assert_allclose(-loss, scipy.special.logsumexp(log_w, axis=0) - np.log(7), rtol=1e-5)
    weights = scipy.special.softmax(log_w, axis=0)
    np.testing.assert_allclose(terms["effective_samples"], 1 / (weights**2).sum(0), rtol=1e-4)
    elbo = ELBO(samples=7)(binary, output).terms
    for name in elbo:
        np.testing.assert_allclose(terms[name], elbo[name], rtol=1e-6)
    assert set(terms) == {*elbo, "iwae_bound", "effective_samples"}
    assert all(term.shape == (40,) for term in terms.values())


def test_the_kl_method_is_of_the_logged_rate_alone(make_vae, binary):
    vae = make_vae()
    output = vae(binary, samples=7, seed=3)
    analytic, drawn = (IWAE(7, kl=kl)(binary, output) for kl in ("analytic", "monte_carlo"))
    np.testing.assert_array_equal(analytic.loss, drawn.loss)
    assert np.abs(analytic.terms["rate"] - drawn.terms["rate"]).max() > 0.01
    mean_log_w = -drawn.terms["distortion"] - drawn.terms["rate"]
    np.testing.assert_allclose(drawn.terms["elbo"], mean_log_w, rtol=1e-6)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_training_reaches_the_evidence_of_the_family(linear_gaussian, gradient):
    """All three gradients lead an encoder that is off back to the true posterior."""
    model = linear_gaussian(exact=False, shift=0.5, scale=1.5, n=64, objective=IWAE(4, gradient))
    model.vae.decoder.trainable = False
    model.vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, 250)))
    before = model.vae.elbo(model.x, 200, seed=0).numpy().mean()
    data = tf.data.Dataset.from_tensors(model.x).repeat(250)
    model.vae.fit(data, verbose=0)
    after = model.vae.elbo(model.x, 200, seed=0).numpy().mean()
    truth = model.log_prob.mean()
    assert truth - before > 0.5
    assert truth - after < 0.1


def test_save_and_load(make_vae, binary, tmp_path):
    vae = make_vae(objective=IWAE(7, "dreg", kl="monte_carlo"))
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    config = {"samples": 7, "gradient": "dreg", "kl": "monte_carlo"}
    assert config.items() <= same.objective.get_config().items()
    assert same.objective.samples == 7
    output = same(binary, samples=7, seed=3)
    loss = vae.objective(binary, vae(binary, samples=7, seed=3)).loss
    np.testing.assert_array_equal(same.objective(binary, output).loss, loss)
