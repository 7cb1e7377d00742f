import inspect

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distribute import as_seed, fold_in

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="test_vae")
class TwoHumps(tfvae.priors.Prior):
    """A prior against which no KL has a closed form."""

    def call(self, context=None):
        return tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.5, 0.5]),
            tfd.MultivariateNormalDiag([[-1.0] * 2, [1.0] * 2]),
        )


def within(draws, truth, errors=4.0):
    """Whether the mean of the draws, `[K, ...]`, meets the truth within its standard error."""
    draws = np.asarray(draws, np.float64)
    standard_error = draws.std(0) / np.sqrt(len(draws))
    assert (standard_error > 0).all()
    assert (np.abs(draws.mean(0) - truth) < errors * standard_error).all()


def test_call_returns_latents_and_likelihood(make_vae, binary):
    vae = make_vae()
    output = vae(binary)
    assert isinstance(output, tfvae.VAEOutput)
    (latent,) = output.latents
    assert latent.z.shape == [40, 2]
    assert latent.posterior.batch_shape == [40]
    assert latent.posterior.event_shape == [2]
    assert latent.prior.event_shape == [2]
    assert output.likelihood.batch_shape == [40]
    assert output.likelihood.event_shape == [3, 2, 1]
    assert output.likelihood.log_prob(binary).shape == [40]


@pytest.mark.parametrize("samples", [1, 5])
def test_call_with_samples_has_their_axis_in_front(make_vae, binary, samples):
    output = make_vae()(binary, samples=samples)
    assert output.latents[0].z.shape == [samples, 40, 2]
    assert output.latents[0].posterior.batch_shape == [40]
    assert output.likelihood.batch_shape == [samples, 40]
    assert output.likelihood.log_prob(binary).shape == [samples, 40]
    assert output.likelihood.mean().shape == [samples, 40, 3, 2, 1]
    assert output.likelihood.sample().shape == [samples, 40, 3, 2, 1]


def test_samples_are_decoded_each_by_itself(make_vae, binary):
    vae = make_vae()
    output = vae(binary, samples=3, seed=0)
    for z, mean in zip(output.latents[0].z, output.likelihood.mean(), strict=True):
        np.testing.assert_allclose(vae.decode(z).mean(), mean, rtol=1e-5)


def test_the_signature_is_the_contract(make_vae):
    names = list(inspect.signature(make_vae().call).parameters)
    assert names[:4] == ["x", "context", "samples", "training"]
    defaults = inspect.signature(tfvae.VAE.log_prob).parameters
    assert defaults["samples"].default == 100
    assert defaults["chunk"].default is None
    assert inspect.signature(tfvae.VAE.elbo).parameters["samples"].default == 1


def test_parts_by_default(make_vae, binary):
    vae = make_vae()
    vae(binary)
    assert isinstance(vae.objective, tfvae.objectives.ELBO)
    prior = vae.prior()
    assert prior.batch_shape == []
    np.testing.assert_array_equal(prior.mean(), np.zeros(2))
    np.testing.assert_array_equal(prior.stddev(), np.ones(2))


def test_encode_and_decode_are_distributions(make_vae, binary):
    vae = make_vae()
    for distribution, event in [
        (vae.encode(binary), [2]),
        (vae.decode(np.zeros((40, 2), np.float32)), [3, 2, 1]),
    ]:
        assert isinstance(distribution, tfd.Distribution)
        assert distribution.batch_shape == [40]
        assert distribution.event_shape == event


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_data_of_any_type_give_the_same_numbers(make_vae, binary, dtype):
    vae = make_vae()
    truth = vae.elbo(binary, seed=0)
    np.testing.assert_array_equal(vae.elbo(binary.astype(dtype), seed=0), truth)
    np.testing.assert_array_equal(
        vae(binary.astype(dtype)).likelihood.batch_shape, vae(binary).likelihood.batch_shape
    )


