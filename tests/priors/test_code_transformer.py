import itertools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import latents, layers, networks, priors
from tfvae.priors.temperature import tempered


@pytest.fixture
def transformer():
    """A transformer off its start, which is uniform, and counted as fitted."""

    def make(shape=(2, 2), codes=3, fitted=1.0, **options):
        keras.utils.set_random_seed(3)
        prior = priors.CodeTransformer(8, 2, 2, **options)
        prior.build(shape, codes)
        rng = np.random.default_rng(0)
        for weight in prior.weights:
            weight.assign_add(0.5 * rng.normal(size=weight.shape).astype(np.float32))
        prior.fitted.assign(fitted)
        return prior

    return make


def all_maps(codes, shape):
    maps = np.array(list(itertools.product(range(codes), repeat=int(np.prod(shape)))), np.int32)
    return maps.reshape([-1, *shape])


def test_probabilities_of_all_maps_sum_to_one(transformer):
    log_probs = transformer().distribution().log_prob(all_maps(3, (2, 2))).numpy()
    assert log_probs.std() > 0.5
    assert np.exp(log_probs).sum() == pytest.approx(1.0, rel=1e-5)


def test_uniform_until_it_is_fitted(transformer):
    prior = priors.CodeTransformer(8, 2, 1)
    prior.build((2, 2), 3)
    maps = all_maps(3, (2, 2))
    for fitted in (0.0, 1.0):
        prior.fitted.assign(fitted)
        np.testing.assert_allclose(
            prior.distribution().log_prob(maps), np.full(81, -4 * np.log(3)), rtol=1e-5
        )


def test_no_position_looks_at_itself_or_ahead(transformer):
    prior = transformer(shape=(2, 3), codes=4)
    codes = np.random.default_rng(1).integers(0, 4, (1, 6)).astype(np.int32)
    logits = prior.network(tf.constant(codes))
    # By the Jacobian: the features of position j carry the code before it.
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(prior.network.place.value)
        sums = tf.unstack(tf.reduce_sum(prior.network(tf.constant(codes)) ** 2, axis=-1)[0])
    rows = [tape.gradient(one, prior.network.place.value) for one in sums]
    jacobian = np.abs(np.stack(rows)).max(-1)
    np.testing.assert_array_equal(jacobian[np.triu_indices(6, 1)], 0.0)
    assert np.all(jacobian[np.tril_indices(6)] > 0)
    # By changing a code: what stands at it and before it does not see it, all behind it do.
    for j in range(6):
        changed = codes.copy()
        changed[0, j] = (changed[0, j] + 1) % 4
        moved = np.abs(prior.network(tf.constant(changed)) - logits).max(-1)[0]
        np.testing.assert_array_equal(moved[: j + 1], 0.0)
        assert np.all(moved[j + 1 :] > 0)


def test_draws_follow_the_probabilities(transformer):
    prior = transformer(shape=(1, 2))
    maps = all_maps(3, (1, 2))
    p = np.exp(np.float64(prior.distribution().log_prob(maps)))
    draws = prior.distribution().sample(6000, seed=(0, 1)).numpy()
    counts = [(draws == one).all((1, 2)).sum() for one in maps]
    assert scipy.stats.chisquare(counts, 6000 * p / p.sum()).pvalue > 1e-3
    cold = tempered(prior.distribution(), 0.0).sample(20, seed=(0, 1)).numpy()
    assert (cold == cold[0]).all()


def test_batches_of_any_rank(transformer):
    distribution = transformer().distribution()
    maps = all_maps(3, (2, 2))
    flat = distribution.log_prob(maps)
    np.testing.assert_allclose(
        distribution.log_prob(maps.reshape([9, 9, 2, 2])), np.reshape(flat, [9, 9]), rtol=1e-5
    )
    assert distribution.log_prob(maps[0]).shape == ()


def test_it_learns_what_one_code_says_of_the_next():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 6, (600, 1))
    codes = np.concatenate([first, (first + 1) % 6], axis=1)[:, :, None]
    keras.utils.set_random_seed(0)
    prior, single = (
        priors.CodeTransformer(32, 2, 1, steps=300, learning_rate=5e-3),
        priors.CodePrior(),
    )
    rates = []
    for model in (prior, single):
        model.build((2, 1), 6)
        model.fit(codes[:500], seed=1)
        rates.append(-np.mean(model.distribution().log_prob(codes[500:])))
    assert rates[0] < np.log(6) + 0.1  # the first code says what the second is
    assert rates[1] > 2 * np.log(6) - 0.1


