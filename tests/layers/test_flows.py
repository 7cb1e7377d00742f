"""Flow posteriors: their determinants, their inverses, and that their densities are densities."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import (
    AffineCouplingFlow,
    PlanarFlow,
    RadialFlow,
    SplineCouplingFlow,
    SylvesterFlow,
    concrete,
)
from tfvae.layers.rational_quadratic import RationalQuadratic

COUPLINGS = {
    "steps": 3,
    "hidden": [6],
    "context_size": 2,
    "kernel_initializer": keras.initializers.RandomNormal(stddev=0.5, seed=1),
}
FLOWS = {
    "planar": (PlanarFlow, {"steps": 3}),
    "radial": (RadialFlow, {"steps": 3}),
    "orthogonal": (SylvesterFlow, {"steps": 2, "directions": 1}),
    "householder": (SylvesterFlow, {"steps": 2, "rotation": "householder", "reflections": 3}),
    "triangular": (SylvesterFlow, {"steps": 2, "rotation": "triangular"}),
    "affine": (AffineCouplingFlow, COUPLINGS),
    "spline": (SplineCouplingFlow, {"bins": 4, **COUPLINGS}),
}
AMORTIZED = ("planar", "radial", "orthogonal", "householder", "triangular")
every_flow = pytest.mark.parametrize("name", FLOWS)


def flow(name, size=3, batch=4, *, width=1.0, dtype="float64"):
    """A layer and parameters for it, with which it is far from the identity."""
    cls, options = FLOWS[name]
    layer = cls(size, dtype=dtype, **options)
    params = np.random.default_rng(0).normal(size=(batch, layer.params_size))
    params[:, 2 * size :] *= width
    layer.build(params.shape)
    return layer, tf.constant(params.astype(dtype))


def foreign(z):
    """The same values, that no distribution knows."""
    return tf.constant(np.array(z))


@every_flow
@pytest.mark.parametrize("size", [1, 4])
def test_density_is_that_of_the_numerical_jacobian(name, size):
    layer, params = flow(name, size, batch=1)
    bijector = concrete(layer(params)).bijector
    x, h = np.random.default_rng(1).normal(size=size), 1e-6
    ends = bijector.forward(
        tf.constant(np.concatenate([x + h * np.eye(size), x - h * np.eye(size)]))
    )
    jacobian = np.subtract(*np.split(ends.numpy(), 2)) / (2 * h)
    sign, log_det = np.linalg.slogdet(jacobian)
    assert abs(sign) == 1
    assert np.abs(jacobian - np.eye(size)).max() > 1e-2
    log_prob = concrete(layer(params)).log_prob(bijector.forward(tf.constant(x[None])))
    base = concrete(layer(params)).distribution.distribution
    expected = scipy.stats.norm.logpdf(x, base.loc, base.scale).sum() - log_det
    np.testing.assert_allclose(log_prob, [expected], rtol=1e-6, atol=1e-6)


@every_flow
@pytest.mark.parametrize("width", [0.3, 1.0])
def test_inverse_of_forward(name, width):
    layer, params = flow(name, width=width)
    bijector = concrete(layer(params)).bijector
    x = np.random.default_rng(1).normal(size=(2, 4, 3))
    z = bijector.forward(tf.constant(x))
    np.testing.assert_allclose(bijector.inverse(foreign(z)), x, rtol=1e-8, atol=1e-8)


@every_flow
def test_the_density_is_one_over_the_plane(name):
    layer, params = flow(name, 2, batch=1, width=0.5, dtype="float32")
    params = tf.concat([params[:, :2], [[2.0, 2.0]], params[:, 4:]], axis=-1)
    axis = np.linspace(-12.5, 12.5, 251, dtype=np.float32)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.float64(concrete(layer(params)).prob(z))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=5e-3)


@every_flow
def test_gradients_of_a_remembered_and_of_an_inverted_draw_agree(name):
    layer, params = flow(name)

    def gradients(remembered):
        with tf.GradientTape() as tape:
            tape.watch(params)
            q = concrete(layer(params))
            z = q.sample(3, seed=(0, 1))
            value = tf.reduce_sum(q.log_prob(z if remembered else tf.identity(z)) + z[..., 0])
        return [value, *tape.gradient(value, [params, *layer.trainable_weights])]

    for one, other in zip(gradients(True), gradients(False), strict=True):
        assert np.abs(one).max() > 1e-3
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-8)


@every_flow
def test_any_value_meets_every_example(name):
    """As the mixture of posteriors that a VampPrior is asks for it."""
    layer, params = flow(name)
    z = np.random.default_rng(2).normal(size=(5, 1, 3))
    together = concrete(layer(params)).log_prob(foreign(z))
    assert together.shape == (5, 4)
    for k in range(4):
        alone = concrete(layer(params[k : k + 1])).log_prob(foreign(z[:, 0]))
        np.testing.assert_allclose(together[:, k], alone, rtol=1e-9)


@pytest.mark.parametrize("name", AMORTIZED)
def test_parameters_of_zero_are_close_to_the_normal(name):
    layer, params = flow(name, 2, width=0.0)
    q = concrete(layer(params))
    normal = q.distribution
    z = normal.sample(seed=(0, 1))
    np.testing.assert_allclose(q.log_prob(foreign(z)), normal.log_prob(z), atol=1e-12)


@every_flow
def test_steep_steps_are_finite_and_invertible_in_float32(name):
    layer, params = flow(name, width=30.0, dtype="float32")
    params = tf.where(tf.range(params.shape[-1]) < 6, 0.0, params)

    with tf.GradientTape() as tape:
        tape.watch(params)
        q = concrete(layer(params))
        z = q.sample(50, seed=(0, 1))
        log_prob = q.log_prob(z)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, params)).all()
    assert np.isfinite(concrete(layer(params)).log_prob(foreign(z))).all()


def test_the_spline_is_that_of_tfp():
    rng = np.random.default_rng(0)
    widths, heights = 8 * rng.dirichlet(np.ones(5), size=(2, 30))
    slopes = rng.gamma(1.0, size=(30, 4)) + 0.01
    x = np.linspace(-6, 6, 30)
    mine = RationalQuadratic(*map(tf.constant, (widths, heights, slopes)), 4.0)
    theirs = tfp.bijectors.RationalQuadraticSpline(widths, heights, slopes, range_min=-4.0)
    y, log_slope = mine.forward(tf.constant(x))
    np.testing.assert_allclose(y, theirs.forward(x), rtol=1e-9)
    np.testing.assert_allclose(log_slope, theirs.forward_log_det_jacobian(x), atol=1e-9)
    np.testing.assert_allclose(mine.inverse(y), x, rtol=1e-8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PlanarFlow((2, 2)), "event_size takes"),
        (lambda: RadialFlow(2, steps=0), "steps takes"),
        (lambda: SylvesterFlow(2, rotation="housholder"), "did you mean 'householder'"),
        (lambda: SylvesterFlow(2, directions=3), "directions takes an integer up to event_size=2"),
        (lambda: SylvesterFlow(2, rotation="triangular", directions=2), "leave it out"),
        (lambda: AffineCouplingFlow(2, max_log_scale=0.0), "max_log_scale takes"),
        (lambda: SplineCouplingFlow(2, bins=1), "bins takes"),
        (lambda: SplineCouplingFlow(2, bound=-1.0), "bound takes"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(UserError, match=words):
        make()