@pytest.mark.parametrize(
    "draw",
    [
        lambda vae, x, seed: vae(x, seed=seed).latents[0].z,
        lambda vae, x, seed: vae(x, samples=3, seed=seed).latents[0].z,
        lambda vae, x, seed: vae.reconstruct(x, seed=seed),
        lambda vae, x, seed: vae.sample(40, seed=seed, mean=True),
        lambda vae, x, seed: vae.elbo(x, seed=seed),
        lambda vae, x, seed: vae.elbo(x, samples=5, seed=seed, chunk=2),
        lambda vae, x, seed: vae.log_prob(x, samples=5, seed=seed),
    ],
    ids=["call", "call with samples", "reconstruct", "sample", "elbo", "elbo K", "log_prob"],
)
def test_the_same_seed_draws_the_same_and_no_seed_anew(make_vae, binary, draw):
    vae = make_vae()
    vae(binary)
    first = np.asarray(draw(vae, binary, 7))
    np.testing.assert_array_equal(draw(vae, binary, 7), first)
    np.testing.assert_array_equal(draw(vae, binary, as_seed(7)), first)
    assert np.abs(draw(vae, binary, 8) - first).max() > 0
    assert np.abs(draw(vae, binary, None) - draw(vae, binary, None)).max() > 0


def test_draws_differ_by_example_and_by_sample(make_vae, binary):
    vae = make_vae()
    same = np.repeat(binary[:1], 4, axis=0)
    z = vae(same, samples=3, seed=0).latents[0].z.numpy()
    assert len(np.unique(z.reshape(-1, 2), axis=0)) == 12


def test_reconstruct_is_the_mean_at_a_posterior_draw(make_vae, binary):
    vae = make_vae()
    truth = vae(binary, seed=3).likelihood.mean()
    got = vae.reconstruct(binary, seed=3)
    assert got.shape == binary.shape
    np.testing.assert_array_equal(got, truth)


def test_sample(make_vae, binary):
    vae = make_vae()
    vae(binary)
    draws = vae.sample(9, seed=0).numpy()
    assert draws.shape == (9, 3, 2, 1)
    assert set(np.unique(draws)) == {0.0, 1.0}
    means = vae.sample(9, seed=0, mean=True).numpy()
    assert means.shape == (9, 3, 2, 1)
    assert ((means > 0) & (means < 1)).all()


def test_samples_have_the_moments_of_the_marginal(linear_gaussian):
    vae = linear_gaussian().vae
    w, b = (np.asarray(v) for v in vae.decoder.projection.get_weights())
    draws = vae.sample(20_000, seed=0).numpy()
    within(draws, b)
    centred = draws - b
    covariance = w.T @ w + 0.7**2 * np.eye(5)
    within(centred[:, :, None] * centred[:, None, :], covariance)


def test_predict_gives_means_in_a_dict(make_vae, binary):
    vae = make_vae()
    vae(binary)
    predicted = vae.predict(binary, batch_size=16, verbose=0)
    assert set(predicted) == {"z", "x"}
    z = vae.encode(binary).mean()
    np.testing.assert_allclose(predicted["z"], z, rtol=1e-5)
    np.testing.assert_allclose(predicted["x"], vae.decode(z).mean(), rtol=1e-5)
    dataset = tf.data.Dataset.from_tensor_slices(binary).batch(16)
    np.testing.assert_allclose(vae.predict(dataset, verbose=0)["z"], z, rtol=1e-5)


# The estimates of the evidence, against a model whose evidence is known.


def test_the_truth_of_the_linear_model_is_consistent(linear_gaussian):
    for case in [{}, {"exact": False, "shift": 0.3}, {"full": False, "scale": 1.5}]:
        truth = linear_gaussian(**case)
        np.testing.assert_allclose(truth.elbo + truth.gap, truth.log_prob, rtol=1e-9)


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"full": False},
        {"exact": False, "shift": 0.3},
        {"full": False, "exact": False, "scale": 1.7},
    ],
    ids=str,
)
def test_elbo_of_a_linear_model_meets_its_exact_value(linear_gaussian, case):
    truth = linear_gaussian(**case)
    draws = np.stack([truth.vae.elbo(truth.x, seed=i) for i in range(400)])
    within(draws, truth.elbo)
    # More samples: the same expectation, with the smaller error that they promise.
    error = draws.std(0) / np.sqrt(4000)
    got = truth.vae.elbo(truth.x, samples=4000, seed=1)
    assert (np.abs(got - truth.elbo) < 5 * error).all()


