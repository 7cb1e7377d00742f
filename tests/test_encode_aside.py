"""What is called several times in a step counts once: pseudo-inputs, and shared conditioners."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.priors import VampPrior

EVENT = (3, 2, 1)


@keras.saving.register_keras_serializable(package="tests")
class Counted(keras.layers.Layer):
    """Counts its calls in training and adds a loss of 1 at each call."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x, training=False):
        if training:
            self.count.assign_add(1.0)
        self.add_loss(tf.constant(1.0))
        return x


def make(*layers, pseudo_inputs=4, **compiled):
    keras.utils.set_random_seed(3)
    trunk = keras.Sequential([keras.layers.Flatten(), *layers, keras.layers.Dense(4)])
    vae = tfvae.VAE(
        tfvae.networks.Encoder(trunk, tfvae.layers.IndependentNormal(2)),
        tfvae.networks.Decoder(
            keras.Sequential([keras.layers.Dense(8), keras.layers.Dropout(0.5)]),
            tfvae.layers.IndependentBernoulli(EVENT),
        ),
        prior=VampPrior(pseudo_inputs),
    )
    vae.compile(keras.optimizers.SGD(0.0), **compiled)
    vae.build((None, *EVENT))
    return vae


@pytest.mark.parametrize("jit", [False, True], ids=["plain", "xla"])
def test_losses_and_counters_count_once(binary, jit):
    counted = Counted()
    vae = make(counted, jit_compile=jit)
    logs = vae.fit(binary, batch_size=10, epochs=1, verbose=0).history
    assert float(counted.count) == 4  # a step each
    assert logs["loss"][0] + logs["elbo"][0] == pytest.approx(1.0, abs=1e-4)


def test_losses_of_a_bayesian_layer_count_once(binary):
    layer = tfvae.layers.DenseReparameterization(3)
    vae = make(layer, run_eagerly=True)
    vae(binary)
    kl = float(tf.add_n(layer.losses))
    logs = vae.train_on_batch(binary, return_dict=True)
    assert float(logs["loss"]) + float(logs["elbo"]) == pytest.approx(kl, rel=1e-4)


def test_moving_statistics_are_those_of_the_data(binary):
    norm = keras.layers.BatchNormalization(momentum=0.5)
    vae = make(norm)
    vae.fit(binary, batch_size=40, epochs=1, verbose=0)
    flat = binary.reshape([40, -1])
    np.testing.assert_allclose(norm.moving_mean, 0.5 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, 0.5 + 0.5 * flat.var(0), rtol=1e-5)


def test_in_training_the_prior_is_that_of_the_evaluation(binary):
    vae = make(keras.layers.BatchNormalization(), keras.layers.Dropout(0.5))
    vae.fit(binary, batch_size=8, epochs=3, verbose=0)
    z = np.random.default_rng(0).normal(size=(40, 2)).astype("f")
    here = vae(binary, training=True, seed=0).latents[0].prior.log_prob(z)
    u = vae.encode(vae.prior.inputs())
    each = u.log_prob(z[:, None]).numpy()
    np.testing.assert_allclose(vae.prior().log_prob(z), np.log(np.exp(each).mean(-1)), rtol=1e-4)
    # The call above has moved the statistics once: by a part of 1 in 100.
    np.testing.assert_allclose(here, vae.prior().log_prob(z), rtol=0.05)


def test_training_and_evaluation_agree_with_batch_normalization(binary):
    """With statistics that counted the pseudo-inputs too, they were far apart."""
    vae = make(keras.layers.BatchNormalization(momentum=0.5), pseudo_inputs=20)
    vae.latents.prior.raw.assign(3.0 + 0.0 * vae.latents.prior.raw)  # far from the data
    logs = vae.fit(binary, validation_data=(binary,), batch_size=40, epochs=30, verbose=0).history
    assert logs["val_rate"][-1] == pytest.approx(logs["rate"][-1], rel=0.3)


def test_what_comes_behind_the_prior_is_still_in_training(binary):
    """Keras hands the mode of the last call on to the next one."""
    vae = make()
    modes = {"training": True, "also": True, "evaluation": False}
    means = {
        name: vae(binary, training=mode, seed=0).likelihood.mean() for name, mode in modes.items()
    }
    assert np.abs(means["training"] - means["evaluation"]).max() > 0.01  # dropout in the decoder
    np.testing.assert_array_equal(means["training"], means["also"])  # all noise is of the seed


def test_the_gradient_reaches_pseudo_inputs_and_encoder(binary):
    vae = make(keras.layers.BatchNormalization())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(vae(binary, training=True).latents[0].prior.log_prob(tf.zeros([2])))
    weights = [vae.prior.raw, *vae.encoder.trainable_weights]
    for weight, gradient in zip(weights, tape.gradient(value, weights), strict=True):
        assert np.abs(gradient).max() > 0, weight.path


def test_replicas(binary, mirrored):
    with mirrored.scope():
        counted = Counted()
        vae = make(counted, keras.layers.BatchNormalization())
    logs = vae.fit(binary, batch_size=20, epochs=1, verbose=0).history
    assert counted.count.numpy() == 2
    assert logs["loss"][0] + logs["elbo"][0] == pytest.approx(1.0, abs=1e-4)


def test_a_prior_of_two_models_is_refused():
    prior = VampPrior(3)
    tfvae.recipes.vae((4,), 2, prior=prior)
    with pytest.raises(tfvae.UserError, match="give each model a VampPrior of its own"):
        tfvae.recipes.vae((4,), 2, prior=prior)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_conditioner_that_three_parts_share_counts_once(binary, samples):
    counted, normal = Counted(), keras.layers.BatchNormalization(momentum=0.5)
    shared = keras.Sequential([keras.layers.Dense(3), counted, normal])
    vae = tfvae.VAE(
        tfvae.networks.Encoder(
            tfvae.networks.MLP([4]), tfvae.layers.IndependentNormal(2), conditioner=shared
        ),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([4]), tfvae.layers.IndependentBernoulli(EVENT), conditioner=shared
        ),
        prior=tfvae.priors.ConditionalNormal(shared),
        objective=tfvae.objectives.ELBO(samples=samples),
    )
    vae.compile(keras.optimizers.SGD(0.0))
    context = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    vae.build((None, *EVENT), (None, 4))
    before = normal.moving_mean.numpy()
    logs = vae.fit(binary, context, batch_size=40, verbose=0).history
    assert float(counted.count) == 1
    assert logs["loss"][0] + logs["elbo"][0] == pytest.approx(1.0, abs=1e-4)
    mean = np.mean(shared.layers[0](context), axis=0)  # moved by one step of the moving mean
    np.testing.assert_allclose(normal.moving_mean, 0.5 * before + 0.5 * mean, rtol=1e-4, atol=1e-6)
    kernel = shared.layers[0].kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(vae(binary, context=context, seed=0).latents[0].prior.mean())
    assert tape.gradient(loss, kernel.value) is not None  # the prior's is not the first call
