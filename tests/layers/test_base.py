"""What every probability layer shares: sizes, forms of parameters, conversions, data types."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import (
    CategoricalMixtureOfOneHotCategorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    DistributionLayer,
    IndependentBernoulli,
    IndependentCategorical,
    IndependentLogistic,
    IndependentNormal,
    IndependentPoisson,
    MixtureLogistic,
    MixtureNormal,
    MixtureSameFamily,
    MultivariateNormalTriL,
    OneHotCategorical,
)

tfd = tfp.distributions


def test_params_size_of_the_class_is_a_function_as_in_tfp_layers():
    assert IndependentNormal.params_size(3) == 6
    assert IndependentNormal.params_size([2, 3], name="size") == 12
    assert IndependentNormal.params_size(3, scale="shared") == 3
    assert MultivariateNormalTriL.params_size(3) == 3 + 6
    assert OneHotCategorical.params_size(event_size=4) == 4
    assert MixtureNormal.params_size(5, [2]) == 5 * (1 + 4)
    assert MixtureSameFamily.params_size(5, IndependentNormal(2)) == 5 * (1 + 4)
    assert MixtureSameFamily.params_size(5, component_params_size=4) == 5 * (1 + 4)


def test_params_size_of_the_class_leaves_the_names_of_layers_alone():
    keras.utils.clear_session(free_memory=False)
    IndependentNormal.params_size(3)
    assert IndependentNormal(3).name == "independent_normal"


def test_flat_parameters_hold_one_kind_after_the_other():
    params = np.arange(12, dtype="float32")[None]
    distribution = IndependentNormal.new(params, (2, 3))
    np.testing.assert_array_equal(distribution.mean()[0], np.arange(6).reshape(2, 3))


def test_parameters_in_place_hold_each_kind_for_its_position():
    params = np.arange(2 * 4 * 4 * 6, dtype="float32").reshape(2, 4, 4, 6)
    distribution = IndependentNormal((4, 4, 3))(params)
    assert distribution.batch_shape == (2,)
    np.testing.assert_array_equal(distribution.mean(), params[..., :3])


def test_parameters_in_place_keep_an_unknown_grid():
    layer = IndependentBernoulli((4, 4, 3))
    output = layer(keras.Input((None, None, 3)))
    assert output.shape == (None, 4, 4, 3)


@pytest.mark.parametrize("shape", [(1, 6), (7, 6)])
def test_a_leading_event_of_one_is_read_as_flat_where_the_input_is_flat(shape):
    layer = IndependentNormal((1, 3))
    assert layer(tf.zeros(shape)).batch_shape == shape[:1]
    # A draw of five codes for each: the layer was built flat and stays so.
    assert layer(tf.zeros([5, *shape])).batch_shape == (5, *shape[:1])


def test_a_leading_event_of_one_is_read_in_place_where_the_input_is():
    layer = IndependentNormal((1, 3))
    assert layer(tf.zeros([7, 1, 6])).batch_shape == (7,)


def test_a_wrong_number_of_parameters_is_refused_with_the_right_one():
    with pytest.raises(UserError, match="put a projection to 12 units"):
        IndependentNormal((2, 3))(tf.zeros([5, 11]))


@pytest.mark.parametrize("name", ["sample", "mean", "mode", "stddev", "variance"])
def test_methods_of_tfd_distribution_are_taken_for_their_names(name):
    layer = IndependentNormal(3, getattr(tfd.Distribution, name))
    assert layer.convert_to_tensor_fn == name
    assert layer(tf.zeros([5, 6])).shape == (5, 3)


def test_an_unknown_conversion_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'mean'"):
        IndependentNormal(3, "meam")
    with pytest.raises(UserError, match="a name or a callable"):
        IndependentNormal(3, 7)


def test_a_lambda_converts_but_is_not_saved():
    layer = IndependentNormal(3, lambda d: d.sample(10))
    assert layer(tf.zeros([5, 6])).shape == (10, 5, 3)
    with pytest.raises(UserError, match="register"):
        layer.get_config()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_float16", "float32"])
def test_probability_is_float32_under_narrow_types(dtype):
    layer = IndependentNormal(3, scale="shared", dtype=dtype)
    assert layer(tf.zeros([5, 3], tf.float16)).dtype == tf.float32
    assert [w.dtype for w in layer.weights] == ["float32"]


def test_probability_is_float64_where_it_is_asked_for():
    layer = IndependentNormal(3, dtype="float64")
    assert layer(tf.zeros([5, 6], tf.float64)).log_prob(tf.zeros([5, 3], tf.float64)).dtype == (
        tf.float64
    )


def test_an_own_layer_takes_one_method():
    class Laplace(DistributionLayer):
        params_per_element = 2

        def make_distribution(self, params):
            loc, raw = self.split(params)
            return self.independent(tfd.Laplace(loc, tf.exp(raw)))

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6), Laplace(3)])
    assert model(tf.zeros([5, 2])).event_shape == (3,)


def test_scale_is_bounded_below():
    params = tf.fill([1, 2], -1e9)
    scale = IndependentNormal.new(params, 1, min_scale=0.25).stddev()
    assert scale.numpy() == pytest.approx(0.25)
    lower = MultivariateNormalTriL.new(tf.fill([1, 5], -1e9), 2, min_scale=0.25).scale
    np.testing.assert_allclose(lower.diag_part(), 0.25)


@pytest.mark.parametrize(
    "layer", [IndependentNormal, MultivariateNormalTriL, DiscretizedLogisticMixture]
)
def test_a_floor_of_the_scale_is_above_zero(layer):
    with pytest.raises(UserError, match="min_scale takes a number above 0, got 0"):
        layer(3, min_scale=0)


@pytest.mark.parametrize(
    "layer", [IndependentCategorical, DiscretizedLogistic, DiscretizedLogisticMixture]
)
def test_levels_are_two_or_more(layer):
    with pytest.raises(UserError, match="levels takes an integer above 1, got 1"):
        layer(3, levels=1)


def test_a_fixed_scale_is_taken_as_given():
    assert IndependentNormal.new(tf.zeros([1, 1]), 1, scale=1e-4).stddev().numpy() == (
        pytest.approx(1e-4)
    )


@pytest.mark.exhaustive
def test_a_shared_scale_starts_at_one_and_learns():
    layer = IndependentNormal(2, scale="shared")
    model = keras.Sequential([keras.Input((2,)), layer])
    x = np.zeros((64, 2), "float32")
    np.testing.assert_allclose(model(x).stddev(), 1.0, rtol=1e-5)
    y = 3 * np.random.default_rng(0).normal(size=x.shape).astype("float32")
    model.compile(keras.optimizers.Adam(0.1), loss=lambda y, d: -d.log_prob(y))
    model.fit(x, y, epochs=150, batch_size=64, verbose=0)
    np.testing.assert_allclose(model(x).stddev(), np.sqrt(np.mean(y**2)), rtol=0.01)


NEW = [
    # class, arguments in tfp's order, parameters, event shape
    (IndependentNormal, ([3], False, "n"), 6, (3,)),
    (IndependentLogistic, ([3], False, "n"), 6, (3,)),
    (IndependentPoisson, ([3], False, "n"), 3, (3,)),
    (IndependentBernoulli, ([3], tf.int32, False, "n"), 3, (3,)),
    (OneHotCategorical, (3, tf.int32, False, "n"), 3, (3,)),
    (CategoricalMixtureOfOneHotCategorical, (3, 2, tf.int32, False, "n"), 8, (3,)),
    (MultivariateNormalTriL, (3, False, "n"), 9, (3,)),
    (MixtureNormal, (2, [3], False, "n"), 14, (3,)),
    (MixtureLogistic, (2, [3], False, "n"), 14, (3,)),
    (MixtureSameFamily, (2, IndependentNormal(3, dtype="float64"), False, "n"), 14, (3,)),
]


@pytest.mark.parametrize(
    ("cls", "args", "size", "event"), NEW, ids=lambda v: getattr(v, "__name__", "")
)
def test_new_takes_the_arguments_of_tfp_by_position_and_keeps_the_float_type(
    cls, args, size, event
):
    params = tf.random.stateless_normal([5, size], (1, 2), dtype=tf.float64)
    distribution = cls.new(params, *args)
    assert distribution.batch_shape == (5,)
    assert distribution.event_shape == event
    sample = distribution.sample()
    assert sample.dtype == (tf.int32 if any(a is tf.int32 for a in args) else tf.float64)
    assert distribution.log_prob(sample).dtype == tf.float64


def test_new_takes_the_arguments_of_tfp_by_name():
    params = tf.zeros([5, 3])
    distribution = IndependentBernoulli.new(params, event_shape=3, dtype=tf.int32, name="b")
    assert distribution.sample().dtype == tf.int32
    assert IndependentNormal.new([[0, 0]], 1).dtype == tf.float32
    assert IndependentNormal.new(tf.zeros([5, 6]), 3, dtype=tf.float64).dtype == tf.float64


def test_new_refuses_what_is_given_twice_or_has_weights():
    with pytest.raises(UserError, match="event_shape"):
        IndependentNormal.new(tf.zeros([5, 6]), 3, event_shape=3)
    with pytest.raises(UserError, match="make the layer and call it"):
        IndependentNormal.new(tf.zeros([5, 3]), 3, scale="shared")
