import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import latents, layers, networks, priors
from tfvae.latents.example_weights import example_weights
from tfvae.objectives import ELBO, IWAE
from tfvae.priors.temperature import tempered

EVENT = (2, 3, 1)


def quantizer(codes=4, size=2, shape=(6, 2), **options):
    """A quantizer by itself, built for maps of this shape."""
    q = latents.VectorQuantizer(codes, size=size, **options)
    q.prepare(tf.zeros([1, *shape]), EVENT)
    return q


def learn(q, vectors, seed=0):
    return q.infer(tf.convert_to_tensor(vectors), seed=seed, training=True)


@pytest.fixture
def x():
    return (np.random.default_rng(0).random((24, *EVENT)) < 0.4).astype(np.float32)


@pytest.fixture
def make():
    """A model of binary 2x3 images, with three codes of two numbers each."""

    def make(objective=None, pieces=3, **options):
        keras.utils.set_random_seed(1)
        options = {"codes": 5, "size": 2, **options}
        vae = tfvae.VAE(
            networks.BottomUp([networks.MLP([8], "tanh"), keras.layers.Dense(2 * pieces)]),
            networks.Decoder(networks.MLP([8]), layers.IndependentBernoulli(EVENT)),
            latents=latents.VectorQuantizer(**options),
            objective=objective,
        )
        vae.build((None, *EVENT))
        return vae

    return make


# The codebook.


def lloyd(points, centres, steps):
    """k-means: to the nearest centre, then each centre to the mean of its points."""
    for _ in range(steps):
        nearest = np.argmin(((points[:, None] - centres) ** 2).sum(-1), axis=1)
        centres = np.stack([points[nearest == k].mean(0) for k in range(len(centres))])
    return centres


def clouds(n=60):
    rng = np.random.default_rng(3)
    centres = np.array([[0, 0], [3, 0], [0, 3], [3, 3]])
    points = centres[rng.integers(0, 4, n)] + 0.6 * rng.normal(size=(n, 2))
    return points.astype(np.float32), rng


def test_without_memory_the_codebook_is_k_means():
    points, rng = clouds()
    q = quantizer(decay=0.0, restart=0.0)
    start = points[rng.permutation(60)[:4]]
    q.codebook.entries.assign(start)
    maps = points.reshape([10, 6, 2])
    for steps in range(1, 8):
        learn(q, maps)
        np.testing.assert_allclose(
            q.codebook.entries, lloyd(points, start, steps), rtol=1e-5, atol=1e-6
        )
    assert not np.allclose(q.codebook.entries, lloyd(points, start, 1))