def test_the_parts_of_the_elbo_meet_their_exact_values(linear_gaussian):
    truth = linear_gaussian(exact=False, shift=0.3)
    output = truth.vae(truth.x, samples=4000, seed=0)
    within(-output.likelihood.log_prob(truth.x), truth.distortion)
    terms = truth.vae.objective(truth.x, output).terms
    np.testing.assert_allclose(terms["rate"], truth.rate, rtol=1e-4)


def test_at_the_exact_posterior_the_elbo_is_log_p_of_x(linear_gaussian):
    truth = linear_gaussian(objective=tfvae.objectives.ELBO(kl="monte_carlo"))
    output = truth.vae(truth.x, seed=0)
    # Without noise: every draw has the same log weight.
    elbo = truth.vae.objective(truth.x, output).terms["elbo"]
    np.testing.assert_allclose(elbo, truth.log_prob, atol=2e-4)
    within(np.stack([truth.vae.elbo(truth.x, seed=i) for i in range(400)]), truth.log_prob)


def test_log_p_is_the_elbo_and_the_gap_of_the_posterior(linear_gaussian):
    truth = linear_gaussian(exact=False, shift=0.3, scale=1.3)
    output = truth.vae(truth.x, samples=2000, seed=0)
    latent = output.latents[0]
    gap = latent.posterior.log_prob(latent.z) - truth.posterior.log_prob(latent.z)
    weights = tfvae.distributions.log_importance_weights(truth.x, output)
    # To rounding, draw by draw; and so in expectation.
    np.testing.assert_allclose(weights + gap, np.tile(truth.log_prob, (2000, 1)), atol=1e-3)
    elbo = truth.vae.elbo(truth.x, samples=20_000, seed=1)
    gap = tfd.kl_divergence(latent.posterior, truth.posterior)
    np.testing.assert_allclose(gap, truth.gap, rtol=1e-3)
    np.testing.assert_allclose(elbo + gap, truth.log_prob, atol=0.15)


def test_log_prob_is_exact_at_the_exact_posterior_for_any_chunk(linear_gaussian):
    truth = linear_gaussian()
    for samples, chunk in [(1, None), (10, None), (10, 1), (10, 3), (10, 10), (10, 64)]:
        got = truth.vae.log_prob(truth.x, samples=samples, chunk=chunk, seed=0)
        assert got.shape == [16]
        np.testing.assert_allclose(got, truth.log_prob, atol=2e-4)


def test_log_prob_meets_log_p_of_x_within_its_standard_error(linear_gaussian):
    truth = linear_gaussian(exact=False, shift=0.3, scale=1.4)
    output = truth.vae(truth.x, samples=4000, seed=0)
    log_weights = np.float64(tfvae.distributions.log_importance_weights(truth.x, output))
    relative = np.exp(log_weights - truth.log_prob)
    within(relative, 1.0)  # E_q[w] = p(x)
    error = relative.std(0) / np.sqrt(4000)
    got = truth.vae.log_prob(truth.x, samples=4000, seed=1)
    assert (np.abs(got - truth.log_prob) < 5 * error).all()
    in_parts = truth.vae.log_prob(truth.x, samples=4000, seed=2, chunk=1500)
    assert (np.abs(in_parts - truth.log_prob) < 5 * error).all()


def test_log_prob_is_a_bound_that_rises_with_the_samples(linear_gaussian):
    truth = linear_gaussian(shift=0.3, scale=1.4)
    means = []
    for samples in (1, 5, 25, 125):
        draws = np.stack([truth.vae.log_prob(truth.x, samples=samples, seed=i) for i in range(100)])
        error = draws.mean(1).std() / np.sqrt(100)
        means.append(draws.mean())
        # Never above the truth on average.
        assert means[-1] < truth.log_prob.mean() + 3 * error
    assert (np.diff(means) > 0).all()
    np.testing.assert_allclose(means[0], truth.elbo.mean(), atol=0.2)
    assert truth.log_prob.mean() - means[-1] < 0.05


