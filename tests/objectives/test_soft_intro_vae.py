import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distribute import fold_in
from tfvae.objectives import SoftIntroVAE
from tfvae.objectives.made_examples import binary_draws, made_examples

tfd = tfp.distributions
SEED = tf.constant([3, 4])


@pytest.fixture
def model(make_vae):
    """A model of real numbers, whose made examples are means, far enough from its start."""
    objective = SoftIntroVAE(0.7, beta=0.4, beta_negative=5.0, sharpness=1.5)
    head = tfvae.layers.IndependentNormal((3, 2, 1), scale=0.5)
    return make_vae(likelihood=head, objective=objective, hidden=6)


def two_sides(vae, x):
    """The losses of encoder and decoder, by the model's methods alone."""
    output, prior = vae(x, seed=1), vae.prior()
    plain = -output.likelihood.log_prob(x)
    plain += 0.4 * tfd.kl_divergence(output.latents[0].posterior, prior)
    codes = output.latents[0].z, prior.sample(len(x), seed=fold_in(SEED, 1))
    soft, rates = [], []
    for i, z in enumerate(codes):
        made = vae.decode(tf.stop_gradient(z)).mean()
        rates.append(tfd.kl_divergence(vae.encode(made), prior))
        made = tf.stop_gradient(made)
        q = vae.encode(made)
        again = q.sample(seed=fold_in(fold_in(SEED, 2 + i), 0))
        distortion = -vae.decode(again).log_prob(made)
        negative = distortion + 5.0 * tfd.kl_divergence(q, prior)
        soft.append(6 / 1.5 * tf.exp(-1.5 / 6 * negative))
    return plain + 0.7 * tf.add_n(soft) / 2, plain + 0.7 * 0.4 * tf.add_n(rates) / 2, plain


def test_each_network_follows_its_side_of_the_loss(model, binary):
    x = binary[:10]
    with tf.GradientTape() as tape:
        loss, terms = model.objective(x, model(x, seed=1), seed=SEED)
    weights = [w.value for w in model.trainable_weights]
    found = tape.gradient(loss, weights)
    with tf.GradientTape(persistent=True) as tape:
        of_encoder, of_decoder, plain = two_sides(model, x)
    count = len(model.encoder.trainable_weights)
    truth = tape.gradient(of_encoder, weights[:count]) + tape.gradient(of_decoder, weights[count:])
    for a, b in zip(found, truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(loss, of_encoder + of_decoder - plain, rtol=1e-4)
    np.testing.assert_allclose(0.7 * terms["made_loss"], of_encoder - plain, rtol=1e-3, atol=1e-4)
    # Each side has something to say.
    without = tape.gradient(plain, weights)
    for place in (0, count):
        assert np.abs(found[place] - without[place]).max() > 1e-2


def test_without_a_game_it_is_the_beta_vae(model, binary):
    model.objective.strength = 0.0
    output = model(binary, seed=1)
    loss, terms = model.objective(binary, output)
    truth = tfvae.objectives.ELBO(0.4)(binary, output)
    np.testing.assert_allclose(loss, truth.loss, rtol=1e-5)
    np.testing.assert_allclose(terms["elbo"], truth.terms["elbo"], rtol=1e-5)
    assert model.log_prob_kind == "importance_weighted"


def test_a_prior_of_its_own_is_trained_by_the_data_alone(make_vae, binary):
    """The game does not move the prior's weights."""
    gradients = []
    for strength in (0.0, 1.0):
        prior = tfvae.priors.RealNVP(2, [4])
        vae = make_vae(objective=SoftIntroVAE(strength), prior=prior)
        with tf.GradientTape() as tape:
            loss = vae.objective(binary, vae(binary, seed=1), seed=SEED).loss
        gradients.append(tape.gradient(loss, [w.value for w in vae.prior.trainable_weights]))
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_made_examples_lie_on_the_support(binary):
    mean = tf.constant(np.random.default_rng(0).uniform(size=(500, 3)), tf.float32)
    normal = tfd.Independent(tfd.Normal(mean, 1.0), 1)
    np.testing.assert_array_equal(made_examples(normal, SEED), mean)
    counts = tfd.Independent(tfd.Poisson(10 * mean), 1)
    made = made_examples(counts, SEED).numpy()
    np.testing.assert_allclose(made, np.round(made), atol=1e-4)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        draws = binary_draws(mean, SEED)
    assert set(np.unique(draws.numpy().round(5))) == {0.0, 1.0}
    assert np.mean(draws) == pytest.approx(np.mean(mean), abs=4 * 0.5 / np.sqrt(1500))
    np.testing.assert_array_equal(tape.gradient(draws, mean), np.ones([500, 3]))


def test_the_optimizer_has_one_step(model, binary):
    model.compile(keras.optimizers.Adam(1e-3))
    logs = model.fit(binary, batch_size=20, verbose=0).history
    assert {"made_rate", "made_loss", "beta_negative"} < set(logs)
    assert np.isfinite(list(logs.values())).all()
