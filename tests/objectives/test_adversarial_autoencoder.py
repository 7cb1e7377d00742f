import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import AdversarialAutoencoder
from tfvae.objectives.adversary import Adversarial

tfd = tfp.distributions


def small(strength=5.0, **kwargs):
    options = {"units": (8,), "optimizer": keras.optimizers.SGD(0.5), **kwargs}
    return AdversarialAutoencoder(strength, **options)


def of_draws(z, prior):
    """An output with these draws of q(z), [batch, D]."""
    q = tfd.Independent(tfd.Normal(z, 1.0), 1)
    return tfvae.VAEOutput((tfvae.Latent(z, q, prior),), q)


def test_the_discriminator_finds_the_log_ratio_of_two_normals():
    """log p(z) − log q(z) at every point, for q = N(1, 1) and p = N(0, 1)."""
    prior = tfd.Sample(tfd.Normal(0.0, 1.0), 1)
    objective = small(units=(32, 32), optimizer=keras.optimizers.Adam(3e-3))
    x = tf.zeros([512, 1])
    objective(x, of_draws(x, prior))

    @tf.function
    def train(steps):
        for step in tf.range(steps):
            z = 1.0 + tf.random.stateless_normal([512, 1], tf.stack([7, step]))
            objective.update(x, of_draws(z, prior), seed=tf.stack([1, step]))

    train(400)
    z = np.linspace(-1.0, 2.0, 20, dtype=np.float32)[:, None]
    np.testing.assert_allclose(objective.log_ratio(z), 0.5 - z[:, 0], atol=0.2)


def test_the_steps_are_those_of_the_two_losses(make_vae, binary):
    vae = make_vae(objective=small(), seed=4)
    x, objective = binary[:10], vae.objective
    common = tfvae.distribute.fold_in(tfvae.distribute.replica_seed(4, 0), 1)
    with tf.GradientTape(persistent=True) as tape:
        output = vae(x, seed=tfvae.distribute.replica_seed(4, 0))
        z = output.latents[0].z
        fooled = -tf.math.log(tf.sigmoid(objective.log_ratio(z)))
        loss = tf.reduce_mean(5.0 * fooled - output.likelihood.log_prob(x))
        real = tf.sigmoid(objective.log_ratio(vae.prior().sample(10, seed=common)))
        fake = tf.sigmoid(objective.log_ratio(tf.stop_gradient(z)))
        own = -0.5 * tf.reduce_mean(tf.math.log(real) + tf.math.log(1 - fake))
    truth = {}
    for value, weights in [(loss, vae.trainable_weights), (own, objective.own_weights)]:
        for w, g in zip(weights, tape.gradient(value, weights), strict=True):
            truth[w.path] = w.numpy() - 0.5 * g.numpy()
    vae.compile(keras.optimizers.SGD(0.5))
    logs = vae.fit(x, batch_size=10, shuffle=False, verbose=0).history
    assert logs["loss"] == pytest.approx([float(loss)], rel=1e-5)
    assert logs["adversarial_loss"] == pytest.approx([float(tf.reduce_mean(fooled))], rel=1e-4)
    assert logs["discriminator_loss"] == pytest.approx([float(own)], rel=1e-4)
    assert len(truth) == len(vae.weights)
    for w in vae.weights:
        np.testing.assert_allclose(w, truth[w.path], rtol=1e-4, atol=1e-6, err_msg=w.path)


def test_it_holds_a_code_without_noise_to_a_prior_without_density_of_its_kind(binary, make_vae):
    """A mixture as prior, whose draws pass no gradient; the model has no bound of log p(x)."""
    vae = make_vae(
        latent=tfvae.layers.Deterministic(2),
        prior=tfvae.priors.MixtureOfNormals(3),
        objective=small(),
    )
    before = [w.numpy() for w in vae.prior.weights]
    vae.compile("sgd")
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert {"distortion", "log_joint", "adversarial_loss", "discriminator_loss"} < set(logs)
    assert vae.log_prob_kind == "none"
    for w, old in zip(vae.prior.weights, before, strict=True):
        np.testing.assert_array_equal(w, old)


def test_what_it_cannot_match_is_refused():
    z = tf.zeros([4, 2])
    conditional = tfd.Independent(tfd.Normal(tf.zeros([4, 2]), 1.0), 1)
    with pytest.raises(tfvae.UserError, match="another one for each context"):
        small()(z, of_draws(z, conditional))
    output = of_draws(z, tfd.Sample(tfd.Normal(0.0, 1.0), 2))
    with pytest.raises(tfvae.UserError, match="one group of latent variables"):
        small()(z, output._replace(latents=output.latents * 2))
    assert issubclass(AdversarialAutoencoder, Adversarial)