def test_moving_means_of_counts_and_sums():
    points, _ = clouds()
    q = quantizer(decay=0.9, restart=0.0)
    q.codebook.entries.assign(points[:4])
    book, counts, sums = points[:4].astype(float), np.zeros(4), np.zeros((4, 2))
    for batch in np.split(points, 5):
        learn(q, batch.reshape([2, 6, 2]))
        nearest = np.argmin(((batch[:, None] - book) ** 2).sum(-1), axis=1)
        hot = np.eye(4)[nearest]
        counts, sums = 0.9 * counts + 0.1 * hot.sum(0), 0.9 * sums + 0.1 * hot.T @ batch
        seen = counts > 0
        book[seen] = sums[seen] / counts[seen, None]
        np.testing.assert_allclose(q.codebook.entries, book, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(q.codebook.counts, counts, rtol=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_weights_of_examples_reach_the_moving_means(replicas, mirrored):
    """Weight 0: as if the example were not there; weight 2: as if it were there twice."""
    points, _ = clouds()
    maps, weights = points.reshape([10, 6, 2]), np.array([0, 1, 2, 0, 1, 1, 2, 0, 1, 1], np.float32)

    def made():
        q = quantizer(decay=0.9, restart=0.0)
        q.codebook.entries.assign(points[:4])
        return q

    plain = made()
    learn(plain, np.repeat(maps, weights.astype(int), axis=0))
    if replicas == 1:
        weighted = made()
        with example_weights(tf.constant(weights)):
            learn(weighted, maps)
    else:
        with mirrored.scope():
            weighted = made()

        def step():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            mine = slice(4 * (1 - replica), 10 - 6 * replica)  # six of them, and four
            with example_weights(tf.constant(weights)[mine]):
                learn(weighted, tf.constant(maps)[mine])

        tf.function(lambda: mirrored.run(step))()
    for name in ("counts", "sums", "entries"):
        one, other = (getattr(q.codebook, name).numpy() for q in (plain, weighted))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(plain.perplexity.result(), weighted.perplexity.result(), rtol=1e-5)


def test_an_entry_is_not_put_onto_an_example_without_weight():
    points, _ = clouds()
    maps = np.concatenate([points.reshape([10, 6, 2]), np.full([10, 6, 2], 50.0, np.float32)])
    weights = np.repeat([1.0, 0.0], 10).astype(np.float32)[::-1]
    q = quantizer(restart=0.05)
    q.codebook.entries.assign(np.concatenate([points[:1], np.full([3, 2], 99.0, np.float32)]))
    with example_weights(tf.constant(weights)):
        learn(q, maps[::-1].copy(), seed=5)
    moved = q.codebook.entries.numpy()[1:]
    for entry in moved:
        assert np.isclose(points, entry, rtol=1e-5).all(axis=1).any()
    # Not all on one of them.
    assert len(np.unique(moved, axis=0)) > 1
    before = q.codebook.entries.numpy()
    with example_weights(tf.zeros([20])):
        learn(q, maps)
    np.testing.assert_allclose(q.codebook.entries, before, rtol=1e-5)


def test_weights_of_the_data_reach_codebook_and_prior(make, x):
    weights = np.r_[np.zeros(4), np.ones(20)].astype(np.float32)
    none = np.zeros([24, 0], np.float32)
    found = []
    for data in [(x, none, weights), (x[4:],)]:
        vae = make(restart=0.0)
        vae.compile(keras.optimizers.SGD(0.0))
        vae.train_on_batch(*data)
        vae.latents.fit(vae, tf.data.Dataset.from_tensors(data if len(data) == 3 else data[0]))
        found.append([w.numpy() for w in vae.latents.weights])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_the_codebook_learns_in_training_alone():
    points, _ = clouds()
    q = quantizer()
    before = q.codebook.entries.numpy()
    q.infer(tf.constant(points.reshape([10, 6, 2])), training=False)
    np.testing.assert_array_equal(q.codebook.entries, before)
    learn(q, points.reshape([10, 6, 2]))
    assert not np.allclose(q.codebook.entries, before)


@pytest.mark.parametrize("restart", [0.0, 0.05])
def test_an_entry_that_nobody_uses_is_put_onto_a_vector_of_the_batch(restart):
    points, _ = clouds()
    q = quantizer(restart=restart)
    far = np.array([99.0, 99.0], np.float32)
    q.codebook.entries.assign(np.concatenate([points[:3], far[None]]))
    learn(q, points.reshape([10, 6, 2]), seed=5)
    entry = q.codebook.entries.numpy()[3]
    if not restart:
        np.testing.assert_array_equal(entry, far)
        return
    assert np.isclose(points, entry, rtol=1e-5).all(axis=1).any()
    # A little above the bound, so that it is put elsewhere soon where it stays without use.
    np.testing.assert_allclose(
        q.codebook.counts[3], 0.05 * 1.1 * np.mean(q.codebook.counts[:3]) * 0.75, rtol=1e-5
    )
    used = set(np.asarray(q.codebook.nearest(tf.constant(points))))
    assert 3 in used


def test_an_entry_that_stays_without_use_is_put_elsewhere_in_ten_steps():
    """Put onto a vector that has an entry already, it would have waited for 300."""
    q = quantizer(codes=2, restart=0.05)
    q.codebook.entries.assign([[0.0, 0.0], [9.0, 9.0]])
    one = np.zeros([10, 6, 2], np.float32)
    moves, before = 0, q.codebook.entries.numpy()[1]
    for step in range(30):
        learn(q, one + 1e-3 * step, seed=step)  # all near the first entry
        after = q.codebook.entries.numpy()[1]
        moves, before = moves + bool(np.abs(after - before).max() > 5e-4), after
    assert moves >= 2
    # As soon as vectors are there that are nearer to it, it is used, and stays.
    two = np.concatenate([one, one + 5.0])
    for step in range(60):
        learn(q, two, seed=step)
    low, high = np.sort(q.codebook.entries, axis=0)[:, 0]
    assert abs(low) < 0.1
    assert high > 3.0  # the moving mean is on its way to 5


def test_the_gradient_passes_straight_through_and_holds_to_the_codebook(make):
    q = quantizer(commitment=0.7, restart=0.0)
    q.codebook.entries.assign(np.random.default_rng(0).normal(size=(4, 2)))
    v = tf.constant(np.random.default_rng(1).normal(size=(5, 6, 2)).astype(np.float32))
    w = np.random.default_rng(2).normal(size=(5, 6, 2)).astype(np.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(v)
        (latent,), code = q.infer(v, training=False)
        through = tf.reduce_sum(w * code)
        added = tf.reduce_mean(latent.penalty)
    np.testing.assert_allclose(tape.gradient(through, v), w)
    entries = q.codebook.entries.numpy()[latent.z]
    np.testing.assert_allclose(code, entries, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(added, 0.7 * ((v - entries) ** 2).numpy().sum(-1).mean(), rtol=1e-5)
    expected = 0.7 * 2 * (v - entries) / 30  # of five examples of six positions
    np.testing.assert_allclose(tape.gradient(added, v), expected, rtol=1e-4, atol=1e-6)


def test_the_commitment_is_part_of_the_loss(make, x):
    logs = {}
    for commitment in (0.0, 10.0):
        vae = make(commitment=commitment, restart=0.0)
        vae.compile(keras.optimizers.SGD(0.0))
        logs[commitment] = vae.evaluate(x, batch_size=24, verbose=0, return_dict=True)
    v = np.asarray(vae.latents.vectors(vae.encoder(x)))
    entries = vae.latents.codebook.entries.numpy()[vae.encode(x).mode()]
    distance = ((v - entries) ** 2).sum(-1).mean()
    assert logs[0.0]["loss"] == pytest.approx(-logs[0.0]["elbo"], rel=1e-5)
    assert logs[10.0]["loss"] == pytest.approx(10 * distance - logs[10.0]["elbo"], rel=1e-4)


@pytest.mark.parametrize(
    ("features", "size", "expected"),
    [((4, 3, 2), None, (4, 3, 2)), ((4, 3, 2), 2, (4, 3, 2)), ((4, 3, 6), 2, (4, 3, 3, 2)),
     ((6,), 2, (3, 2)), ((6,), None, (1, 6))],
)  # fmt: skip
def test_maps_and_vectors_in_pieces(features, size, expected):
    q = quantizer(size=size, shape=features)
    assert (q.event_shape, q.code_shape) == (expected[:-1], expected)
    v = np.arange(2 * np.prod(features), dtype=np.float32).reshape([2, *features])
    np.testing.assert_array_equal(q.vectors(v), v.reshape([2, *expected]))


# What the numbers mean.


def test_the_rate_is_log_k_for_each_position_and_log_prob_of_many_codes_the_elbo(make, x):
    vae = make(codes=17)  # 17³ maps are too many for a sum over them
    output = vae(x, samples=4)
    (latent,) = output.latents
    assert latent.z.shape == (4, 24, 3)
    assert latent.z.dtype == tf.int32
    np.testing.assert_array_equal(latent.posterior.log_prob(latent.z), np.zeros((4, 24)))
    assert np.all(latent.posterior.log_prob((latent.z + 1) % 17) == -np.inf)
    terms = ELBO()(x, vae(x)).terms
    np.testing.assert_allclose(terms["rate"], np.full(24, 3 * np.log(17)), rtol=1e-6)
    bits = (terms["distortion"] + terms["rate"]) / (6 * np.log(2))
    np.testing.assert_allclose(terms["bits_per_dim"], bits, rtol=1e-6)
    elbo = vae.elbo(x)
    np.testing.assert_allclose(elbo, terms["elbo"], rtol=1e-5)
    for samples in (1, 7):
        np.testing.assert_allclose(vae.log_prob(x, samples), elbo, rtol=1e-5)
    codes = vae.encode(x).mode()
    np.testing.assert_allclose(
        vae.decode(codes).log_prob(x), elbo + 3 * np.log(17), rtol=1e-4, atol=1e-4
    )


def test_the_categorical_prior_is_fitted_by_counting(make, x):
    vae = make()
    codes = vae.encode(x).mode().numpy()
    vae.latents.fit(vae, tf.data.Dataset.from_tensor_slices(x).batch(7))
    counts = np.stack([(codes == k).sum(0) for k in range(5)], axis=-1) + 1.0
    log_probs = np.log(counts / counts.sum(-1, keepdims=True))
    expected = sum(log_probs[i, codes[:, i]] for i in range(3))
    np.testing.assert_allclose(vae.prior().log_prob(codes), expected, rtol=1e-4)
    np.testing.assert_allclose(
        np.mean(ELBO()(x, vae(x)).terms["rate"]), -expected.mean(), rtol=1e-4
    )
    draws = vae.prior().sample(4000, seed=(0, 1)).numpy()
    for i in range(3):
        p = counts[i] / counts[i].sum()
        share = np.bincount(draws[:, i], minlength=5) / 4000
        np.testing.assert_array_less(np.abs(share - p), 4.5 * np.sqrt(p * (1 - p) / 4000))
    cold = tempered(vae.prior(), 0.0).sample(50, seed=(0, 1))
    np.testing.assert_array_equal(cold, np.tile(counts.argmax(-1), [50, 1]))


def test_perplexity_by_hand():
    perplexity = tfvae.metrics.Perplexity(4)
    perplexity.update_state(np.array([[0, 1], [0, 3]]))
    perplexity.update_state(np.array([0, 0]))
    p = np.array([4, 1, 1]) / 6
    assert float(perplexity.result()) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    perplexity.reset_state()
    assert float(perplexity.result()) == pytest.approx(1.0)


def test_perplexity_of_an_epoch_is_in_the_logs(make, x):
    vae = make(codes=8, restart=0.0)
    vae.latents.codebook.entries.assign(np.random.default_rng(1).normal(size=(8, 2)))
    vae.compile(keras.optimizers.SGD(0.0))
    p = np.bincount(np.ravel(vae.encode(x).mode()), minlength=8) / (24 * 3)
    p = p[p > 0]
    expected = np.exp(-(p * np.log(p)).sum())
    assert expected > 1.5
    found = vae.evaluate(x, batch_size=7, verbose=0, return_dict=True)["perplexity"]
    assert found == pytest.approx(expected, rel=1e-5)
    logs = vae.fit(x[:12], validation_data=(x[12:],), epochs=2, verbose=0).history
    assert {"perplexity", "val_perplexity"} <= set(logs)
    assert logs["perplexity"][0] == pytest.approx(logs["perplexity"][1], rel=0.7)


@pytest.mark.exhaustive
def test_a_model_learns_to_use_its_codes(x):
    rng = np.random.default_rng(4)
    patterns = np.eye(6, dtype=np.float32).reshape([6, *EVENT])
    data = patterns[rng.integers(0, 6, 512)]
    keras.utils.set_random_seed(1)
    vae = tfvae.VAE(
        networks.BottomUp([networks.MLP([16]), keras.layers.Dense(4)]),
        networks.Decoder(networks.MLP([16]), layers.IndependentBernoulli(EVENT)),
        latents=latents.VectorQuantizer(8),
    )
    vae.compile(keras.optimizers.Adam(0.01))
    logs = vae.fit(data, batch_size=64, epochs=80, verbose=0).history
    assert logs["distortion"][-1] < 0.5
    assert logs["perplexity"][-1] > 5
    vae.latents.fit(vae, tf.data.Dataset.from_tensor_slices(data).batch(64))
    # Six patterns, each as likely: no model of them has more than −log 6 nats.
    assert np.log(6) - 0.05 < -np.mean(vae.elbo(data)) < np.log(6) + 0.5
    draws = vae.sample(200, seed=0, mean=True).numpy().reshape([200, 6]).round()
    assert np.mean(draws.sum(-1) == 1) > 0.95


# Together with the rest.


@pytest.mark.parametrize("objective", [lambda: ELBO(samples=3), lambda: IWAE(5)])
def test_several_draws_of_a_deterministic_code_are_refused(make, objective):
    with pytest.raises(tfvae.UserError, match=r"asks for \d draws of z, .* is deterministic"):
        make(objective())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"codes": 1}, "codes takes an integer from 2"), ({"size": 0}, "size takes an integer from 1"),
     ({"decay": 1.0}, "decay=1.0"), ({"restart": -1}, "restart=-1")],
)  # fmt: skip
def test_refusals(arguments, words):
    with pytest.raises(tfvae.UserError, match=words):
        latents.VectorQuantizer(**arguments)


