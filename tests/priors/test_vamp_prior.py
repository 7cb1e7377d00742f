import functools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae.errors import UserError
from tfvae.priors import VampPrior


def logpdf(z, q):
    """Of draws [n, D] under normals [K, D]: [n, K]."""
    return scipy.stats.norm.logpdf(z[:, None], q.mean(), q.stddev()).sum(-1)


def test_density_is_the_mean_of_the_posteriors(make_vae):
    vae = make_vae(prior=VampPrior(5))
    u = vae.prior.inputs()
    assert u.shape == (5, 3, 2, 1)
    z = np.random.default_rng(0).normal(size=(7, 2))
    expected = scipy.special.logsumexp(logpdf(z, vae.encode(u)), axis=-1) - np.log(5)
    np.testing.assert_allclose(vae.prior().log_prob(z.astype("f")), expected, rtol=2e-5)


def test_with_a_context_it_follows_the_posteriors_of_that_context(make_vae):
    vae = make_vae(prior=VampPrior(4), labels=3)
    context = np.array([2, 0, 2, 1])
    prior = vae.prior(context=context)
    assert prior.batch_shape == (4,)
    z = np.random.default_rng(0).normal(size=(4, 2)).astype("f")
    values = prior.log_prob(z).numpy()
    for i, label in enumerate(context):
        q = vae.encode(vae.prior.inputs(), np.full(4, label))
        expected = scipy.special.logsumexp(logpdf(z[i : i + 1], q)) - np.log(4)
        np.testing.assert_allclose(values[i], expected, rtol=2e-5)
    draws = prior.sample(4000, seed=(0, 1)).numpy()
    error = draws.std(0) / np.sqrt(4000)
    assert (np.abs(draws.mean(0) - prior.mean()) < 5 * error).all()
    assert np.abs(prior.mean()[0] - prior.mean()[1]).max() > 10 * error.max()
    with pytest.raises(UserError, match="context"):
        vae.prior()


def test_encodes_once_a_batch_whatever_the_number_of_samples(make_vae, binary):
    vae = make_vae(prior=VampPrior(5))
    sizes, encode = [], vae.encoder.call
    vae.encoder.call = lambda x, *a, **k: (sizes.append(x.shape[0]), encode(x, *a, **k))[1]
    vae(binary, samples=7)
    assert sizes == [40, 5]


def test_gradient_reaches_pseudo_inputs_and_encoder(make_vae):
    vae = make_vae(prior=VampPrior(5))
    z = np.random.default_rng(0).normal(size=(7, 2)).astype("f")
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(vae.prior().log_prob(z))
    weights = [vae.prior.raw, *vae.encoder.trainable_weights]
    for weight, gradient in zip(weights, tape.gradient(value, weights), strict=True):
        assert np.abs(gradient).max() > 0, weight.path
    # The prior owns the pseudo-inputs and not the encoder's weights.
    assert [w.path for w in vae.latents.weights] == [vae.prior.raw.path]


def test_pseudo_inputs_are_learned_by_fit_with_several_steps_in_a_call(make_vae, binary):
    models = []
    for steps in (1, 4):
        vae = make_vae(prior=VampPrior(5))
        before = vae.prior.raw.numpy()
        vae.compile(keras.optimizers.SGD(1.0), steps_per_execution=steps)
        vae.fit(tf.data.Dataset.from_tensors(binary).repeat(4), verbose=0)
        assert np.abs(vae.prior.raw - before).min() > 0
        models.append(vae.prior.raw.numpy())
    np.testing.assert_allclose(*models, rtol=1e-5, atol=1e-6)


def test_a_vae_that_starts_anew_from_its_file_has_the_same_prior(make_vae, binary, tmp_path):
    vae = make_vae(prior=VampPrior(5))
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    z = vae.encode(binary).sample(seed=(0, 1))
    np.testing.assert_array_equal(same.prior().log_prob(z), vae.prior().log_prob(z))
    # It is the loaded encoder that the loaded prior runs.
    same.encoder.projection.kernel.assign_add(tf.ones_like(same.encoder.projection.kernel))
    assert np.abs(same.prior().log_prob(z) - vae.prior().log_prob(z)).max() > 0.01


@pytest.mark.parametrize(
    ("likelihood", "options", "low", "high"),
    [
        ("bernoulli", {}, 0.0, 1.0),
        ("continuous_bernoulli", {}, 0.0, 1.0),
        ("discretized_logistic", {"levels": 17}, 0.0, 16.0),
        ("discretized_logistic", {}, 0.0, 255.0),
        ("normal", {}, None, None),
    ],
)
def test_pseudo_inputs_stay_in_the_range_of_the_data(likelihood, options, low, high):
    made = functools.partial(tfvae.options.find("likelihood", likelihood).load(), **options)
    vae = tfvae.recipes.vamp_vae((4, 4, 1), 2, hidden=(8,), pseudo_inputs=6, likelihood=made)
    vae.build((None, 4, 4, 1))
    start = vae.prior.inputs().numpy()
    assert len(np.unique(start)) == start.size  # components that start equal would stay so
    vae.prior.raw.assign(tf.random.normal(vae.prior.raw.shape, stddev=1e3))
    u = vae.prior.inputs().numpy()
    if low is None:
        assert np.abs(u).max() > 100
    else:
        assert u.min() == pytest.approx(low)
        assert u.max() == pytest.approx(high)
        assert low < start.min() < start.max() < high


def test_adapt_takes_the_first_examples(make_vae, binary):
    batches = tf.data.Dataset.from_tensor_slices((binary, np.zeros(40))).batch(16)
    vae = make_vae(prior=VampPrior(20))
    vae.prior.adapt(batches)
    expected = np.clip(binary[:20], 0.05, 0.95)
    np.testing.assert_allclose(vae.prior.inputs(), expected, atol=1e-6)
    # Where the data are fewer, the others stay.
    vae = make_vae(prior=VampPrior(50))
    before = vae.prior.inputs().numpy()
    vae.prior.adapt(batches)
    after = vae.prior.inputs()
    np.testing.assert_allclose(after[:40], np.clip(binary, 0.05, 0.95), atol=1e-6)
    np.testing.assert_array_equal(after[40:], before[40:])
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("f")
    prior = VampPrior(4, low=None, high=None)
    prior.build(2, (5,))
    prior.adapt([x])
    np.testing.assert_array_equal(prior.inputs(), x[:4])


def test_any_posterior_serves(make_vae, binary):
    flow = tfvae.layers.InverseAutoregressiveFlow(2, hidden=[4], context_size=2, steps=2)
    vae = make_vae(prior=VampPrior(3), latent=flow)
    z = vae.encode(binary).sample(seed=(0, 1))
    each = [
        vae.encode(vae.prior.inputs()[k : k + 1]).log_prob(tf.constant(z.numpy())) for k in range(3)
    ]
    expected = scipy.special.logsumexp(each, axis=0) - np.log(3)
    np.testing.assert_allclose(vae.prior().log_prob(z), expected, rtol=1e-4, atol=1e-5)
    assert vae.sample(5, temperature=0.5).shape == (5, 3, 2, 1)


def test_refusals():
    with pytest.raises(UserError, match="pseudo_inputs takes"):
        VampPrior(0)
    for low, high in [(None, 1.0), (1.0, 0.0)]:
        with pytest.raises(UserError, match="low < high"):
            VampPrior(low=low, high=high)
    with pytest.raises(UserError, match="data's shape"):
        VampPrior(5).build(2)
    prior = VampPrior(5)
    prior.build(2, (3,))
    with pytest.raises(UserError, match="give it to a VAE"):
        prior()
