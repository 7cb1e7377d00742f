"""Trainable variables that nobody would train are refused, and nothing else is."""

import functools

import keras
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.variables import refuse_untracked
from tfvae.errors import UserError
from tfvae.layers import (
    DenseReparameterization,
    DenseVariational,
    DistributionLambda,
    IndependentNormal,
    KLDivergenceAddLoss,
    KLDivergenceRegularizer,
    TransformedDistribution,
    VariableLayer,
)

tfb = tfp.bijectors
tfd = tfp.distributions

V = tf.Variable(1.0)
FIXED = tf.Variable(1.0, trainable=False)
K = keras.Variable(1.0)


def over_a_default(x, scale=V):
    return tfd.Normal(x, scale)


HOLD = {
    "argument": tfd.Normal(0.0, V),
    "inner distribution": tfd.Independent(tfd.Normal([0.0], V), 1),
    "bijector of it": tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), tfb.Scale(V)),
    "bijector": tfb.Chain([tfb.Exp(), tfb.Shift(V)]),
    "deferred": tfd.Normal(0.0, tfp.util.TransformedVariable(1.0, tfb.Exp())),
    "mixture": tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.Variable([0.0, 0.0])), tfd.Normal([0.0, 1.0], 1.0)
    ),
    "Keras variable": tfd.Normal(0.0, K),
    "Keras variable inside": tfd.Independent(tfd.Normal([0.0], K), 1),
    "function": lambda x: tfd.Normal(x, V),
    "default": over_a_default,
    "number": V,
    "number of Keras": K,
    "partial": functools.partial(tfd.Normal, scale=V),
}
PASS = {
    "plain": tfd.Normal(0.0, 1.0),
    "fixed": tfd.Normal(0.0, FIXED),
    "function": lambda x: tfd.Normal(x, FIXED),
    "method": tfd.Distribution.sample,
    "layer": VariableLayer(2),
    "Keras variable in a function": lambda x: tfd.Normal(x, K),
    "number": 1.0,
    "fixed number": FIXED,
    "none": None,
}


@pytest.mark.parametrize("value", HOLD.values(), ids=HOLD)
def test_a_variable_that_nobody_trains_is_refused(value):
    with pytest.raises(UserError, match="prior holds the variable"):
        refuse_untracked("prior", value)


@pytest.mark.parametrize("value", PASS.values(), ids=PASS)
def test_all_else_passes(value):
    refuse_untracked("prior", value)


def with_a_variable(dtype, shape, name, trainable, add_variable_fn):
    return tfd.Independent(tfd.Normal(tf.Variable(tf.zeros(shape)), 1.0), len(shape))


def posterior_with_a_variable(kernel_size, bias_size=0, dtype=None):
    loc = tf.Variable(tf.zeros(kernel_size + bias_size))
    return lambda _: tfd.Independent(tfd.Normal(loc, 1.0), 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: KLDivergenceRegularizer(tfd.Normal(0.0, V)),
        lambda: KLDivergenceAddLoss(tfd.Normal(0.0, V)),
        lambda: KLDivergenceAddLoss(lambda: tfd.Normal(0.0, V)),
        lambda: KLDivergenceAddLoss(tfd.Normal(0.0, 1.0), weight=V),
        lambda: DenseReparameterization(3, kl_weight=K),
        lambda: DistributionLambda(lambda x: tfd.Normal(x, V)),
        lambda: TransformedDistribution(IndependentNormal(2), tfb.Scale(V)),
        lambda: TransformedDistribution(IndependentNormal(2), lambda: tfb.Scale(V)),
        lambda: DenseReparameterization(3, kernel_posterior_fn=with_a_variable)(tf.ones([1, 2])),
        lambda: DenseVariational(3, posterior_with_a_variable)(tf.ones([1, 2])),
    ],
)
def test_every_layer_that_takes_a_distribution_or_a_function_refuses_it(make):
    with pytest.raises(UserError, match="Keras does not see"):
        make()
