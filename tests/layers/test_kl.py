"""KL as a part of the loss: what `fit` reports is −ELBO, whatever the batch and the conversion."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import (
    DistributionLambda,
    IndependentBernoulli,
    IndependentNormal,
    KLDivergenceAddLoss,
    KLDivergenceRegularizer,
    MixtureNormal,
    MultivariateNormalTriL,
    VariableLayer,
)
from tfvae.losses import NegativeLogLikelihood
from tfvae.priors import StandardNormal
from tfvae.schedules import Linear

tfd = tfp.distributions
PRIOR = tfd.MultivariateNormalDiag(tf.ones(2), [1.0, 2.0])


@keras.saving.register_keras_serializable(package="tests")
def normal_of(t):
    return tfd.Independent(tfd.Normal(t[..., 0], tf.math.softplus(t[..., 1]) + 1e-3), 1)


@pytest.fixture
def x():
    """22 examples: batches of 8 leave a last one of 6."""
    return (np.random.default_rng(0).random((22, 5)) < 0.4).astype("float32")


@pytest.fixture
def autoencoder():
    """Makes a functional VAE whose loss takes the KL in either way; the code is the mean."""

    def make(way, convert="mean", encoder=MultivariateNormalTriL, **kl):
        kl = {"distribution_b": PRIOR, "use_exact_kl": True, **kl}
        regularizer = KLDivergenceRegularizer(**kl) if way == "regularizer" else None
        inputs = keras.Input((5,))
        head = encoder(2, convert, activity_regularizer=regularizer, name="q")
        q = head(keras.layers.Dense(head.params_size)(inputs))
        if way == "add_loss":
            q = KLDivergenceAddLoss(name="kl", **kl)(q)
        output = IndependentBernoulli(5)(keras.layers.Dense(5)(q))
        model = keras.Model(inputs, output)
        model.compile(keras.optimizers.SGD(0.0), loss=NegativeLogLikelihood())
        return model

    return make


def parts(model, x):
    """q and p, layer by layer, without Keras's bookkeeping."""
    dense, q = model.layers[1](x), None
    q = model.get_layer("q").make_distribution(dense)
    *_, projection, likelihood = model.layers
    return q, likelihood.make_distribution(projection(q.mean()))


@pytest.mark.parametrize("encoder", [MultivariateNormalTriL, IndependentNormal])
@pytest.mark.parametrize("way", ["regularizer", "add_loss"])
def test_the_loss_of_fit_is_minus_the_elbo(autoencoder, x, way, encoder):
    model = autoencoder(way, encoder=encoder)
    q, p = parts(model, x)
    expected = tf.reduce_mean(tfd.kl_divergence(q, PRIOR) - p.log_prob(x))
    history = model.fit(x, x, batch_size=8, verbose=0).history
    assert history["loss"][0] == pytest.approx(float(expected), rel=2e-6)
    assert model.evaluate(x, x, batch_size=8, verbose=0) == pytest.approx(float(expected), rel=2e-6)


@keras.saving.register_keras_serializable(package="tests")
def ten_samples(distribution):
    return distribution.sample(10)


@pytest.mark.parametrize("way", ["regularizer", "add_loss"])
@pytest.mark.parametrize("convert", [ten_samples, "sample"])
def test_the_divergence_does_not_depend_on_the_conversion(x, way, convert):
    """Keras divides an activity regularizer by the first size of the tensor, 10 here."""
    kl = (PRIOR, True)
    head = MultivariateNormalTriL(
        2,
        convert,
        activity_regularizer=KLDivergenceRegularizer(*kl) if way == "regularizer" else None,
    )
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5), head])
    if way == "add_loss":
        model.add(KLDivergenceAddLoss(*kl))
    q = model(x)
    expected = tf.reduce_mean(tfd.kl_divergence(q, PRIOR))
    assert float(sum(model.losses)) == pytest.approx(float(expected), rel=2e-6)


