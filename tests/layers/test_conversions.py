"""Which tensor stands for a distribution: names, methods and properties of tfd, functions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import IndependentBernoulli, IndependentNormal, OneHotCategorical

tfd = tfp.distributions


@pytest.mark.parametrize(
    ("make", "convert"),
    [
        (IndependentBernoulli, tfd.Bernoulli.logits),
        (IndependentBernoulli, tfd.Bernoulli.logits_parameter),
        (OneHotCategorical, tfd.OneHotCategorical.logits),
    ],
)
def test_a_property_or_method_of_a_class_converts_and_is_saved_by_its_name(make, convert, tmp_path):
    # A line of tfp's own tutorial on probabilistic layers.
    layer = make(3, convert)
    logits = tf.random.stateless_normal([5, 3], (1, 2))
    np.testing.assert_array_equal(layer(logits), logits)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(logits, verbose=0), logits)


@pytest.mark.parametrize("convert", [tfd.Bernoulli.probs, "probs"])
def test_a_parameter_that_was_not_given_is_computed(convert):
    logits = tf.constant([[-1.0, 0.0, 2.0]])
    probs = 1 / (1 + np.exp(-logits.numpy()))
    np.testing.assert_allclose(IndependentBernoulli(3, convert)(logits), probs, rtol=1e-6)


def test_what_the_distribution_has_not_is_refused():
    with pytest.raises(UserError, match="'logits', but"):
        tf.convert_to_tensor(IndependentNormal(3, tfd.Bernoulli.logits)(tf.zeros([5, 6])))


def test_a_callable_object_without_a_hash_converts():
    class Draws:
        __hash__ = None

        def __call__(self, distribution):
            return distribution.sample(2)

    assert IndependentNormal(3, Draws())(tf.zeros([5, 6])).shape == (2, 5, 3)
