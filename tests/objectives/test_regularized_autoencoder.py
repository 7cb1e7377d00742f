import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.distributions import aside
from tfvae.objectives import RegularizedAutoencoder
from tfvae.runs.report import table_lines


def signs(size, seed):
    return np.sign(tf.random.stateless_uniform([size], seed, -1.0, 1.0).numpy())


def test_the_gradient_norm_is_that_of_the_jacobian(linear_gaussian):
    """Of a linear decoder it is the kernel: for one combination, and in the mean over many."""
    model = linear_gaussian(objective=RegularizedAutoencoder(0.0, gradient=2.0))
    output, jacobian = model.vae(model.x, seed=1), model.vae.decoder.projection.kernel.numpy()
    found = []
    for i in range(200):
        seed = tf.constant([3, i])
        truth = 0.5 * ((jacobian @ signs(5, seed)) ** 2).sum()
        found.append(truth)
        if i > 1:
            continue
        loss, terms = model.vae.objective(model.x, output, seed=seed)
        np.testing.assert_allclose(terms["gradient_norm"], np.full(16, truth), rtol=1e-4)
        np.testing.assert_allclose(loss, terms["distortion"] + 2.0 * truth, rtol=1e-4)
    error = np.std(found) / np.sqrt(200)
    assert np.mean(found) == pytest.approx(0.5 * (jacobian**2).sum(), abs=4 * error)


def test_the_gradient_penalty_trains_the_decoder(make_vae, binary):
    """The second derivative, against differences."""
    objective = RegularizedAutoencoder(0.0, gradient=1.0)
    vae, seed = make_vae(objective=objective), tf.constant([1, 2])
    kernel = vae.decoder.trunk.stack[1].kernel

    def penalty():
        return tf.reduce_sum(
            objective(binary, vae(binary, seed=4), seed=seed).terms["gradient_norm"]
        )

    with tf.GradientTape() as tape:
        value = penalty()
    found, start = tape.gradient(value, kernel.value).numpy(), kernel.numpy()
    for place in [(0, 0), (1, 5)]:
        step = np.zeros_like(start)
        step[place] = 1e-2
        ends = []
        for sign in (1, -1):
            kernel.assign(start + sign * step)
            ends.append(float(penalty()))
        kernel.assign(start)
        assert found[place] == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=0.02, abs=1e-3)


def test_the_decay_is_of_the_decoder_alone(make_vae, binary):
    objective = RegularizedAutoencoder(0.0, decay=0.3)
    vae = make_vae(objective=objective)
    loss, terms = objective(binary, vae(binary, seed=0))
    squares = sum((w.numpy() ** 2).sum() for w in vae.decoder.trainable_weights)
    np.testing.assert_allclose(loss, terms["distortion"] + 0.15 * squares, rtol=1e-5)


def test_an_output_put_together_by_hand_is_refused(make_vae, binary):
    output = make_vae()(binary, seed=0)
    output = tfvae.VAEOutput(output.latents, output.likelihood)
    RegularizedAutoencoder()(binary, output)
    with pytest.raises(tfvae.UserError, match="this output does not know them"):
        RegularizedAutoencoder(gradient=1.0)(binary, output)


# The code without noise.


@pytest.fixture
def autoencoder(make_vae):
    def make(**kwargs):
        return make_vae(latent=tfvae.layers.Deterministic(2), **kwargs)

    return make