def test_monte_carlo_takes_the_sample_that_goes_on(x):
    head = MultivariateNormalTriL(2, activity_regularizer=KLDivergenceRegularizer(PRIOR))
    q = head(tf.zeros([22, 5]))
    z = tf.convert_to_tensor(q)
    expected = tf.reduce_mean(q.log_prob(z) - PRIOR.log_prob(z))
    assert float(head.losses[0]) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    "kl", [{"test_points": 4000}, {"test_points_fn": lambda d: d.sample(4000)}]
)
def test_monte_carlo_comes_near_the_exact_divergence(kl):
    q = MultivariateNormalTriL(2)(tf.constant([[0.3, -0.2, 0.1, 0.5, 0.4]] * 2))
    regularizer = KLDivergenceRegularizer(PRIOR, **kl)
    z = q.sample(4000, seed=1)
    ratio = (q.log_prob(z) - PRIOR.log_prob(z)).numpy()
    exact = tfd.kl_divergence(q, PRIOR).numpy()
    assert np.all(np.abs(regularizer.divergence(q) - exact) < 4.5 * ratio.std() / np.sqrt(4000))


def test_trailing_batch_axes_are_summed(x):
    q = tfd.Normal(tf.ones([22, 3]), 1.0)
    loss = KLDivergenceRegularizer(tfd.Normal(0.0, 1.0), True).loss(q)
    assert float(loss) == pytest.approx(3 * 0.5)


def test_a_weight_multiplies_the_divergence_alone(autoencoder, x):
    model = autoencoder("add_loss", weight=0.25)
    q, p = parts(model, x)
    expected = tf.reduce_mean(0.25 * tfd.kl_divergence(q, PRIOR) - p.log_prob(x))
    assert model.evaluate(x, x, verbose=0) == pytest.approx(float(expected), rel=2e-6)


@pytest.mark.parametrize("way", ["regularizer", "add_loss"])
def test_a_weight_may_follow_a_schedule(autoencoder, x, way, tmp_path):
    model = autoencoder(way, weight=Linear(0.0, 1.0, steps=4))
    q, p = parts(model, x)
    kl, distortion = tf.reduce_mean(tfd.kl_divergence(q, PRIOR)), -tf.reduce_mean(p.log_prob(x))
    losses = model.fit(x, x, batch_size=22, epochs=3, verbose=0).history["loss"]
    expected = [float(distortion + weight * kl) for weight in (0.0, 0.25, 0.5)]
    np.testing.assert_allclose(losses, expected, rtol=2e-6)
    # The count is saved, and evaluation does not move it.
    model.evaluate(x, x, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    loss = again.fit(x, x, batch_size=22, verbose=0).history["loss"][0]
    assert loss == pytest.approx(float(distortion + 0.75 * kl), rel=2e-6)


@pytest.mark.parametrize("way", ["regularizer", "add_loss"])
def test_weights_of_the_prior_are_trained(x, way):
    prior = keras.Sequential(
        [keras.Input((1,)), VariableLayer([2, 2]), DistributionLambda(normal_of)]
    )
    kl = KLDivergenceRegularizer(prior, use_exact_kl=True)
    head = IndependentNormal(2, activity_regularizer=kl if way == "regularizer" else None)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), head])
    if way == "add_loss":
        model.add(KLDivergenceAddLoss(prior, use_exact_kl=True))
    constant = prior.layers[0].constant
    assert any(constant is weight for weight in model.trainable_weights)
    before = constant.numpy()
    model.compile("sgd", loss=NegativeLogLikelihood())
    model.fit(x, x[:, :2], verbose=0)
    assert np.abs(constant.numpy() - before).max() > 0


def test_a_prior_layer_serves():
    q = MultivariateNormalTriL(2)(tf.ones([3, 5]))
    standard = tfd.MultivariateNormalDiag(tf.zeros(2))
    prior = StandardNormal(2)
    prior.build(2)
    loss = KLDivergenceRegularizer(prior, True).loss(q)
    assert float(loss) == pytest.approx(float(tf.reduce_mean(q.kl_divergence(standard))), rel=1e-6)


