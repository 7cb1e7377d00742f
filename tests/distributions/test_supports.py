import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.elbo import EvidenceLowerBound
from tfvae.distributions.supports import check_batch, check_data, check_shape, support_of

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
    distortion, rate = tf.constant(10.0), tf.constant(2.0)
    bound = EvidenceLowerBound(-distortion - rate, distortion, rate, (rate,))
    for case in ("IndependentBernoulli", "IndependentNormal", "DiscretizedLogistic"):
        output = tfvae.VAEOutput((), SUPPORTS[case][0]())
        terms[case] = tfvae.objectives.Objective.elbo_terms(tf.zeros([4, 3, 2]), output, bound)
    assert "bits_per_dim" not in terms["IndependentNormal"]
    assert float(terms["IndependentBernoulli"]["bits_per_dim"]) == pytest.approx(2 / np.log(2))
    assert "bits_per_dim" in terms["DiscretizedLogistic"]


def one_hot(*axes):
    return tfd.OneHotCategorical(tf.zeros([4, *axes]))


@pytest.mark.parametrize(
    ("likelihood", "event", "symbols"),
    [
        (one_hot(5), (5,), 1),
        (tfd.Independent(one_hot(7, 5), 1), (7, 5), 7),
        (tfd.Independent(one_hot(3, 2, 5), 2), (3, 2, 5), 6),
        (Unfolded(tfd.Independent(one_hot(7, 5), 1), tf.constant([2, 2])), (7, 5), 7),
        (tfd.MixtureSameFamily(tfd.Categorical([0.0, 0.0]), one_hot(2, 5)), (5,), 1),
        (of_layer(layers.IndependentCategorical((7,), levels=5)), (7,), 7),
        (bernoulli(), (3, 2), 6),
        (tfd.Independent(tfd.Poisson(tf.ones([4, 3])), 1), (3,), 3),
        (tfd.Independent(tfd.Normal(tf.zeros([4, 3]), 1.0), 1), (3,), None),
        (tfd.RelaxedOneHotCategorical(0.5, tf.zeros([4, 5])), (5,), None),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_one_hot_vector_is_one_symbol(likelihood, event, symbols):
    assert support_of(likelihood).symbols(event) == symbols


@pytest.mark.parametrize("classes", [2, 4, 256])
def test_uniform_symbols_take_the_logarithm_of_their_number_in_bits(classes):
    """K equally likely symbols have log2 K bits each, in whatever form they are written."""
    x = tf.constant([[0, 1, 1]] * 4)
    written = {
        "one-hot": (tfd.Independent(one_hot(3, classes), 1), tf.one_hot(x, classes)),
        "integers": (of_layer(layers.IndependentCategorical((3,), levels=classes)), x),
    }
    z = tf.zeros([4, 2])
    q = tfd.Independent(tfd.Normal(z, 1.0), 1)
    for name, (likelihood, x) in written.items():
        output = tfvae.VAEOutput((tfvae.Latent(z, q, q),), likelihood)
        bits = tfvae.objectives.ELBO()(x, output).terms["bits_per_dim"]
        np.testing.assert_allclose(bits, [np.log2(classes)] * 4, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (tfd.Bernoulli(0.0), [0, 1], [-1, 0.5, 2, 1e-3]),
        (tfd.ContinuousBernoulli(0.0), [0, 1e-6, 1], [-1e-6, 1.5]),
        (tfd.Poisson(1.0), [0, 1, 1e6], [-1, 0.5]),
        (layers.DiscretizedLogistic.new(tf.zeros([2]), ()), [0, 128, 255], [-1, 0.5, 256]),
        (tfd.Normal(0.0, 1.0), [-1e9, 0, 1e9], []),
    ],
)
def test_which_examples_lie_outside(distribution, inside, outside):
    values = np.float32([*inside, *outside, np.nan, np.inf, -np.inf])
    x = np.full([len(values), 2, 3], inside[0], np.float32)
    x[:, 1, 2] = values
    expected = np.arange(len(values)) >= len(inside)
    for function in (
        support_of(distribution).outside,
        tf.function(jit_compile=True)(support_of(distribution).outside),
    ):
        np.testing.assert_array_equal(function(tf.constant(x)), expected)


def test_one_hot_vectors_hold_one_one():
    support = support_of(of_layer(layers.OneHotCategorical((2, 3))))
    x = tf.constant([[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [1, 0, 0]], [[0, 1, 1], [1, 0, 0.0]]])
    assert support.outside(x).numpy().tolist() == [False, True, True]
    with pytest.raises(tfvae.UserError, match="takes one-hot vectors along the last axis, but"):
        check_data(x, of_layer(layers.OneHotCategorical((2, 3))))


def test_levels_and_counts_are_scaled():
    def scaled(distribution, *x):
        return support_of(distribution).scaled(tf.constant(x, tf.float32)).numpy().tolist()

    levels = layers.IndependentCategorical.new(tf.zeros([5]), (), levels=5)
    assert scaled(levels, 0, 1, 4) == [-1.0, -0.5, 1.0]
    assert scaled(tfd.Poisson(1.0), 0, 3) == pytest.approx([0, np.log(4)])
    for same in (tfd.Bernoulli(0.0), tfd.ContinuousBernoulli(0.0), tfd.Normal(0.0, 1.0)):
        assert scaled(same, 0, 0.5, 1) == [0, 0.5, 1]


def test_a_batch_that_is_not_that_of_the_examples_is_refused():
    check_batch("decoder", tfd.Normal(tf.zeros([5]), 1.0), 5)
    check_batch("decoder", tfd.Normal(tf.zeros([5]), 1.0), None)
    check_batch("decoder", tfd.Normal(0.0, 1.0), 5)
    for batch in ([5, 1], [1], [1, 5]):
        with pytest.raises(tfvae.UserError, match="the decoder returned a distribution of batch"):
            check_batch("decoder", tfd.Normal(tf.zeros(batch), 1.0), 5)
