"""What a VAE takes: contexts, counts, batches of unknown size, distributions as priors."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import latents, layers, networks

tfd = tfp.distributions
X = (np.random.default_rng(0).random((6, 3, 2, 1)) < 0.4).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2])


# A context for all draws.


def test_one_label_serves_all_draws(make_vae):
    vae = make_vae(labels=3)
    wanted = vae.sample(5, seed=1, context=np.full(5, 2))
    for one in (2, np.array(2), [2], tf.constant([2])):
        np.testing.assert_array_equal(vae.sample(5, seed=1, context=one), wanted)
    assert np.abs(vae.sample(5, seed=1, context=1, mean=True) - vae.sample(
        5, seed=1, context=2, mean=True)).max() > 1e-3  # fmt: skip
    assert vae.sample(1, context=[1]).shape == (1, 3, 2, 1)


def test_one_vector_serves_all_draws():
    vae = tfvae.recipes.conditional_vae((3, 2, 1), 2, hidden=(4,), context_size=4)
    vae.build((None, 3, 2, 1), (None, 4))
    vector = np.random.default_rng(0).normal(size=4).astype(np.float32)
    wanted = vae.sample(3, seed=1, context=np.tile(vector, [3, 1]))
    for one in (vector, vector[None]):
        np.testing.assert_array_equal(vae.sample(3, seed=1, context=one), wanted)
    assert vae.sample(4, context=vector).shape[0] == 4  # four numbers, and four draws


@pytest.mark.parametrize("n", [2, 5])
def test_as_many_contexts_as_draws(make_vae, n):
    with pytest.raises(tfvae.UserError, match=f"context has 3 entries for {n} draws: give one for"):
        make_vae(labels=3).sample(n, context=[0, 1, 2])


@pytest.mark.parametrize("label", [3, 12, -1])
@pytest.mark.parametrize(
    "call",
    [
        lambda vae, y: vae.sample(1, context=y),
        lambda vae, y: vae.encode(X[:1], [y]),
        lambda vae, y: vae.decode(np.zeros((1, 2), np.float32), [y]),
        lambda vae, y: vae.elbo(X[:1], context=[y]),
        lambda vae, y: vae.log_prob(X[:1], 3, context=[y]),
        lambda vae, y: vae.fit(X, np.array([0, 1, 2, 0, 1, y]), batch_size=2, verbose=0),
    ],
)
def test_a_label_beyond_the_classes_is_refused(make_vae, label, call):
    vae = make_vae(labels=3)
    vae.compile("sgd")
    with pytest.raises(tfvae.UserError, match=r"got (the|a) label .*0 to 2"):
        call(vae, label)


# Counts.


@pytest.mark.parametrize("n", [-1, 0, 2.5, "3", None])
def test_a_count_that_is_none_is_refused(make_vae, n):
    vae = make_vae()
    for call in (lambda: vae.sample(n), lambda: vae.elbo(X, n), lambda: vae.log_prob(X, n)):
        with pytest.raises(tfvae.UserError, match="takes an integer from 1, got"):
            call()


def test_a_whole_number_of_any_type_counts(make_vae):
    vae = make_vae()
    for n in (2, 2.0, np.int64(2), np.array(2), tf.constant(2)):
        assert vae.sample(n).shape[0] == 2


@pytest.mark.parametrize("call", ["elbo", "log_prob"])
def test_labels_in_the_place_of_samples(make_vae, call):
    with pytest.raises(tfvae.UserError, match="go in as context="):
        getattr(make_vae(labels=3), call)(X, LABELS)


# Graphs.


@pytest.mark.parametrize("samples", [1, 600])
def test_estimates_in_a_graph_with_an_unknown_batch_size(make_vae, samples):
    vae = make_vae()

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 2, 1])])
    def both(x):
        return vae.elbo(x, samples, seed=1), vae.log_prob(x, samples, seed=1)

    for n in (6, 2):
        elbo, log_prob = both(X[:n])
        np.testing.assert_allclose(elbo, vae.elbo(X[:n], samples, seed=1), rtol=1e-5)
        np.testing.assert_allclose(log_prob, vae.log_prob(X[:n], samples, seed=1), rtol=1e-5)


# A distribution as prior.


def test_a_distribution_as_prior(make_vae, tmp_path):
    given = tfd.MultivariateNormalTriL([1.0, -1.0], [[2.0, 0.0], [0.5, 1.0]])
    vae = make_vae(prior=given)
    z = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    np.testing.assert_array_equal(vae.prior().log_prob(z), given.log_prob(z))
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    np.testing.assert_allclose(same.elbo(X, seed=1), vae.elbo(X, seed=1), rtol=1e-6)
    np.testing.assert_allclose(same.prior().log_prob(z), given.log_prob(z), rtol=1e-6)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (tfd.Normal(tf.zeros(2), 1.0), r"batch shape \(2,\): wrap it in tfd.Independent"),
        (
            tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]), [1.0, 1.0]),
            "holds variables, which nobody would train",
        ),
        (tfd.MultivariateNormalDiag([0.0] * 3, [1.0] * 3), r"event shape is \(2,\), the prior's"),
    ],
)
def test_a_distribution_that_cannot_be_the_prior(make_vae, prior, words):
    with pytest.raises(tfvae.UserError, match=words):
        make_vae(prior=prior)


# log p(x) of codes.


def quantized(codes, pieces, labels=None):
    keras.utils.set_random_seed(1)

    def one_hot():
        return labels and keras.layers.CategoryEncoding(labels, output_mode="one_hot")

    vae = tfvae.VAE(
        networks.BottomUp(
            [networks.MLP([8]), keras.layers.Dense(2 * pieces)], conditioner=one_hot()
        ),
        networks.Decoder(
            networks.MLP([8], "tanh"), layers.IndependentBernoulli((3, 2, 1)), conditioner=one_hot()
        ),
        latents=latents.VectorQuantizer(codes, size=2, conditioner=one_hot()),
    )
    vae.build((None, 3, 2, 1), (None,) if labels else None)
    vae.latents.codebook.entries.assign(np.random.default_rng(2).normal(size=(codes, 2)))
    logits = vae.latents.code_prior.logits
    logits.assign(np.random.default_rng(3).normal(size=logits.shape))
    return vae


@pytest.mark.parametrize("labels", [None, 3])
def test_log_prob_of_few_codes_is_the_sum_over_them(labels):
    vae = quantized(4, 3, labels)
    assert vae.log_prob_kind == "exact"
    context = LABELS if labels else None
    terms = []
    for k in np.ndindex(4, 4, 4):
        z = np.tile(k, [6, 1])
        terms.append(vae.prior(context).log_prob(z) + vae.decode(z, context).log_prob(X))
    truth = scipy.special.logsumexp(np.array(terms, np.float64), axis=0)
    for chunk in (None, 5, 64):
        found = vae.log_prob(X, chunk=chunk, context=context)
        np.testing.assert_allclose(found, truth, rtol=1e-5)
    assert (truth > np.asarray(vae.elbo(X, context=context)) + 0.01).all()


def test_a_probability_of_codes_sums_to_one():
    vae = quantized(3, 2)
    every = np.array(list(np.ndindex(*[2] * 6)), np.float32).reshape([-1, 3, 2, 1])
    assert np.exp(np.float64(vae.log_prob(every))).sum() == pytest.approx(1.0, abs=1e-4)


def test_of_many_codes_the_table_says_that_it_is_the_elbo(make_vae):
    data = tf.data.Dataset.from_tensors(X)
    for vae, kind in [
        (quantized(17, 3), "elbo"),
        (quantized(16, 3), "exact"),
        (make_vae(), "importance_weighted"),
    ]:
        table = tfvae.evaluation.evaluate_likelihood(vae, data, samples=2)
        assert table["log_prob_kind"] == vae.log_prob_kind == kind
        assert (abs(table["gap"]) < 1e-5) == (kind == "elbo")
