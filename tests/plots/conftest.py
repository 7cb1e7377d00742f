import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class LinearModel:
    """The contract's methods with a closed form: probabilistic PCA of the data it is given."""

    def __init__(self, x, latent_dim, offset=0.0, scales=None):
        x = np.asarray(x, np.float32)
        self.event = x.shape[1:]
        flat = x.reshape([len(x), -1])
        self.centre = flat.mean(0)
        _, lengths, axes = np.linalg.svd(flat - self.centre, full_matrices=False)
        spread = lengths[:latent_dim] / np.sqrt(len(x))
        self.loadings = (axes[:latent_dim] * spread[:, None]).astype(np.float32)
        self.inverse = np.linalg.pinv(self.loadings).astype(np.float32)
        self.scales = np.full(latent_dim, 0.1) if scales is None else np.asarray(scales)
        self.offset = offset
        self.contexts = []

    def encode(self, x, context=None):
        self.contexts.append(context)
        flat = tf.reshape(tf.cast(x, tf.float32), [len(x), -1])
        loc = (flat - self.centre) @ self.inverse
        return tfd.Independent(tfd.Normal(loc, tf.cast(self.scales, tf.float32)), 1)

    def decode(self, z, context=None):
        self.contexts.append(context)
        x = self.centre + tf.cast(z, tf.float32) @ self.loadings + self.offset
        x = tf.reshape(x, [len(z), *self.event])
        return tfd.Independent(tfd.Normal(x, 0.1), len(self.event))

    def prior(self, context=None):
        zeros = tf.zeros(len(self.loadings))
        return tfd.Independent(tfd.Normal(zeros, 1.0), 1)

    def reconstruct(self, x, context=None, *, seed=None):
        return self.decode(self.encode(x, context).mean(), context).mean()

    def sample(self, n, seed=None, mean=False, context=None):
        assert mean
        z = self.prior().sample(n, seed=(seed, 0))
        return self.decode(z, context).mean()


@pytest.fixture(scope="session")
def digits():
    bunch = sklearn.datasets.load_digits()
    return (bunch.images[..., None] / 16.0).astype(np.float32), bunch.target


@pytest.fixture(scope="session")
def linear():
    return LinearModel