def test_a_model_without_a_bound_says_so(autoencoder, binary, tmp_path):
    vae = autoencoder(objective=RegularizedAutoencoder(0.5))
    vae.compile(keras.optimizers.SGD(0.1))
    logs = vae.fit(binary, batch_size=20, validation_data=binary, verbose=0).history
    numbers = {"code", "gradient", "decay"}
    terms = {"loss", "distortion", "log_joint", "code_norm"} | numbers
    assert set(logs) == {first + term for term in terms for first in ("", "val_")}
    assert np.isfinite(list(logs.values())).all()
    vae.save(tmp_path / "m.keras")
    for model in (vae, tfvae.load(tmp_path / "m.keras")):
        assert model.log_prob_kind == "none"
        for number in (model.elbo, model.log_prob):
            with pytest.raises(tfvae.UserError, match=r"is a point, .* no density"):
                number(binary)
    table = tfvae.evaluation.evaluate_likelihood(vae, tf.data.Dataset.from_tensors(binary))
    assert set(table) == {
        "examples", "samples", "log_prob_kind", "distortion", "distortion_se", "active_units"
    }  # fmt: skip
    assert table["distortion"] == pytest.approx(logs["val_distortion"][0], rel=1e-5)
    lines = "\n".join(table_lines(table))
    assert "log p(x)                    none" in lines
    assert "bits" not in lines
    with pytest.raises(tfvae.UserError, match="a code without noise, which has no rate"):
        tfvae.plots.traversals(vae, binary)


def test_the_terms_of_a_point(autoencoder, binary):
    vae = autoencoder()
    output = vae(binary, seed=0)
    loss, terms = vae.objective(binary, output)
    z = output.latents[0].z.numpy().astype(np.float64)
    np.testing.assert_array_equal(z, vae.encode(binary).mean())
    log_prior = -0.5 * (z**2).sum(-1) - np.log(2 * np.pi)
    np.testing.assert_allclose(terms["log_joint"], log_prior - terms["distortion"], rtol=1e-4)
    np.testing.assert_allclose(loss, -terms["log_joint"], rtol=1e-5)


def test_objectives_of_all_codes_take_points_and_those_of_weights_refuse_them(autoencoder, binary):
    vae = autoencoder(objective=tfvae.objectives.InfoVAE(alpha=1.0, draws=8))
    vae.compile("sgd", run_eagerly=True)
    assert np.isfinite(vae.fit(binary, verbose=0).history["mmd"]).all()
    with pytest.raises(tfvae.UserError, match="deterministic code, which has none"):
        autoencoder(objective=tfvae.objectives.IWAE(3))


@pytest.mark.parametrize("norm", [tfvae.layers.WeightNorm, tfvae.layers.SpectralNorm])
def test_normalized_weights_are_frozen_too(norm):
    layer = norm(keras.layers.Dense(3))
    x = tf.ones([2, 4])
    layer(x)
    for frozen in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            with aside(*[layer] * frozen), aside():
                y = layer(x)
        of_x, *others = tape.gradient(y, [x, *(w.value for w in layer.trainable_weights)])
        assert of_x is not None
        assert {g is None for g in others} == {frozen}


def test_networks_called_once_more_leave_nothing_behind(binary):
    """No loss, no moving statistics; frozen weights get no gradient, the argument does."""
    trunk = keras.Sequential(
        [keras.layers.Dense(4, kernel_regularizer="l2"), keras.layers.BatchNormalization()]
    )
    head = tfvae.layers.IndependentBernoulli((3, 2, 1))
    vae = tfvae.VAE(
        tfvae.networks.Encoder(tfvae.networks.MLP([4]), tfvae.layers.IndependentNormal(2)),
        tfvae.networks.Decoder(trunk, head),
    )
    vae.build((None, 3, 2, 1))
    output = vae(binary, training=True, seed=0)
    before, losses = vae.get_weights(), len(vae.losses)
    z, weights = output.latents[0].z, vae.decoder.trainable_variables
    for frozen in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(z)
            with aside(*[vae.decoder] * frozen):
                mean = output.networks.decode(z).mean()
        gradient, *others = tape.gradient(mean, [z, *(w.value for w in weights)])
        assert gradient is not None
        assert [g is None for g in others] == [frozen] * len(weights)
        np.testing.assert_allclose(mean, vae.decode(z).mean(), rtol=1e-5)
    with tf.GradientTape() as tape, aside(vae.encoder):
        loc = output.networks.encode(binary).mean()
    assert tape.gradient(loc, vae.encoder.trainable_variables[0].value) is None
    np.testing.assert_allclose(loc, vae.encode(binary).mean(), rtol=1e-5)
    assert len(vae.losses) == losses
    for a, b in zip(before, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
