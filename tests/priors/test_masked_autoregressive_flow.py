import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.priors import MaskedAutoregressiveFlow


def flow(event, **kwargs):
    """A flow far from the identity, float64."""
    prior = MaskedAutoregressiveFlow(3, [8], activation="tanh", dtype="float64", **kwargs)
    prior.build(event)
    rng = np.random.default_rng(0)
    for weight in prior.weights:
        weight.assign(0.7 * rng.normal(size=weight.shape))
    return prior


@pytest.mark.parametrize("event", [(4,), (1,), (2, 2)])
def test_density_is_that_of_the_numerical_jacobian(event):
    p, size, h = flow(event)(), int(np.prod(event)), 1e-6
    epsilon = np.random.default_rng(1).normal(size=size)
    ends = np.concatenate([epsilon + h * np.eye(size), epsilon - h * np.eye(size), epsilon[None]])
    values = p.bijector.forward(tf.constant(ends)).numpy().reshape(-1, size)
    jacobian = (values[:size] - values[size:-1]) / (2 * h)
    expected = scipy.stats.norm.logpdf(epsilon).sum() - np.linalg.slogdet(jacobian)[1]
    z = tf.constant(values[-1].reshape(event))
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-6)
    if size > 1:  # both triangles: the order is reversed in between
        assert np.abs(np.tril(jacobian, -1)).max() > 1e-3
        assert np.abs(np.triu(jacobian, 1)).max() > 1e-3


def test_starts_near_the_standard_normal():
    z = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    truth = scipy.stats.norm.logpdf(z).sum(-1)
    assert np.abs(MaskedAutoregressiveFlow(event_shape=3)().log_prob(z) - truth).mean() < 0.3


@pytest.mark.parametrize("name", ["steps", "max_log_scale"])
def test_refusals(name):
    with pytest.raises(UserError, match=f"{name} takes"):
        MaskedAutoregressiveFlow(**{name: 0})
