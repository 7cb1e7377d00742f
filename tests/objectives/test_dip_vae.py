import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import DipVAE
from tfvae.objectives.latents import code_moments

tfd = tfp.distributions


def test_the_covariance_is_that_of_the_code():
    """Of kind ii: of many draws of z, for a posterior of full covariance."""
    rng = np.random.default_rng(0)
    loc = rng.normal(size=(6, 2)).astype(np.float32)
    lower = np.tril(rng.normal(size=(6, 2, 2))).astype(np.float32)
    q = tfd.MultivariateNormalTriL(loc, lower)
    weights = tf.constant([1.0, 2.0, 0.0, 1.0, 0.5, 3.0])
    draws, share = 20_000, weights.numpy() / weights.numpy().sum()
    z = np.float64(q.sample(draws, seed=(1, 2)))
    z -= np.einsum("b,kbd->d", share, z) / draws
    by_draw = np.einsum("b,kbd,kbe->kde", share, z, z)
    found = DipVAE(kind="ii").covariance(q, weights)
    error = by_draw.std(0) / np.sqrt(draws)
    assert (np.abs(found - by_draw.mean(0)) < 4.5 * error).all()
    means = DipVAE(kind="i").covariance(q, weights)
    np.testing.assert_allclose(
        means, np.cov(loc.T, aweights=share, bias=True, ddof=0), rtol=1e-4, atol=1e-6
    )


def test_an_event_of_several_axes_is_flat():
    loc = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    mean, covariance = code_moments(tfd.Independent(tfd.Normal(loc, 0.5), 2), "DipVAE")
    np.testing.assert_array_equal(mean, loc.reshape(5, 6))
    np.testing.assert_allclose(covariance, np.broadcast_to(0.25 * np.eye(6), (5, 6, 6)))


def test_refusals(make_vae):
    flow = tfvae.layers.InverseAutoregressiveFlow(2, steps=1, hidden=[4], context_size=2)
    with pytest.raises(tfvae.UserError, match="are not known in closed form: take a posterior"):
        make_vae(latent=flow, objective=DipVAE())
    with pytest.raises(tfvae.UserError, match="unknown kind 'iii'"):
        DipVAE(kind="iii")
    q = tfd.Independent(tfd.Normal(tf.zeros([4, 2]), 1.0), 1)
    latent = tfvae.Latent(tf.zeros([4, 2]), q, q)
    with pytest.raises(tfvae.UserError, match="DipVAE takes one group of latent variables"):
        DipVAE()(tf.zeros([4, 2]), tfvae.VAEOutput((latent, latent), q))