def test_encoders_that_do_not_fit():
    with pytest.raises(tfvae.UserError, match="size=4 does not divide the encoder's 6 channels"):
        quantizer(size=4, shape=(6,))
    encoder = networks.Encoder(networks.MLP([4]), layers.IndependentNormal(2))
    decoder = networks.Decoder(networks.MLP([4]), layers.IndependentBernoulli(EVENT))
    vae = tfvae.VAE(encoder, decoder, latents=latents.VectorQuantizer(4))
    with pytest.raises(tfvae.UserError, match="takes a map of vectors"):
        vae(np.zeros((2, *EVENT), np.float32))


def test_two_replicas_learn_the_codebook_of_one(make, x, mirrored, assert_same_weights):
    one = make(restart=0.0)
    with mirrored.scope():
        two = make(restart=0.0)
    logs = []
    for vae in (one, two):
        vae.compile(keras.optimizers.SGD(0.1))
        logs.append(vae.fit(tf.data.Dataset.from_tensor_slices(x).batch(12), verbose=0).history)
    assert_same_weights(one, two, rtol=1e-4, atol=1e-5)
    assert np.any(one.latents.codebook.counts > 0)
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-4, err_msg=name)


def test_restarts_and_a_fitted_prior_are_the_same_on_both_replicas(make, x, mirrored):
    with mirrored.scope():
        vae = make(codes=16, restart=0.5, code_prior=priors.CodeTransformer(8, 2, 1, steps=3))
    vae.compile(keras.optimizers.SGD(0.1))
    data = tf.data.Dataset.from_tensor_slices(x[:23]).batch(12)  # 6 and 6, 6 and 5
    vae.fit(data, epochs=2, verbose=0)
    vae.latents.fit(vae, data)
    for weight in vae.latents.weights:
        values = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(values[0], values[-1], err_msg=weight.path)
    assert len(np.unique(vae.latents.codebook.entries, axis=0)) == 16
    assert np.isfinite(vae.sample(3)).all()
