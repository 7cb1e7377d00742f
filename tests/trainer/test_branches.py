"""A batch that is computed in parts: the whole batch's gradient, and refusals where it is not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.errors import UserError
from tfvae.layers import DistributionLayer, IndependentBernoulli, IndependentNormal
from tfvae.trainer.branches import parts_of, why_whole

tfd = tfp.distributions


class NoiseOfTheExample(tfd.Normal):
    """A normal whose draw is a function of its parameters: the same in a part as in the batch."""

    def _sample_n(self, n, seed=None):
        k = tf.reshape(tf.range(1.0, tf.cast(n, tf.float32) + 1), [-1, 1, 1])
        return self.loc + self.scale * tf.sin(tf.stop_gradient(3.0 * k * self.loc))


@keras.saving.register_keras_serializable(package="tests")
class Head(DistributionLayer):
    params_per_element = 2

    def make_distribution(self, params):
        loc, raw = self.split(params)
        return self.independent(NoiseOfTheExample(loc, tf.nn.softplus(raw) + 1e-3))


@keras.saving.register_keras_serializable(package="tests")
class Penalty(keras.layers.Layer):
    """Adds a loss that is a mean over the batch."""

    def call(self, x):
        self.add_loss(tf.reduce_mean(x**2))
        return x


def model(objective=None, extra=(), head=Head, **compile_options):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential(
        [keras.layers.Dense(8, "tanh", kernel_regularizer="l2"), *extra, keras.layers.Dense(4)]
    )
    vae = tfvae.VAE(
        tfvae.networks.Encoder(encoder, head(2)),
        tfvae.networks.Decoder(tfvae.networks.MLP([8]), IndependentBernoulli(6)),
        objective=objective,
    )
    vae.compile(keras.optimizers.SGD(0.1), **compile_options)
    return vae


def data(n=10):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (n, 6)).astype(np.float32)
    return x, rng.uniform(0.5, 2.0, n).astype(np.float32)


def trained(n=10, **options):
    x, weights = data(n)
    vae = model(**options)
    history = vae.fit(x, sample_weight=weights, batch_size=7, shuffle=False, epochs=2, verbose=0)
    return vae.get_weights(), history.history


OBJECTIVES = [
    lambda: tfvae.objectives.ELBO(beta=0.5, samples=2),
    lambda: tfvae.objectives.IWAE(3),
    lambda: tfvae.objectives.MIWAE(2, 2, gradient="dreg"),
]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("branches", [2, 3])
@pytest.mark.representatives("2-*0", "3-*2")
def test_weights_and_logs_are_those_of_the_whole_batch(objective, branches):
    extra = [Penalty()]
    whole, logs = trained(objective=objective(), extra=extra)
    parts, part_logs = trained(objective=objective(), extra=[Penalty()], branches=branches)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert logs.keys() == part_logs.keys()
    for name in logs:
        np.testing.assert_allclose(logs[name], part_logs[name], rtol=1e-5)


def test_a_batch_of_fewer_examples_than_parts():
    whole, _ = trained(n=8)  # batches of 7 and of 1
    parts, _ = trained(n=8, branches=4)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_parts_have_noise_of_their_own_and_it_is_repeated():
    runs = [trained(head=IndependentNormal, branches=n)[0][0] for n in (1, 2, 2)]
    np.testing.assert_array_equal(runs[1], runs[2])
    assert np.abs(runs[0] - runs[1]).max() > 1e-6


def test_shares_add_to_one():
    parts = parts_of((tf.zeros([7, 3]), tf.zeros([7])), 3)
    assert [part[0].shape[0] for part, _ in parts] == [2, 2, 3]
    np.testing.assert_allclose(sum(share for _, share in parts), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"objective": tfvae.objectives.BetaTCVAE()}, "BetaTCVAE looks across the batch"),
        ({"objective": tfvae.objectives.FactorVAE()}, "FactorVAE looks across the batch"),
        ({"objective": tfvae.objectives.ELBO(free_bits=0.5)}, "ELBO looks across the batch"),
        ({"extra": [keras.layers.BatchNormalization()]}, "moving_mean"),
    ],
)
def test_what_looks_across_the_batch_stays_whole(options, reason):
    vae = model(branches=2, head=IndependentNormal, **options)
    with pytest.raises(UserError, match=reason):
        vae.fit(data()[0], verbose=0)
    assert reason in why_whole(vae)
    with pytest.raises(UserError, match=reason):
        vae.train_on_batch(data()[0])


def test_a_generator_is_no_way_around_it():
    vae = model(branches=2, head=IndependentNormal, objective=tfvae.objectives.FactorVAE())
    with pytest.raises(UserError, match="FactorVAE looks across the batch"):
        vae.fit(((data()[0],) for _ in range(2)), verbose=0)


def test_a_number_below_one_is_refused():
    with pytest.raises(UserError, match="branches takes an integer from 1, got 0"):
        model(branches=0)


def test_saved_with_the_compile_state(tmp_path):
    vae = model(branches=2)
    vae.fit(data()[0], verbose=0)
    vae.save(tmp_path / "m.keras")
    assert tfvae.load(tmp_path / "m.keras").branches == 2


@pytest.mark.exhaustive
def test_with_xla_and_several_steps_in_one_call():
    x, _ = data(40)
    vae = model(branches=2, steps_per_execution=2, jit_compile=True)
    assert np.isfinite(vae.fit(x, batch_size=10, epochs=2, verbose=0).history["loss"]).all()