def test_the_configuration_is_plain_data(autoencoder):
    for way in ("regularizer", "add_loss"):
        model = autoencoder(way, weight=Linear(0.0, 1.0, 10))
        config = json.loads(json.dumps(model.get_config()))
        again = keras.Model.from_config(config)
        part = again.get_layer("q").activity_regularizer or again.get_layer("kl").regularizer
        np.testing.assert_allclose(part.distribution_b.mean(), PRIOR.mean())
        assert part.weight.steps == 10


def test_mixed_precision_keeps_the_distribution(policy, autoencoder, x):
    policy("mixed_bfloat16")
    model = autoencoder("add_loss")
    assert np.isfinite(model.fit(x, x, verbose=0).history["loss"][0])


def test_a_missing_closed_form_is_said():
    q = MixtureNormal(2, 2)(tf.ones([3, 10]))
    with pytest.raises(UserError, match="test_points"):
        KLDivergenceRegularizer(PRIOR, True).loss(q)


def test_a_plain_tensor_is_refused():
    with pytest.raises(UserError, match="whose output is a distribution"):
        keras.layers.Dense(2, activity_regularizer=KLDivergenceRegularizer(PRIOR))(tf.ones([3, 2]))


def test_the_batch_is_not_reduced_by_hand():
    q = MultivariateNormalTriL(2)(tf.ones([3, 5]))
    for axis in (0, [0], np.array(0), tf.constant([-2])):
        kl = KLDivergenceRegularizer(
            PRIOR, test_points_reduce_axis=axis, test_points_fn=lambda d: d.sample(7)
        )
        kl.loss(q)
        assert json.dumps(kl.get_config()["test_points_reduce_axis"]) in ("[0]", "[-2]")
    with pytest.raises(UserError, match="leave the argument out"):
        KLDivergenceRegularizer(PRIOR, test_points_reduce_axis=0).loss(q)


@pytest.mark.parametrize("kl", [{"use_exact_kl": True}, {"test_points_fn": lambda d: d.mean()}])
def test_test_points_contradict_the_other_ways(kl):
    with pytest.raises(UserError, match="test_points"):
        KLDivergenceRegularizer(PRIOR, test_points=5, **kl)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("prior", "message"),
    [
        # Each gave a number: that of a broadcast event.
        (tfd.MultivariateNormalDiag(tf.zeros(1), tf.ones(1)), r"event shape \(1,\) beside \(2,\)"),
        (tfd.Normal(0.0, 1.0), r"event shape \(\) beside \(2,\)"),
        (tfd.MultivariateNormalDiag(tf.zeros([5, 1, 2])), r"batch shape \(5, 1\) beside \(3,\)"),
        (tfd.MultivariateNormalDiag(tf.zeros([4, 2])), r"batch shape \(4,\) beside \(3,\)"),
    ],
    ids=["one of two", "scalar", "batch of two axes", "another batch"],
)
def test_a_prior_of_other_shapes_is_refused(prior, message, exact):
    q = MultivariateNormalTriL(2)(tf.zeros([3, 5]))
    for add in (
        lambda: KLDivergenceAddLoss(prior, use_exact_kl=exact)(q),
        lambda: KLDivergenceRegularizer(prior, use_exact_kl=exact).loss(q),
    ):
        with pytest.raises(UserError, match=message):
            add()


def test_a_prior_for_each_example_serves():
    q = MultivariateNormalTriL(2)(tf.zeros([3, 5]))
    means = np.arange(6.0, dtype=np.float32).reshape([3, 2])
    loss = KLDivergenceRegularizer(tfd.MultivariateNormalDiag(means), use_exact_kl=True).loss(q)
    each = tfd.kl_divergence(q, tfd.MultivariateNormalDiag(means))
    np.testing.assert_allclose(loss, np.mean(each), rtol=1e-6)