def test_one_sample_is_the_monte_carlo_elbo_of_the_same_draw(linear_gaussian):
    truth = linear_gaussian(exact=False, shift=0.3)
    got = truth.vae.log_prob(truth.x, samples=1, seed=5)
    output = truth.vae(truth.x, samples=1, seed=fold_in(as_seed(5), 0))
    objective = tfvae.objectives.ELBO(kl="monte_carlo")
    np.testing.assert_allclose(got, objective(truth.x, output).terms["elbo"], rtol=1e-5)


def test_one_sample_is_the_elbo_in_expectation(linear_gaussian):
    truth = linear_gaussian(exact=False, shift=0.3)
    draws = np.stack([truth.vae.log_prob(truth.x, samples=1, seed=i) for i in range(400)])
    within(draws, truth.elbo)


def test_one_sample_is_the_elbo_where_no_kl_is_known(make_vae, binary):
    vae = make_vae(prior=TwoHumps(2))
    np.testing.assert_allclose(
        vae.elbo(binary, seed=3), vae.log_prob(binary, samples=1, seed=3), rtol=1e-5
    )


def test_elbo_of_chunks_is_the_mean_over_all_samples(make_vae, binary):
    vae = make_vae()
    parts = []
    for i, size in enumerate([3, 2]):
        output = vae(binary, samples=size, seed=fold_in(as_seed(0), i))
        parts.append(vae.objective(binary, output).terms["elbo"])
    truth = (3 * parts[0] + 2 * parts[1]) / 5
    np.testing.assert_allclose(vae.elbo(binary, samples=5, chunk=3, seed=0), truth, rtol=1e-5)


def test_log_prob_weighs_a_short_last_chunk_by_its_size(linear_gaussian):
    # With chunk 4 and 5 samples a mean over chunks would be off by log 5/8.
    truth = linear_gaussian()
    got = truth.vae.log_prob(truth.x, samples=5, chunk=4, seed=0)
    np.testing.assert_allclose(got, truth.log_prob, atol=2e-4)


def test_the_elbo_is_the_unweighted_one_whatever_the_objective(make_vae, binary):
    plain = make_vae()
    weighted = make_vae(objective=tfvae.objectives.ELBO(beta=7.0, free_bits=2.0))
    np.testing.assert_array_equal(plain.elbo(binary, seed=1), weighted.elbo(binary, seed=1))


def test_new_weights_are_seen_by_compiled_estimates(make_vae, binary):
    vae = make_vae()
    before = vae.log_prob(binary, samples=3, seed=0)
    vae.set_weights([w * 0.5 for w in vae.get_weights()])
    assert np.abs(vae.log_prob(binary, samples=3, seed=0) - before).max() > 1e-3


def test_estimates_of_another_number_of_examples(make_vae, binary):
    vae = make_vae()
    whole = vae.log_prob(binary, samples=3, seed=0)
    assert vae.log_prob(binary[:7], samples=3, seed=0).shape == [7]
    np.testing.assert_array_equal(vae.log_prob(binary, samples=3, seed=0), whole)


def test_a_learned_scale_of_the_likelihood_is_bounded_below(make_vae):
    vae = make_vae(likelihood=tfvae.layers.IndependentNormal((3, 2, 1)))
    x = np.zeros((4, 3, 2, 1), np.float32)
    vae(x)
    vae.decoder.projection.set_weights(
        [np.zeros((8, 12), np.float32), np.float32([0.0] * 6 + [-1e4] * 6)]
    )
    assert np.isfinite(vae.elbo(x, samples=3)).all()
    assert float(tf.reduce_min(vae(x).likelihood.stddev())) > 0


# Conditional models.


@pytest.fixture
def labels(binary):
    return np.arange(len(binary)) % 3


def test_a_conditional_model_depends_on_its_context(make_vae, binary, labels):
    vae = make_vae(labels=3)
    other = (labels + 1) % 3
    z = np.zeros((40, 2), np.float32)
    for call in [
        lambda c: vae(binary, context=c, seed=0).latents[0].z,
        lambda c: vae(binary, c, seed=0).likelihood.mean(),
        lambda c: vae.encode(binary, c).mean(),
        lambda c: vae.decode(z, c).mean(),
        lambda c: vae.reconstruct(binary, c, seed=0),
        lambda c: vae.elbo(binary, context=c, seed=0),
        lambda c: vae.log_prob(binary, context=c, samples=3, seed=0),
        lambda c: vae.sample(40, seed=0, context=c, mean=True),
    ]:
        assert call(labels).shape[0] == 40
        np.testing.assert_array_equal(call(labels), call(labels))
        assert np.abs(call(labels) - call(other)).max() > 1e-4


