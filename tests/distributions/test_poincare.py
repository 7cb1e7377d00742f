"""The wrapped normal on the Poincaré ball: its density by autodiff, by integral, by distances."""

import json

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import layers, networks, priors, recipes
from tfvae.distributions.poincare import WrappedNormalOnBall, from_origin, mobius_add, to_origin
from tfvae.distributions.spaces import check_same_space, space_of


def distance(x, y, c):
    """The geodesic distance by its own formula."""
    a, b = (1 - c * (v**2).sum(-1) for v in (x, y))
    return np.arccosh(1 + 2 * c * ((x - y) ** 2).sum(-1) / (a * b)) / np.sqrt(c)


def make(d, c, seed=0):
    """A distribution off the origin, of unequal scales, in float64."""
    rng = np.random.default_rng(seed)
    loc = from_origin(tf.constant(0.6 * rng.normal(size=d)), c)
    return WrappedNormalOnBall(loc, tf.constant(rng.uniform(0.4, 0.9, size=d)), c)


@pytest.mark.parametrize(("d", "c"), [(1, 1.0), (2, 0.5), (3, 2.0)])
def test_the_density_is_that_of_the_exponential_map(d, c):
    p, v = make(d, c), tf.constant(np.random.default_rng(1).normal(size=(6, d)))
    with tf.GradientTape() as tape:
        tape.watch(v)
        z = p.wrapped(v)
    log_det = np.linalg.slogdet(tape.batch_jacobian(z, v))[1]
    normal = scipy.stats.norm.logpdf(v, scale=p._scale).sum(-1)
    np.testing.assert_allclose(p.log_prob(tf.identity(z)), normal - log_det, rtol=1e-6)
    np.testing.assert_allclose(p.unwrapped(z), v, rtol=1e-6, atol=1e-9)
    lengths = np.linalg.norm(v, axis=-1)
    np.testing.assert_allclose(distance(z.numpy(), p.loc.numpy(), c), lengths, rtol=1e-6)


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_the_density_integrates_to_one(c):
    p = make(2, c)
    r = (np.arange(800) + 0.5) / 800 * p.radius
    angle = np.arange(256) * 2 * np.pi / 256
    z = np.stack([np.outer(r, np.cos(angle)), np.outer(r, np.sin(angle))], axis=-1)
    mass = (np.exp(p.log_prob(z).numpy()) * r[:, None]).sum() * p.radius / 800 * 2 * np.pi / 256
    assert mass == pytest.approx(1.0, abs=2e-3)


def test_a_flat_ball_has_the_normal_of_half_the_scale():
    """Where c is small the coordinates of the ball are half those of the tangent space."""
    p = WrappedNormalOnBall(tf.constant([0.3, -0.2]), tf.constant([0.5, 1.0]), 1e-6)
    z = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    expected = scipy.stats.norm.logpdf(z, [0.3, -0.2], [0.25, 0.5]).sum(-1)
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-3)


def test_draws_stay_inside_and_have_their_density_at_the_edge_too():
    loc = from_origin(tf.constant([[3.0, 0.0], [0.0, 0.0]]), 1.0)
    with tf.GradientTape() as tape:
        tape.watch(loc)
        p = WrappedNormalOnBall(loc, 1.5 * tf.ones_like(loc))
        z = p.sample(500, seed=(0, 1))
        log_prob = p.log_prob(z)
    assert (np.linalg.norm(z, axis=-1) < 1).all()
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, loc)).all()
    again = p.log_prob(tf.identity(z)).numpy()  # of z alone, which is rounded
    far = np.linalg.norm(z, axis=-1) > 0.995
    np.testing.assert_allclose(again[~far], log_prob.numpy()[~far], rtol=1e-2, atol=1e-2)
    assert np.isfinite(again).all()
    outside = p.log_prob(tf.constant([1.0, 0.2]))
    np.testing.assert_array_equal(outside, [-np.inf, -np.inf])


