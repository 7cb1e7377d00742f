"""Two replicas take the step, report the loss and add the KL of one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers import (
    IndependentBernoulli,
    IndependentNormal,
    KLDivergenceAddLoss,
    KLDivergenceRegularizer,
    MultivariateNormalTriL,
)
from tfvae.losses import MeanNegativeLogLikelihood, NegativeLogLikelihood


def make():
    """An autoencoder with the KL at two places."""
    prior = tfp.distributions.MultivariateNormalDiag(tf.ones(2))
    kl = KLDivergenceRegularizer(prior, use_exact_kl=True)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(5),
            MultivariateNormalTriL(2, "mean", activity_regularizer=kl),
            KLDivergenceAddLoss(prior, use_exact_kl=True),
            keras.layers.Dense(5),
            IndependentBernoulli(5),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        NegativeLogLikelihood(),
        weighted_metrics=[MeanNegativeLogLikelihood(name="nll")],
    )
    return model


def test_two_replicas_take_the_step_and_report_the_loss_of_one(mirrored):
    rng = np.random.default_rng(0)
    x = (rng.random((22, 5)) < 0.4).astype("float32")
    weights = rng.uniform(0.5, 2, 22).astype("float32")
    single = make()
    with mirrored.scope():
        double = make()
    double.set_weights(single.get_weights())
    one, two = (
        model.fit(x, x, sample_weight=weights, batch_size=22, verbose=0).history
        for model in (single, double)
    )
    assert two["loss"] == pytest.approx(one["loss"], rel=3e-6)
    assert two["nll"] == pytest.approx(one["nll"], rel=3e-6)
    for a, b in zip(single.get_weights(), double.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_two_replicas_draw_different_samples(mirrored):
    with mirrored.scope():
        layer = IndependentNormal(2)
        layer.build((None, 4))
    draws = mirrored.run(lambda: tf.convert_to_tensor(layer(tf.zeros([3, 4]))))
    first, second = mirrored.experimental_local_results(draws)
    assert np.abs(first - second).min() > 0
