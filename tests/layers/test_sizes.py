"""Sizes and shapes in all the forms that tfp takes."""

import numpy as np
import pytest
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers import (
    AutoregressiveNetwork,
    CategoricalMixtureOfOneHotCategorical,
    Convolution2DFlipout,
    DenseFlipout,
    IndependentNormal,
    MixtureNormal,
    MixtureSameFamily,
    MultivariateNormalTriL,
    VariableLayer,
)
from tfvae.layers.sizes import count_of, event_shape_of

THREE = [3, (3,), [3], np.int64(3), np.array(3), np.array([3]), tf.constant(3), tf.constant([3])]
THREE += [tf.TensorShape([3]), [tf.constant(3)], range(3, 4)]


@pytest.mark.parametrize("three", THREE, ids=lambda v: type(v).__name__)
def test_an_event_shape_comes_in_every_form(three):
    assert event_shape_of(three) == (3,)
    assert all(type(n) is int for n in event_shape_of(three))
    assert IndependentNormal(three).event_shape == (3,)
    assert IndependentNormal.params_size(three) == 6


@pytest.mark.parametrize("none", [(), [], np.array([], "int32"), tf.constant([], tf.int32)])
def test_a_scalar_event_comes_in_every_form(none):
    assert event_shape_of(none) == ()


def test_constants_have_a_size_in_a_graph():
    made = []
    tf.function(lambda: made.append(event_shape_of(tf.constant([2, 3]))))()
    assert made == [(2, 3)]


def test_a_size_that_a_graph_computes_names_the_remedy():
    with pytest.raises(UserError, match="compute it with NumPy"):
        tf.function(lambda: event_shape_of(tf.constant([2, 3]) + 1), autograph=False)()


@pytest.mark.parametrize(
    "wrong",
    [-1, 0, 2.0, "3", True, None, (2, 0), [[1, 2]], np.eye(2), tf.TensorShape(None), object()],
)
def test_what_is_no_shape_is_refused(wrong):
    with pytest.raises(UserError, match="event_shape takes positive integers"):
        event_shape_of(wrong)


@pytest.mark.parametrize("wrong", [0, 2.5, "3", None, [3], tf.constant([3, 3])])
def test_what_is_no_size_is_refused(wrong):
    with pytest.raises(UserError, match="units takes an integer above 0"):
        count_of("units", wrong)


@pytest.mark.parametrize("size", [np.array(2), tf.constant(2)])
def test_layers_take_sizes_as_tensors(size):
    assert MixtureNormal.params_size(size, [1]) == 6
    assert MixtureSameFamily.params_size(size, component_params_size=size) == 6
    assert MixtureSameFamily.params_size(component_params_size=size, num_components=size) == 6
    one_hot = CategoricalMixtureOfOneHotCategorical
    assert one_hot.params_size(event_size=4, num_components=size) == one_hot.params_size(4, 2) == 10
    assert MixtureNormal(size, size)(tf.zeros([5, 10])).event_shape == (2,)
    assert MultivariateNormalTriL(size)(tf.zeros([5, 5])).event_shape == (2,)
    assert VariableLayer(size)(0.0).shape == (2,)
    assert DenseFlipout(size)(tf.zeros([5, 3])).shape == (5, 2)
    assert AutoregressiveNetwork(size, 3, hidden_units=np.array([4, 5])).hidden_units == [4, 5]
    assert Convolution2DFlipout(size, size)(tf.zeros([5, 3, 3, 1])).shape == (5, 2, 2, 2)
