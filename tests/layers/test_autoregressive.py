"""MADE and the masked autoregressive flow: order, densities, saving."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import layers
from tfvae.errors import UserError
from tfvae.losses import NegativeLogLikelihood

tfd = tfp.distributions
ORDERS = ["left-to-right", "right-to-left", "random", [2, 4, 1, 3]]


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(5)


def network(params=2, **kwargs):
    options = {"hidden_units": [24, 24], "activation": "tanh", "seed": 3} | kwargs
    return layers.AutoregressiveNetwork(params, 4, **options)


def places(made):
    """The place of each input in the order, 1 first."""
    orders = {"left-to-right": [1, 2, 3, 4], "right-to-left": [4, 3, 2, 1]}
    if isinstance(made.input_order, list):
        return np.array(made.input_order)
    if made.input_order in orders:
        return np.array(orders[made.input_order])
    return np.random.default_rng(made.seed).permutation(4) + 1


def jacobian(function, x):
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.jacobian(y, x).numpy()


@pytest.mark.parametrize("input_order", ORDERS)
@pytest.mark.parametrize("hidden_degrees", ["equal", "random"])
def test_jacobian_is_strictly_triangular_in_the_order(input_order, hidden_degrees):
    made = network(3, input_order=input_order, hidden_degrees=hidden_degrees)
    x = np.random.default_rng(0).normal(size=4).astype("float32")
    sees = np.abs(jacobian(made, x)).max(axis=1) > 0  # [output, input]
    place = places(made)
    np.testing.assert_array_equal(sees, place[None, :] < place[:, None])


def test_masks_are_those_of_tfp():
    for order in ("left-to-right", "right-to-left", [2, 4, 1, 3]):
        reference = tfp.bijectors.AutoregressiveNetwork(
            params=2, event_shape=4, hidden_units=[7, 3], input_order=order
        )
        reference.build([None, 4])
        made = network(hidden_units=[7, 3], input_order=order)
        made.build((None, 4))
        for ours, theirs in zip(made._masks, reference._masks, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_random_order_survives_saving():
    made = network(input_order="random", hidden_degrees="random", seed=None)
    x = np.random.default_rng(0).normal(size=[5, 4]).astype("float32")
    expected = made(x)
    again = layers.AutoregressiveNetwork.from_config(made.get_config())
    again.build((None, 4))
    again.set_weights(made.get_weights())
    np.testing.assert_allclose(again(x), expected, rtol=1e-6)
    assert network(seed=None).seed != network(seed=None).seed


@pytest.mark.parametrize("where", ["all_layers", "first_layer"])
def test_conditional_input_reaches_the_outputs_and_broadcasts(where):
    made = network(
        conditional=True, conditional_event_shape=2, conditional_input_layers=where, seed=3
    )
    x, context = tf.ones([7, 5, 4]), tf.random.normal([5, 2])
    outputs = made(x, conditional_input=context)
    assert outputs.shape == [7, 5, 4, 2]
    by_context = np.abs(jacobian(lambda c: made(x[0, 0], c), context[0])).max(axis=(1, 2))
    # The first output of the order has no hidden units: it sees the context at the last layer.
    np.testing.assert_array_equal(by_context > 0, [where == "all_layers", True, True, True])
    assert np.abs(jacobian(lambda x: made(x, context[0]), x[0, 0])).max(axis=1)[0].max() == 0


def test_network_in_a_functional_model_with_two_inputs(tmp_path):
    x, context = keras.Input((4,)), keras.Input((2,))
    made = network(conditional=True, conditional_event_shape=2)
    model = keras.Model([x, context], made(x, conditional_input=context))
    assert model.output_shape == (None, 4, 2)
    data = [np.ones([3, 4], "float32"), np.ones([3, 2], "float32")]
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(data, verbose=0), model.predict(data, verbose=0))


@pytest.mark.parametrize("input_order", ORDERS)
def test_log_prob_of_the_flow_is_that_of_the_numerical_jacobian(input_order):
    flow = layers.AutoregressiveTransform(network(input_order=input_order))
    base = tfd.MultivariateNormalDiag(tf.zeros([1, 4]), tf.ones([4]))
    p = flow(base)
    rng = np.random.default_rng(1)
    u = rng.normal(size=[1, 4]).astype("float32")
    x = flow(u).numpy()  # a tensor goes forward
    np.testing.assert_allclose(p.bijector.inverse(x), u, atol=1e-5)

    def forward(u):
        return flow(u[None].astype("float32")).numpy()[0].astype(np.float64)

    step = 1e-2
    columns = [
        (forward(u[0] + step * e) - forward(u[0] - step * e)) / (2 * step) for e in np.eye(4)
    ]
    _, log_det = np.linalg.slogdet(np.stack(columns, axis=1))
    expected = scipy.stats.norm.logpdf(u).sum() - log_det
    np.testing.assert_allclose(p.log_prob(x)[0], expected, atol=2e-3)


def test_density_of_the_flow_integrates_to_one():
    flow = layers.AutoregressiveTransform(
        layers.AutoregressiveNetwork(2, 2, hidden_units=[8], activation="tanh")
    )
    grid = np.linspace(-12, 12, 481)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2).astype("float32")
    p = flow(tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)))
    mass = np.exp(p.log_prob(points).numpy()).sum() * (grid[1] - grid[0]) ** 2
    np.testing.assert_allclose(mass, 1, atol=1e-3)


def test_flow_learns_a_curved_density():
    rng = np.random.default_rng(0)
    x2 = 2 * rng.normal(size=2000)
    data = np.stack([rng.normal(size=2000) + x2**2 / 4, x2], axis=-1).astype("float32")
    made = layers.AutoregressiveNetwork(
        2, 2, hidden_units=[32], activation="relu", input_order="right-to-left"
    )
    base = layers.DistributionLambda(
        lambda t: tfd.MultivariateNormalDiag(tf.zeros([tf.shape(t)[0], 2]), tf.ones([2]))
    )
    model = keras.Sequential([keras.Input((1,)), base, layers.AutoregressiveTransform(made)])
    model.compile(keras.optimizers.Adam(0.02), loss=NegativeLogLikelihood())
    history = model.fit(np.zeros([2000, 1]), data, batch_size=250, epochs=15, verbose=0).history
    entropy = 2 * 0.5 * np.log(2 * np.pi * np.e) + np.log(2)
    # 2000 examples: the mean of -log p has a standard error of 0.022.
    assert entropy - 0.1 < history["loss"][-1] < entropy + 0.15


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: layers.AutoregressiveNetwork(2, (2, 3)), "event_shape takes one number"),
        (lambda: network(input_order=[1, 2, 2, 4])(tf.ones([1, 4])), "permutation"),
        (lambda: network(input_order="left-to-rigth")(tf.ones([1, 4])), "did you mean"),
        (lambda: network(conditional=True), "go together"),
        (lambda: network()(tf.ones([1, 5])), "takes 4 inputs, got 5"),
        (lambda: network()(tf.ones([1, 4]), tf.ones([1, 2])), "has to be left out"),
        (lambda: layers.AutoregressiveTransform(network(3)), "2 parameters for each input"),
    ],
)
def test_mistakes_are_named(build, match):
    with pytest.raises(UserError, match=match):
        build()
