import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.priors import RealNVP
from tfvae.priors.temperature import tempered


def flow(event, couplings=4, **kwargs):
    """A flow far from the identity, float64."""
    prior = RealNVP(couplings, [8], activation="tanh", dtype="float64", **kwargs)
    prior.build(event)
    rng = np.random.default_rng(0)
    for weight in prior.weights:
        weight.assign(rng.normal(size=weight.shape))
    return prior


@pytest.mark.parametrize("event", [(5,), (1,), (2, 2)])
def test_density_is_that_of_the_numerical_jacobian(event):
    prior, size = flow(event), int(np.prod(event))
    epsilon = np.random.default_rng(1).normal(size=size)
    h = 1e-6

    def forward(epsilon):
        return np.ravel(prior().bijector.forward(tf.constant(epsilon[None])))

    jacobian = np.stack(
        [(forward(epsilon + h * e) - forward(epsilon - h * e)) / (2 * h) for e in np.eye(size)],
        axis=1,
    )
    z = forward(epsilon)
    assert np.abs(z - epsilon).min() > 1e-3  # every element is moved
    expected = scipy.stats.norm.logpdf(epsilon).sum() - np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(prior().log_prob(z.reshape(event)), expected, rtol=1e-7)


def test_inverse_of_forward():
    prior = flow(5)
    x = np.random.default_rng(1).normal(size=(3, 7, 5))
    z = prior().bijector.forward(tf.constant(x))
    np.testing.assert_allclose(prior().bijector.inverse(tf.constant(z.numpy())), x, rtol=1e-9)


def test_a_draw_and_a_density_take_one_pass_each():
    prior, calls = flow(5), []
    for network in prior.networks:
        call = network.call
        network.call = lambda *a, call=call, **k: (calls.append(1), call(*a, **k))[1]
    z = prior().sample(6, seed=(0, 1))
    assert len(calls) == 4
    del calls[:]
    prior().log_prob(tf.constant(z.numpy()))
    assert len(calls) <= 2 * 4  # the value, and the determinant there


def test_starts_as_the_standard_normal():
    prior = RealNVP()
    prior.build(6)
    z = np.random.default_rng(0).normal(size=(9, 6)).astype("f")
    expected = scipy.stats.norm.logpdf(z).sum(-1)
    np.testing.assert_allclose(prior().log_prob(z), expected, rtol=1e-5)


def test_log_scales_are_bounded():
    prior = flow(4, couplings=2, max_log_scale=0.5)
    for weight in prior.weights:
        weight.assign(weight * 100.0)
    x = np.random.default_rng(1).normal(size=(50, 4))
    log_det = prior().bijector.forward_log_det_jacobian(tf.constant(x), event_ndims=1)
    # Two elements in each coupling.
    assert np.abs(log_det).max() <= 2 * 2 * 0.5 + 1e-9
    assert np.abs(log_det).max() > 1.0


def test_graph_and_xla_give_the_same():
    prior = flow(5)
    z = tf.constant(np.random.default_rng(1).normal(size=(3, 7, 5)))
    expected = prior().log_prob(z)
    for jit in (False, True):
        run = tf.function(lambda z: prior().log_prob(z), jit_compile=jit)
        np.testing.assert_allclose(run(z), expected, rtol=1e-9)


def test_temperature_scales_the_noise():
    prior = flow(5)
    z, half = (tempered(prior(), t).sample(6, seed=(0, 1)) for t in (1.0, 0.5))
    bijector = prior().bijector
    np.testing.assert_allclose(bijector.inverse(half), 0.5 * bijector.inverse(z), rtol=1e-9)


@pytest.mark.parametrize("arguments", [{"couplings": 0}, {"max_log_scale": 0.0}])
def test_refusals(arguments):
    with pytest.raises(UserError, match=f"{next(iter(arguments))} takes"):
        RealNVP(**arguments)