def test_maps_of_the_ball():
    rng = np.random.default_rng(2)
    x, y = (from_origin(tf.constant(rng.normal(size=(4, 3))), 0.7) for _ in range(2))
    np.testing.assert_allclose(mobius_add(-x, mobius_add(x, y, 0.7), 0.7), y, atol=1e-12)
    np.testing.assert_allclose(from_origin(to_origin(x, 0.7), 0.7), x, rtol=1e-9)
    zero = tf.Variable(tf.zeros([2, 3]))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(to_origin(from_origin(zero, 1.0), 1.0))
    np.testing.assert_allclose(tape.gradient(value, zero), 1.0, rtol=1e-5)


def test_a_ball_of_another_radius_is_another_space():
    q = layers.PoincareNormal(2, curvature=0.25)(tf.zeros([3, 4]))
    prior = priors.WrappedNormal(2, curvature=0.25)
    assert str(space_of(prior())) == "the Poincaré ball of radius 2"
    check_same_space(q, prior())
    for other in (priors.WrappedNormal(2), priors.StandardNormal(2)):
        with pytest.raises(tfvae.UserError, match=r"WrappedNormal\(curvature=0.25\)"):
            check_same_space(q, other())
    vae = recipes.vae((4,), 2, posterior="poincare_normal", hidden=(4,))
    assert (type(vae.prior), vae.prior.curvature) == (priors.WrappedNormal, 1.0)


def test_a_gyroplane_gives_distances_from_a_geodesic():
    """In two dimensions the plane is a geodesic line through p, at right angles to a."""
    c, layer = 0.8, networks.Gyroplane(1, curvature=0.8)
    z = from_origin(tf.constant(np.random.default_rng(3).normal(size=(5, 2)), tf.float32), c)
    layer.build((None, 2))
    layer.tangents.assign([[0.7, -0.4]])
    layer.directions.assign([[0.5, 1.1]])
    point = from_origin(tf.constant([0.7, -0.4], tf.float64), c)
    along = np.outer(np.linspace(-8, 8, 20_001), np.array([-1.1, 0.5]) / np.hypot(0.5, 1.1))
    line = mobius_add(point, from_origin(tf.constant(along), c), c).numpy()
    nearest = [distance(line, np.float64(one), c).min() for one in z]
    scale = 2 / (1 - c * (point.numpy() ** 2).sum()) * np.hypot(0.5, 1.1)
    value = layer(z).numpy()[:, 0]
    np.testing.assert_allclose(np.abs(value), scale * np.array(nearest), rtol=1e-3, atol=1e-4)
    assert len(np.unique(np.sign(value))) == 2


@pytest.mark.parametrize("layer", [networks.Gyroplane(4, 2, curvature=0.5), networks.TangentMap(2)])
def test_layers_of_the_decoder_come_back_and_compute_in_full_precision(layer):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    keras.config.set_dtype_policy("mixed_float16")
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    z = tf.constant([[0.999, 0.02], [0.1, 0.2]])
    full = layer(z)
    half(z)
    half.set_weights(layer.get_weights())
    assert half(z).dtype == tf.float16
    np.testing.assert_allclose(half(z), full, rtol=2e-3)


def test_what_follows_z_is_passed_on():
    x = tf.constant([[0.1, 0.2, 7.0]])
    for layer, width in [(networks.Gyroplane(4, size=2), 5), (networks.TangentMap(2), 3)]:
        assert layer(x).shape == (1, width) == layer.compute_output_shape((1, 3))
        assert float(layer(x)[0, -1]) == 7.0


@pytest.mark.parametrize("first_layer", ["tangent", "none"])
def test_the_first_layer_is_a_choice(first_layer):
    vae = recipes.poincare_vae((4,), 2, hidden=(4,), curvature=0.5, first_layer=first_layer)
    x = np.float32([[0, 1, 1, 0]])
    assert np.isfinite(vae.elbo(x, seed=0)).all()
    with pytest.raises(tfvae.UserError, match="did you mean 'tangent'"):
        recipes.poincare_vae((4,), 2, first_layer="tangens")


def test_numbers_out_of_range_are_refused():
    for make_part in (
        lambda: layers.PoincareNormal(2, curvature=0.0),
        lambda: priors.WrappedNormal(scale=-1.0),
        lambda: networks.Gyroplane(3, curvature=-1.0),
        lambda: networks.TangentMap(curvature=0.0),
    ):
        with pytest.raises(tfvae.UserError, match="above 0"):
            make_part()
