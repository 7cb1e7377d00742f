"""What a model reports, with and without a bound of log p(x)."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import VAEOutput
from tfvae.distributions.elbo import elbo
from tfvae.distributions.energies import Energy
from tfvae.distributions.evidence import no_evidence, reported, reported_terms
from tfvae.distributions.point import Point
from tfvae.distributions.types import Latent

tfd = tfp.distributions


def _output(posterior, likelihood):
    prior = tfd.Sample(tfd.Normal(0.0, 1.0), 2)
    return VAEOutput((Latent(tf.ones([3, 2]), posterior, prior),), likelihood)


def _normal():
    return tfd.Independent(tfd.Normal(tf.ones([3, 2]), 1.0), 1)


def _point():
    return tfd.Independent(Point(tf.ones([3, 2])), 1)


def _likelihood():
    return tfd.Independent(tfd.Normal(tf.zeros([3, 4]), 1.0), 1)


def _energy():
    return Energy(tf.zeros([3, 4]), lambda x, y: tf.reduce_sum((x - y) ** 2, -1), 1)


@pytest.mark.parametrize(
    ("posterior", "likelihood", "names", "reason"),
    [
        (_normal, _likelihood, ("elbo", "distortion", "rate"), None),
        (_point, _likelihood, ("distortion", "log_joint"), "a point"),
        (_normal, _energy, ("energy", "rate"), "an energy"),
        (_point, _energy, ("energy",), "an energy"),
    ],
)
def test_names_and_values(posterior, likelihood, names, reason):
    x, output = tf.ones([3, 4]), _output(posterior(), likelihood())
    found = no_evidence(output)
    assert (found is None) if reason is None else (reason in found.reason)
    assert reported(output) == names
    terms = reported_terms(output, elbo(x, output))
    assert tuple(terms) == names
    nats = 2 * np.log(2 * np.pi) + 2.0  # of four standard normals at 1
    rate = 1.0 if posterior is _normal else np.log(2 * np.pi) + 1.0  # KL; −log p(z) at the point
    wanted = {
        "distortion": nats,
        "energy": 4.0,
        "rate": rate,
        "elbo": -nats - rate,
        "log_joint": -nats - rate,
    }
    for name, values in terms.items():
        np.testing.assert_allclose(values, np.full(3, wanted[name]), rtol=1e-6, err_msg=name)
