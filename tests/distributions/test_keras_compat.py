"""What is taken of Keras beyond its public API does what it is there for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.distributions.keras_compat import layer_method_replaced, replace_layer, seed_states
from tfvae.errors import UserError
from tfvae.layers import IndependentNormal


def test_an_error_inside_a_layer_keeps_its_one_line():
    with pytest.raises(UserError) as error:
        IndependentNormal(3)(tf.zeros([5, 5]))
    assert "\n" not in str(error.value)


def test_a_mask_passes_through_a_probability_layer():
    class Seen(keras.layers.Layer):
        supports_masking = True

        def call(self, x, mask=None):
            self.mask = mask
            return x

    seen, head = Seen(), IndependentNormal(1, "mean")
    head.supports_masking = True
    seen(head(keras.layers.Masking()(tf.constant([[[1.0, 1.0], [0.0, 0.0]]]))))
    np.testing.assert_array_equal(seen.mask, [[True, False]])


def test_a_method_of_all_layers_is_replaced_for_a_while():
    shapes, before = [], keras.layers.Layer.add_weight

    def make(old):
        def noted(layer, shape=None, *args, **kwargs):
            shapes.append(shape)
            return old(layer, shape, *args, **kwargs)

        return noted

    with layer_method_replaced("add_weight", make):
        keras.layers.Dense(2, use_bias=False).build([None, 3])
    assert shapes == [(3, 2)]
    assert keras.layers.Layer.add_weight is before


def test_seed_states_of_nested_layers_are_found():
    model = keras.Sequential(
        [keras.layers.Dropout(0.5), keras.Sequential([keras.layers.Dropout(0.1)])]
    )
    model(tf.ones([1, 2]))
    assert len(seed_states(model)) == 2
    assert seed_states(keras.layers.Dense(2)) == []


def test_a_layer_takes_the_place_of_another_in_a_built_one():
    class Holder(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.part = keras.layers.Dense(1)

        def build(self, shape):
            self.part.build(shape)

    holder, new = Holder(), keras.layers.Dense(3, trainable=False)
    holder.build((None, 2))
    new.build((None, 2))
    replace_layer(holder, "part", new)
    assert holder.part is new
    assert {id(w) for w in holder.weights} == {id(w) for w in new.weights}
    with pytest.raises(ValueError, match="already built"):
        holder.another = keras.layers.Dense(1)