def test_samples_are_decoded_with_the_context_of_their_example(make_vae, binary, labels):
    vae = make_vae(labels=3)
    z = vae(binary, labels, samples=4, seed=0).latents[0].z
    together = vae.decode(z, labels).mean()
    for k in range(4):
        np.testing.assert_allclose(together[k], vae.decode(z[k], labels).mean(), rtol=1e-5)


def test_a_conditional_model_fits_and_predicts(make_vae, binary, labels):
    vae = make_vae(labels=3)
    vae.compile(keras.optimizers.SGD(0.1))
    dataset = tf.data.Dataset.from_tensor_slices((binary, labels)).batch(16)
    logs = vae.fit(dataset, validation_data=dataset, verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    vae.fit(binary, labels, verbose=0)
    predicted = vae.predict(dataset, verbose=0)
    np.testing.assert_allclose(
        predicted["z"], vae.encode(binary, labels).mean(), rtol=1e-4, atol=1e-6
    )
    assert vae.prior(context=labels).event_shape == [2]


def test_an_image_takes_its_context_as_channels(binary, labels):
    vae = tfvae.VAE(
        tfvae.networks.Encoder(
            keras.Sequential([keras.layers.Conv2D(4, 2), keras.layers.Flatten()]),
            tfvae.layers.IndependentNormal(2),
            conditioner=keras.layers.CategoryEncoding(3, output_mode="one_hot"),
        ),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([4]),
            tfvae.layers.IndependentBernoulli((3, 2, 1)),
            conditioner=keras.layers.CategoryEncoding(3, output_mode="one_hot"),
        ),
    )
    assert vae.elbo(binary, context=labels).shape == [40]
    kernel = vae.encoder.trunk.layers[0].kernel
    assert kernel.shape[2] == 1 + 3


# Mixed precision.


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_probability_is_float32_under_mixed_precision(make_vae, binary, policy, name):
    full = make_vae()
    full(binary)
    policy(name)
    mixed = make_vae()
    output = mixed(binary, samples=2)
    assert mixed.encoder.trunk.stack[0].compute_dtype == name.removeprefix("mixed_")
    mixed.set_weights(full.get_weights())
    assert all(w.dtype == "float32" for w in mixed.weights)
    latent = output.latents[0]
    for distribution in (latent.posterior, latent.prior, output.likelihood):
        assert distribution.dtype == tf.float32
    assert latent.z.dtype == tf.float32
    assert output.likelihood.log_prob(binary).dtype == tf.float32
    assert mixed.elbo(binary).dtype == tf.float32
    got, truth = (m.log_prob(binary, samples=50, seed=0) for m in (mixed, full))
    assert 0 < np.abs(got - truth).max() < 0.05  # the networks' rounding is all there is


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_a_large_likelihood_is_summed_in_float32(policy, make_vae, name):
    policy(name)
    x = (np.random.default_rng(0).random((2, 64, 64, 3)) < 0.5).astype(np.float32)
    vae = make_vae(event=(64, 64, 3))
    likelihood = vae(x).likelihood
    logits = np.float64(likelihood.distribution.logits)
    truth = -(scipy.special.xlogy(1, 1 + np.exp(-np.where(x > 0, logits, -logits)))).sum((1, 2, 3))
    np.testing.assert_allclose(likelihood.log_prob(x), truth, rtol=1e-6)


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(make_vae, binary, policy, name):
    policy(name)
    vae = make_vae(seed=3)
    vae.compile(keras.optimizers.Adam(1e-2))
    data = tf.data.Dataset.from_tensors(binary).repeat(30)
    logs = [vae.fit(data, verbose=0).history for _ in range(2)]
    assert logs[0]["elbo"][0] < logs[1]["elbo"][0] < 0
    assert int(vae.step) == 60
