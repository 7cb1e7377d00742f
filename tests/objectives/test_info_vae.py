"""The maximum mean discrepancy, and the InfoVAE that is made of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import ELBO, InfoVAE, SlicedWasserstein
from tfvae.objectives.mmd import SCALES, imq, maximum_mean_discrepancy, rbf

tfd = tfp.distributions


def by_numpy(z, draws, kernel, weights, unbiased):
    """The two estimates by loops over all pairs; K batches one after the other."""
    found = []
    for codes in z:
        within = across = total = 0.0
        for i, a in enumerate(codes):
            for j, b in enumerate(codes):
                if i != j or not unbiased:
                    within += weights[i] * weights[j] * kernel(a, b)
                    total += weights[i] * weights[j]
            across += weights[i] * np.mean([kernel(a, p) for p in draws]) / weights.sum()
        pairs = [(p, r) for i, p in enumerate(draws) for j, r in enumerate(draws)
                 if i != j or not unbiased]  # fmt: skip
        among = np.mean([kernel(p, r) for p, r in pairs])
        found.append(within / total + among - 2 * across)
    return np.mean(found)


KERNELS = {
    rbf: lambda a, b: np.exp(-((a - b) ** 2).sum() / (2 * len(a))),
    imq: lambda a, b: sum(s * 2 * len(a) / (s * 2 * len(a) + ((a - b) ** 2).sum()) for s in SCALES),
}


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_estimate_is_that_over_all_pairs(kernel, unbiased):
    rng = np.random.default_rng(0)
    z, draws = rng.normal(0.5, 2.0, (2, 6, 3)), rng.normal(size=(4, 3))
    for weights in (np.ones(6), np.array([0.5, 2.0, 0.0, 1.0, 1.0, 3.0])):
        parts = maximum_mean_discrepancy(
            tf.constant(z, tf.float32),
            tf.constant(draws, tf.float32),
            kernel,
            weights=None if weights.min() == 1 else tf.constant(weights, tf.float32),
            unbiased=unbiased,
        )
        truth = by_numpy(z, draws, KERNELS[kernel], weights, unbiased)
        np.testing.assert_allclose(np.average(parts, weights=weights), truth, rtol=1e-4)


def test_the_bandwidth_is_in_units_of_z():
    a, b = tf.constant([[3.0, 4.0]]), tf.zeros([1, 2])
    np.testing.assert_allclose(rbf(a, b, 2.0), [[np.exp(-25 / 16)]], rtol=1e-6)
    np.testing.assert_allclose(imq(a, b, 2.0), imq(a / 2, b, 1.0), rtol=1e-6)


def gaussian(mean, variance):
    """E exp(−‖d‖²/C) of d ~ N(mean, variance I), C = 2 D."""
    size = 2 * len(mean)
    power = -(mean**2).sum() / (size + 2 * variance)
    return (1 + 2 * variance / size) ** (-len(mean) / 2) * np.exp(power)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_unbiased_estimate_is_so_for_small_batches(weighted):
    mean, scale, runs = np.array([0.4, -0.2, 0.0]), 0.7, 2000
    weights = tf.constant([1.0, 3.0, 0.5, 1.0]) if weighted else None
    share = np.float32([1, 3, 0.5, 1]) if weighted else np.ones(4)

    @tf.function
    def estimates(unbiased):
        def run(seed):
            z = tf.random.stateless_normal([1, 4, 3], tf.stack([0, seed]))
            z = tf.cast(mean, tf.float32) + scale * z
            draws = tf.random.stateless_normal([3, 3], tf.stack([1, seed]))
            return maximum_mean_discrepancy(z, draws, rbf, weights=weights, unbiased=unbiased)

        return tf.map_fn(run, tf.range(runs), fn_output_signature=tf.float32)

    truth = gaussian(0 * mean, 2 * scale**2) + gaussian(0 * mean, 2.0)
    truth -= 2 * gaussian(mean, 1 + scale**2)
    found = np.average(np.float64(estimates(True)), axis=1, weights=share)
    error = found.std() / np.sqrt(runs)
    assert abs(found.mean() - truth) < 4.5 * error
    biased = np.average(np.float64(estimates(False)), axis=1, weights=share)
    assert biased.mean() - truth > 20 * error
    assert biased.min() > -1e-6


def test_a_batch_of_one_example_has_no_pair():
    z, draws = tf.ones([1, 1, 2]), tf.zeros([2, 2])
    found = maximum_mean_discrepancy(z, draws, rbf)
    np.testing.assert_allclose(found, [1 - 2 * np.exp(-0.5)], rtol=1e-6)
    none = maximum_mean_discrepancy(z, draws, rbf, weights=tf.zeros([1]))
    assert np.isfinite(none).all()


def test_the_loss_is_what_it_is_made_of(make_vae, binary):
    vae = make_vae()
    output = vae(binary, seed=1)
    elbo = ELBO()(binary, output)
    np.testing.assert_allclose(InfoVAE(0.0, 1.0)(binary, output).loss, elbo.loss, rtol=1e-6)
    loss, terms = InfoVAE(1.0, 30.0, draws=50)(binary, output, seed=tf.constant([3, 4]))
    np.testing.assert_allclose(loss, terms["distortion"] + 30 * terms["mmd"], rtol=1e-5)
    assert set(terms) == {*elbo.terms, "mmd"}
    seed = tfvae.distribute.fold_in(tf.constant([3, 4]), 0)
    draws = output.latents[0].prior.sample(50, seed=seed)
    mmd = maximum_mean_discrepancy(output.latents[0].z[None], draws, rbf)
    np.testing.assert_allclose(terms["mmd"], mmd, rtol=1e-5)


def test_an_infinite_rate_has_no_part_where_it_has_no_weight(make_vae, binary):
    output = make_vae()(binary, seed=1)
    (latent,) = output.latents
    point = tfd.Independent(tfd.Normal(latent.posterior.mean(), 0.0), 1)
    output = output._replace(latents=(latent._replace(posterior=point),))
    for objective in (InfoVAE(1.0), SlicedWasserstein()):
        loss, terms = objective(binary, output)
        assert np.isfinite(loss).all()
        assert np.isinf(terms["rate"]).all()


def test_every_batch_has_draws_of_its_own(make_vae, binary):
    """Also those of one update, whose gradients are accumulated; and the same in a second run."""
    runs = []
    for _ in range(2):
        seeds = []

        class Mine(ELBO):
            def call(self, x, output, *, step=0, weights=None, seed=None, seeds=seeds):
                if tf.executing_eagerly() and x.shape[0] == 10:
                    seeds.append(tuple(np.array(seed)))
                return super().call(x, output, step=step, weights=weights)

        vae = make_vae(objective=Mine())
        vae.compile(keras.optimizers.SGD(gradient_accumulation_steps=2), run_eagerly=True)
        vae.fit(binary, batch_size=10, shuffle=False, verbose=0)
        runs.append(seeds)
    assert len(set(runs[0])) == len(runs[0]) == 4
    assert runs[0] == runs[1]


# What is refused.

BOTH = pytest.mark.parametrize("objective", [InfoVAE, SlicedWasserstein])


@BOTH
def test_a_prior_that_depends_on_a_context_is_refused_when_built(objective):
    vae = tfvae.recipes.conditional_vae((3, 2, 1), 2, hidden=[4], objective=objective())
    with pytest.raises(tfvae.UserError, match="conditional_prior=False"):
        vae.build((None, 3, 2, 1), (None,))
    vae = tfvae.recipes.conditional_vae(
        (3, 2, 1), 2, hidden=[4], objective=objective(), conditional_prior=False
    )
    vae.build((None, 3, 2, 1), (None,))


@BOTH
def test_several_groups_and_draws_without_a_gradient_are_refused(objective):
    q = tfd.Independent(tfd.Normal(tf.zeros([4, 2]), 1.0), 1)
    p = tfd.Independent(tfd.Normal(tf.zeros([2]), 1.0), 1)
    x, latent = tf.zeros([4, 2]), tfvae.Latent(tf.zeros([4, 2]), q, p)
    name = objective.__name__
    with pytest.raises(tfvae.UserError, match=f"{name} takes one group of latent variables"):
        objective()(x, tfvae.VAEOutput((latent, latent), q))
    q = tfd.OneHotCategorical(logits=tf.zeros([4, 2]), dtype=tf.float32)
    with pytest.raises(tfvae.UserError, match=f"{name} sends the gradient through the draws"):
        objective()(x, tfvae.VAEOutput((latent._replace(posterior=q),), q))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: InfoVAE(kernel="rfb"), "unknown kernel 'rfb': did you mean 'rbf'"),
        (lambda: InfoVAE(draws=1), "draws takes an integer from 2, got 1"),
        (lambda: InfoVAE(1.5), "alpha takes a number up to 1, got 1.5"),
        (lambda: SlicedWasserstein(samples=0), "samples takes an integer from 1, got 0"),
        (lambda: SlicedWasserstein(projections=0), "projections takes an integer from 1, got 0"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(tfvae.UserError) as refusal:
        make()
    assert words in str(refusal.value)
