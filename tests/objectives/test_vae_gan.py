import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.distribute import fold_in, replica_seed
from tfvae.objectives import VaeGan


def small(strength=2.0, **kwargs):
    options = {"units": (8,), "optimizer": keras.optimizers.SGD(0.5), **kwargs}
    return VaeGan(strength, beta=0.3, **options)


def discriminator(objective, x):
    """Features and logit by NumPy."""
    kernel, bias, last, shift = (w.numpy().astype(np.float64) for w in objective.own_weights)
    hidden = np.reshape(x, [len(x), -1]) @ kernel + bias
    features = np.where(hidden > 0, hidden, 0.2 * hidden)
    return features, (features @ last + shift)[:, 0]


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.fixture
def real_valued(make_vae):
    """A model whose mean is what the discriminator sees."""

    def make(**kwargs):
        return make_vae(likelihood=tfvae.layers.IndependentNormal((3, 2, 1), scale=0.5), **kwargs)

    return make


def test_value(real_valued, binary):
    vae = real_valued(objective=small())
    output, seed = vae(binary, seed=1), tf.constant([3, 4])
    loss, terms = vae.objective(binary, output, seed=seed)
    x_tilde = output.likelihood.mean().numpy()
    x_p = vae.decode(vae.prior().sample(40, seed=fold_in(seed, 1))).mean().numpy()
    (real, _), (fake, logit) = (discriminator(vae.objective, x) for x in (binary, x_tilde))
    similarity = 0.5 * ((real - fake) ** 2).sum(-1)
    _, of_prior = discriminator(vae.objective, x_p)
    fooled = 0.5 * (softplus(-logit) + softplus(-of_prior))
    np.testing.assert_allclose(terms["similarity"], similarity, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(terms["generator_loss"], fooled, rtol=1e-4)
    np.testing.assert_allclose(
        loss, similarity + 2.0 * fooled + 0.3 * np.array(terms["rate"]), rtol=1e-4
    )
    # The ELBO is that of the likelihood, which the loss does not hold.
    elbo = tfvae.objectives.ELBO()(binary, output).terms["elbo"]
    np.testing.assert_allclose(terms["elbo"], elbo, rtol=1e-5)
    assert vae.log_prob_kind == "importance_weighted"


def test_the_discriminator_fools_no_encoder(real_valued, binary):
    """What passes to the encoder is the similarity's and the rate's gradient alone."""
    vae = real_valued(objective=small())
    gradients = []
    for strength in (0.0, 50.0):
        vae.objective.strength = strength
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(vae.objective(binary, vae(binary, seed=1), seed=(0, 1)).loss)
        weights = vae.encoder.trainable_weights + vae.decoder.trainable_weights
        gradients.append(tape.gradient(loss, [w.value for w in weights]))
    count = len(vae.encoder.trainable_weights)
    for i, (a, b) in enumerate(zip(*gradients, strict=True)):
        same = np.allclose(a, b, rtol=1e-4, atol=1e-5)
        assert same == (i < count)


def test_the_discriminator_takes_a_step_of_its_own_loss(real_valued, binary):
    vae = real_valued(objective=small(), seed=4)
    x, objective = binary[:10], vae.objective
    output = vae(x, seed=replica_seed(4, 0))
    common = fold_in(fold_in(replica_seed(4, 0), 1), 1)
    x_p = vae.decode(vae.prior().sample(10, seed=fold_in(common, 1))).mean()
    with tf.GradientTape() as tape:
        real, fake, of_prior = map(objective.log_ratio, (x, output.likelihood.mean(), x_p))
        fakes = 0.5 * (tf.nn.softplus(fake) + tf.nn.softplus(of_prior))
        own = 0.5 * tf.reduce_mean(tf.nn.softplus(-real) + fakes)
    gradients = tape.gradient(own, objective.own_weights)
    truth = [w - 0.5 * g for w, g in zip(objective.own_weights, gradients, strict=True)]
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(x, batch_size=10, shuffle=False, verbose=0).history
    assert logs["discriminator_loss"] == pytest.approx([float(own)], rel=1e-4)
    for weight, wanted in zip(objective.own_weights, truth, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-4, atol=1e-6)


def test_of_binary_data_it_sees_draws(make_vae, binary):
    """A mean between 0 and 1 would be told from the data at sight; its gradient is the mean's."""
    objective = small()
    vae = make_vae(objective=objective)
    z = tf.random.stateless_normal([2000, 2], (0, 1))
    with tf.GradientTape() as tape:
        tape.watch(z)
        mean = vae.decode(z).mean()
    truth = tape.gradient(mean, z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        shown = objective._shown(vae.decode(z), tf.constant([1, 2]))
    assert set(np.unique(shown)) == {0.0, 1.0}
    error = 0.5 / np.sqrt(2000)
    np.testing.assert_allclose(np.mean(shown, 0), np.mean(mean, 0), atol=4 * error)
    np.testing.assert_allclose(tape.gradient(shown, z), truth, rtol=1e-5)


def test_features_of_ones_own_are_saved_with_it(real_valued, binary, tmp_path):
    trunk = tfvae.networks.ConvDown([4], units=6)
    vae = real_valued(objective=VaeGan(features=trunk))
    vae.compile("sgd", run_eagerly=True)
    vae.fit(binary, batch_size=20, verbose=0)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert isinstance(same.objective.features, tfvae.networks.ConvDown)
    np.testing.assert_allclose(
        same.objective.log_ratio(binary), vae.objective.log_ratio(binary), rtol=1e-5
    )
    made = tfvae.recipes.vae_gan((8, 8, 1), network="conv", network_options={"filters": (4,)})
    assert made.objective.features.filters == made.encoder.trunk.filters
