"""All noise inside networks is a function of the caller's seed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import replica_seed
from tfvae.layers import (
    Convolution1DFlipout,
    DenseFlipout,
    DenseLocalReparameterization,
    DenseReparameterization,
    DenseVariational,
    DistributionLambda,
    IndependentNormal,
    KLDivergenceAddLoss,
    mean_field_posterior,
    noise,
    noise_seed,
)

tfd = tfp.distributions
X = tf.random.stateless_normal([4, 3], (3, 4))


def nonlinear_posterior(kernel_size, bias_size=0, dtype=None):
    # Not a Keras layer: DenseVariational draws from it by itself.
    layer = mean_field_posterior(kernel_size, bias_size, dtype)
    layer.build()
    return lambda _: layer.distribution()


LAYERS = {
    "DenseReparameterization": lambda: DenseReparameterization(3),
    "DenseLocalReparameterization": lambda: DenseLocalReparameterization(3),
    "DenseFlipout": lambda: DenseFlipout(3),
    "DenseVariational": lambda: DenseVariational(3),
    "DenseVariational of a function": lambda: DenseVariational(3, nonlinear_posterior),
    "Convolution1DFlipout": lambda: keras.Sequential(
        [keras.layers.Reshape([3, 1]), Convolution1DFlipout(2, 2)]
    ),
    "a sample between layers": lambda: keras.Sequential(
        [keras.layers.Dense(4), IndependentNormal(2), keras.layers.Dense(3)]
    ),
    "a function's distribution": lambda: DistributionLambda(lambda x: tfd.Normal(x, 1.0)),
    "a Monte Carlo KL": lambda: keras.Sequential(
        [
            keras.layers.Dense(4),
            IndependentNormal(2, "mean"),
            KLDivergenceAddLoss(tfd.MultivariateNormalDiag(tf.zeros(2)), test_points=3),
        ]
    ),
}


@pytest.fixture(params=list(LAYERS))
def layer(request):
    made = LAYERS[request.param]()
    made(X)
    return made


def numbers(layer):
    """The output and the losses, in one vector."""
    output = tf.convert_to_tensor(layer(X))
    return tf.concat([tf.reshape(part, [-1]) for part in [output, *layer.losses]], axis=0)


def under(layer, seed):
    with noise(seed):
        return numbers(layer)


def test_noise_is_a_function_of_the_seed_in_eager_and_graph(layer):
    first = under(layer, 1)
    np.testing.assert_array_equal(first, under(layer, 1))
    assert np.any(first != under(layer, 2))
    assert np.any(numbers(layer) != numbers(layer))  # fresh without a block
    compiled = tf.function(lambda seed: under(layer, seed))
    np.testing.assert_allclose(compiled(tf.constant([0, 1])), first, rtol=1e-5, atol=1e-5)
    assert np.any(compiled(tf.constant([0, 2])) != first)


def test_noise_under_xla_is_a_function_of_the_seed_as_well():
    # Not the same numbers: XLA has another generator.
    layer = DenseFlipout(3)
    layer(X)
    compiled = tf.function(lambda seed: under(layer, seed), jit_compile=True)
    first = compiled(tf.constant([0, 1]))
    np.testing.assert_array_equal(first, compiled(tf.constant([0, 1])))
    assert np.any(first != compiled(tf.constant([0, 2])))


def test_layers_and_calls_have_noise_of_their_own():
    layer = DenseReparameterization(3)
    with noise(1):
        first, second = layer(X), layer(X)
    assert np.all(first != second)
    with noise(1):
        other = DenseReparameterization(3, seed=5)
        other.build(X.shape)
        other.set_weights(layer.get_weights())
    with noise(1):
        assert np.all(other(X) != first)


def test_seed_of_none_leaves_the_block_around_it():
    layer = DenseReparameterization(3)
    layer(X)
    with noise(1), noise(None):
        inner = layer(X)
    with noise(1):
        np.testing.assert_array_equal(inner, layer(X))
    assert noise_seed() is None


def test_a_block_inside_a_block_counts_for_itself():
    with noise(1):
        noise_seed()
        with noise(2):
            inner = noise_seed()
        outer = noise_seed()
    with noise(2):
        np.testing.assert_array_equal(inner, noise_seed())
    with noise(1):
        noise_seed()
        np.testing.assert_array_equal(outer, noise_seed())


def test_noise_is_the_seeds_in_loops_and_branches_of_a_graph():
    @tf.function
    def run(seed):
        with noise(seed):
            in_loop = tf.map_fn(lambda _: noise_seed(), tf.zeros([2]), tf.int32)
            in_branch = tf.cond(seed[1] > 0, noise_seed, lambda: tf.zeros([2], tf.int32))
            return in_loop, in_branch

    first, again, other = (
        run(tf.constant([0, 1])),
        run(tf.constant([0, 1])),
        run(tf.constant([0, 2])),
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.any(a != c)


def test_a_function_that_was_traced_before_keeps_no_seed():
    layer = DenseReparameterization(3)
    layer(X)
    compiled = tf.function(lambda: layer(X))
    with noise(1):
        first, second = compiled(), compiled()
    assert np.all(first != second)
    run = tf.function(lambda seed: under_function(compiled, seed))
    run(tf.constant([0, 1]))
    assert np.all(compiled() != first)  # it holds no tensor of another graph


def under_function(function, seed):
    with noise(seed):
        return function()


def test_dropout_of_keras_follows_the_seed_where_its_network_is_named():
    network = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.GaussianNoise(1.0)])
    network(X)

    def call(seed):
        with noise(seed, network):
            return network(X, training=True)

    first = call(1)
    np.testing.assert_array_equal(first, call(1))
    assert np.any(first != call(2))
    compiled = tf.function(call)
    np.testing.assert_allclose(compiled(tf.constant([0, 1])), first, rtol=1e-5, atol=1e-6)
    compiled = tf.function(call, jit_compile=True)
    first = compiled(tf.constant([0, 1]))
    np.testing.assert_array_equal(first, compiled(tf.constant([0, 1])))


def test_replicas_have_noise_of_their_own():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = DenseReparameterization(3)
        dropout = keras.layers.Dropout(0.5)
        layer(X), dropout(X)

    def step():
        with noise(replica_seed(1, tf.constant(7)), dropout):
            return layer(X), dropout(tf.ones([64]), training=True)

    run = tf.function(lambda: strategy.run(step))
    for first, again in zip(run(), run(), strict=True):
        first, again = (strategy.experimental_local_results(v) for v in (first, again))
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
        assert np.any(first[0] != first[1])