@pytest.mark.exhaustive
def test_fitting_can_be_repeated_and_leaves_the_seeds_alone(transformer):
    codes = np.random.default_rng(0).integers(0, 3, (40, 2, 2))
    found = []
    for drawn_before in (0, 5):
        prior = transformer(fitted=0.0, steps=4)
        tf.random.normal([drawn_before])
        prior.fit(codes, seed=2)
        assert float(prior.fitted) == 1.0
        found.append(prior.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_heads_have_to_divide_the_width():
    with pytest.raises(tfvae.UserError, match="heads=3 does not divide width=8"):
        priors.CodeTransformer(8, 3)


def test_inside_a_model_it_waits_for_its_own_fit(tmp_path, binary):
    keras.utils.set_random_seed(0)
    vae = tfvae.VAE(
        networks.BottomUp([keras.layers.Flatten(), keras.layers.Dense(4)]),
        networks.Decoder(networks.MLP([4]), layers.IndependentBernoulli((3, 2, 1))),
        latents=latents.VectorQuantizer(4, priors.CodeTransformer(8, 2, 1, steps=40), size=2),
    )
    vae.compile(keras.optimizers.Adam(0.01))
    vae.build((None, 3, 2, 1))
    prior = vae.latents.code_prior
    before = prior.get_weights()
    logs = vae.fit(binary, verbose=0).history
    assert logs["rate"][0] == pytest.approx(2 * np.log(4), rel=1e-5)
    for one, other in zip(before, prior.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    vae.latents.finish(vae, tf.data.Dataset.from_tensor_slices(binary).batch(16))
    assert np.mean(vae.elbo(binary)) > logs["elbo"][0]
    rate = -np.mean(vae.prior().log_prob(vae.encode(binary).mode()))
    assert rate < 2 * np.log(4) - 0.1
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(same.sample(5, seed=1), vae.sample(5, seed=1))
    np.testing.assert_allclose(same.elbo(binary, seed=1), vae.elbo(binary, seed=1), rtol=1e-6)
    assert len(same.trainable_weights) == len(vae.trainable_weights) == 6
    same.fit(binary, verbose=0)
    assert int(same.step) == int(vae.step) + 2


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.exhaustive
def test_a_fit_is_a_function_of_the_codes_and_the_seed_alone(labels):
    rng = np.random.default_rng(0)
    x = rng.random((23, 3, 2, 1)).astype(np.float32)
    context = np.arange(23) % 3

    def one_hot():
        return keras.layers.CategoryEncoding(3, output_mode="one_hot") if labels else None

    def fitted(order, global_seed, seed=7):
        keras.utils.set_random_seed(1)
        vae = tfvae.VAE(
            networks.BottomUp([networks.MLP([4])], conditioner=one_hot()),
            networks.Decoder(
                networks.MLP([4]), layers.IndependentBernoulli((3, 2, 1)), conditioner=one_hot()
            ),
            latents=latents.VectorQuantizer(
                8, priors.CodeTransformer(4, 1, 1, steps=5, batch_size=4), size=2,
                conditioner=one_hot(),
            ),
            seed=seed,
        )  # fmt: skip
        vae.build((None, 3, 2, 1), (None,) if labels else None)
        entries = np.random.default_rng(2).normal(size=(8, 2))
        vae.latents.codebook.entries.assign(entries)
        data = (x[order], context[order]) if labels else x[order]
        keras.utils.set_random_seed(global_seed)
        vae.latents.finish(vae, tf.data.Dataset.from_tensor_slices(data).batch(5))
        return vae.latents.code_prior.get_weights()

    same = np.arange(23)
    first = fitted(same, 1)
    for other in (fitted(same, 2), fitted(rng.permutation(23), 3)):
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b)
    other = fitted(same, 1, seed=8)
    assert any(np.any(a != b) for a, b in zip(first, other, strict=True))


def test_maps_without_weight_are_not_learned_from():
    """Two positions and two maps: weights for the positions would go unnoticed by their shape."""
    keras.utils.set_random_seed(3)
    prior = priors.CodeTransformer(8, 2, 1, steps=16, batch_size=2, learning_rate=0.1)
    prior.build((2,), 2)
    prior.fit(np.array([[0, 0], [1, 1]]), weights=np.array([0.0, 1.0]))
    assert float(prior.distribution().log_prob(np.array([1, 1]))) > np.log(0.8)
