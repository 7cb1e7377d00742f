import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.supports import check_data, check_shape, support_of

tfd = tfp.distributions
layers = tfvae.layers


def of_layer(layer):
    return layer(tf.zeros([4, layer.params_size]))


def bernoulli(event=(3, 2)):
    return tfd.Independent(tfd.Bernoulli(logits=tf.zeros([4, *event])), len(event))


SUPPORTS = {
    "IndependentBernoulli": (lambda: of_layer(layers.IndependentBernoulli((3, 2))), (0, 1, True)),
    "IndependentContinuousBernoulli": (
        lambda: of_layer(layers.IndependentContinuousBernoulli((3, 2))),
        (0, 1, False),
    ),
    "IndependentNormal": (
        lambda: of_layer(layers.IndependentNormal((3, 2))),
        (-np.inf, np.inf, False),
    ),
    "DiscretizedLogistic": (lambda: of_layer(layers.DiscretizedLogistic((3, 2))), (0, 255, True)),
    "16 levels": (
        lambda: of_layer(layers.IndependentCategorical((3, 2), levels=16)),
        (0, 15, True),
    ),
    "counts": (lambda: tfd.Independent(tfd.Poisson(tf.ones([4, 3])), 1), (0, np.inf, True)),
    "sample": (lambda: tfd.Sample(tfd.Bernoulli(0.0), [3]), (0, 1, True)),
    "unfolded": (lambda: Unfolded(bernoulli(), tf.constant([2, 2])), (0, 1, True)),
    "a mixture": (
        lambda: tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.5, 0.5]),
            tfd.Independent(tfd.Bernoulli(tf.zeros([4, 2, 3])), 1),
        ),
        (0, 1, True),
    ),
}


@pytest.mark.parametrize("case", SUPPORTS)
def test_supports(case):
    make, (low, high, integer) = SUPPORTS[case]
    support = support_of(make())
    assert (support.low, support.high, support.integer) == (low, high, integer)


def test_levels():
    levels = {case: support_of(make()).levels for case, (make, _) in SUPPORTS.items()}
    assert levels["IndependentBernoulli"] == levels["unfolded"] == 2
    assert levels["DiscretizedLogistic"] == 256
    assert levels["16 levels"] == 16
    assert levels["counts"] is None
    assert levels["IndependentNormal"] is None


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_data_in_the_support_pass(dtype):
    check_data(np.eye(3, 2).astype(dtype)[None].repeat(4, 0), bernoulli())


@pytest.mark.parametrize(
    ("case", "value", "words"),
    [
        (
            "IndependentBernoulli",
            255,
            "takes 0 and 1 alone, but the data hold 255 and span [0, 255",
        ),
        ("IndependentBernoulli", 0.5, "binarize the data"),
        ("IndependentBernoulli", -1, "hold -1"),
        ("IndependentContinuousBernoulli", 7, "scale the data to [0, 1], as x / 255"),
        ("DiscretizedLogistic", 0.5, "takes the integers 0 to 255, but the data hold 0.5"),
        ("DiscretizedLogistic", 256, "hold 256"),
        ("16 levels", 16, "the integers 0 to 15"),
        ("unfolded", 2, "0 and 1 alone"),
    ],
)
def test_data_outside_are_refused(case, value, words):
    x = np.zeros((4, 3, 2), np.float32)
    x[1, 2, 0] = value
    with pytest.raises(tfvae.UserError) as refusal:
        check_data(x, SUPPORTS[case][0]())
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", ["IndependentBernoulli", "IndependentNormal"])
def test_values_that_are_not_finite_are_counted(case, value):
    x = np.zeros((4, 3, 2), np.float32)
    x[0, 0, 0] = x[3, 1, 1] = value
    with pytest.raises(tfvae.UserError, match=r"hold 2 values that are NaN or infinite among the"):
        check_data(x, SUPPORTS[case][0]())


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((8, 8), r"shape \(8, 8\), the likelihood's is \(8, 8, 1\): add the channel axis"),
        ((64,), r"shape \(64,\).*reshape the data or change the decoder's event_shape"),
        ((8, 8, 3), r"shape \(8, 8, 3\)"),
    ],
)
def test_wrong_shapes_are_refused(shape, words):
    with pytest.raises(tfvae.UserError, match=words):
        check_shape(shape, (8, 8, 1))


def test_an_unknown_size_passes():
    check_shape((None, 8, 1), (8, 8, 1))


def test_bits_per_dim_stand_where_the_data_are_discrete():
    terms = {}
    for case in ("IndependentBernoulli", "IndependentNormal", "DiscretizedLogistic"):
        output = tfvae.VAEOutput((), SUPPORTS[case][0]())
        terms[case] = tfvae.objectives.Objective.elbo_terms(
            tf.zeros([4, 3, 2]), output, tf.constant(10.0), tf.constant(2.0)
        )
    assert "bits_per_dim" not in terms["IndependentNormal"]
    assert float(terms["IndependentBernoulli"]["bits_per_dim"]) == pytest.approx(2 / np.log(2))
    assert "bits_per_dim" in terms["DiscretizedLogistic"]
