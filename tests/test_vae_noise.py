"""All noise of a VAE is a function of the seed: that inside its networks too."""

import keras
import numpy as np
import tensorflow as tf

import tfvae
from tfvae import layers

X = tf.cast(tf.random.stateless_uniform([6, 4], (1, 2)) > 0.5, tf.float32)


def noisy_vae(seed=0):
    """Weights, dropped units and a sample between layers are random."""
    trunk = keras.Sequential([layers.DenseFlipout(8, kl_weight=0.1), keras.layers.Dropout(0.5)])
    decoder = keras.Sequential([layers.DenseReparameterization(8, kl_weight=0.1)])
    vae = tfvae.VAE(
        tfvae.networks.Encoder(trunk, layers.IndependentNormal(2)),
        tfvae.networks.Decoder(decoder, layers.IndependentBernoulli(4)),
        seed=seed,
    )
    vae(X)
    return vae


def test_every_call_with_a_seed_gives_the_same_again():
    vae = noisy_vae()
    calls = {
        "elbo": lambda seed: vae.elbo(X, seed=seed),
        "elbo of many": lambda seed: vae.elbo(X, samples=4, chunk=1, seed=seed),
        "log_prob": lambda seed: vae.log_prob(X, samples=3, seed=seed),
        "reconstruct": lambda seed: vae.reconstruct(X, seed=seed),
        "sample": lambda seed: vae.sample(5, seed=seed, mean=True),
        "training": lambda seed: vae(X, training=True, seed=seed).likelihood.mean(),
    }
    for name, call in calls.items():
        first = call(1)
        np.testing.assert_array_equal(first, call(1), err_msg=name)
        assert np.any(first != call(2)), name
    assert np.any(vae.elbo(X) != vae.elbo(X))  # fresh without a seed


def trained(epochs, start=None):
    keras.utils.set_random_seed(3)
    vae = noisy_vae(seed=7)
    vae.compile(keras.optimizers.Adam(0.1))
    tf.random.set_seed(start or 11)
    for part in vae.variables:
        if "seed_generator_state" in part.path:
            part.assign([start or 11, 0])
    vae.fit(tf.data.Dataset.from_tensor_slices(X).batch(3), epochs=epochs, verbose=0)
    return [w.numpy() for w in vae.trainable_weights]


def test_training_is_a_function_of_the_models_seed_and_no_other():
    for a, b in zip(trained(2), trained(2, start=12), strict=True):
        np.testing.assert_array_equal(a, b)
