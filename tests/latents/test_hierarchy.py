import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import latents, layers, networks
from tfvae.distributions.divergences import analytic_kl, kl_divergence
from tfvae.objectives import ELBO, IWAE

tfd = tfp.distributions
S1, S = 0.8, 0.5  # scales of p(h_1 | h_2) and of p(x | h_1)


def raw(scale, minimum=1e-3):
    """The inverse of `softplus(raw) + minimum`."""
    return np.log(np.expm1(scale - minimum))


def linear(network, gain, offset, covariance=None):
    """Sets a network without hidden layers: N(gain · input + offset, covariance)."""
    kernel, bias = gain.T, offset
    if covariance is not None:
        lower = np.linalg.cholesky(covariance)
        np.fill_diagonal(lower, raw(np.diag(lower), network.head.min_scale))
        lower = tfp.math.fill_triangular_inverse(lower).numpy()
        kernel = np.concatenate([kernel, np.zeros((len(kernel), len(lower)))], axis=1)
        bias = np.concatenate([bias, lower])
    network.projection.set_weights([kernel, bias])


def network(head, hidden=()):
    return networks.Encoder(networks.MLP(list(hidden), "tanh"), head)


def decoder(size, scale=S):
    return networks.Decoder(networks.MLP([]), layers.IndependentNormal(size, scale=scale))


@pytest.fixture
def two_layers():
    """h_2 in R², h_1 in R³, x in R⁴, all linear and normal: log p(x) and both posteriors."""

    def make(shift=0.0, objective=None):
        rng = np.random.default_rng(5)
        a, w = rng.normal(size=(3, 2)), rng.normal(size=(4, 3))
        c, b = rng.normal(size=3), rng.normal(size=4)
        prior = latents.StochasticLayers(
            inference=[
                network(layers.MultivariateNormalTriL(3)),
                network(layers.MultivariateNormalTriL(2)),
            ],
            generation=[network(layers.IndependentNormal(3, scale=S1))],
        )
        encoder = networks.BottomUp([networks.MLP([])])
        vae = tfvae.VAE(encoder, decoder(4), objective=objective, latents=prior)
        vae.build((None, 4))
        below = a @ a.T + S1**2 * np.eye(3)  # covariance of h_1
        marginal = w @ below @ w.T + S**2 * np.eye(4)  # of x
        gain = below @ w.T @ np.linalg.inv(marginal)
        linear(prior.inference[0], gain, c - gain @ (w @ c + b) + shift, below - gain @ w @ below)
        top = np.linalg.inv(np.eye(2) + a.T @ a / S1**2)
        gain = top @ a.T / S1**2
        linear(prior.inference[1], gain, -gain @ c - shift, top)
        linear(prior.generation[0], a, c)
        linear(vae.decoder, w, b)
        x = rng.multivariate_normal(w @ c + b, marginal, size=6).astype(np.float32)
        return vae, x, scipy.stats.multivariate_normal(w @ c + b, marginal).logpdf(x)

    return make


def assert_elbo_is(truth, vae, x):
    """In expectation: closed forms of the rates leave the noise of the other terms."""
    elbos = np.stack([vae.elbo(x, 100, seed=seed) for seed in range(40)])
    error = elbos.std(axis=0, ddof=1) / np.sqrt(len(elbos))
    np.testing.assert_array_less(np.abs(elbos.mean(axis=0) - truth), 4 * error + 1e-4)


def test_every_weight_is_the_evidence_where_both_posteriors_are_exact(two_layers):
    vae, x, truth = two_layers()
    for estimate in (vae.log_prob(x, 1, seed=2), vae.log_prob(x, 7, seed=3)):
        np.testing.assert_allclose(estimate, truth, rtol=1e-4)
    assert_elbo_is(truth, vae, x)


def test_log_prob_of_a_shifted_posterior_is_the_evidence_from_below(two_layers):
    vae, x, truth = two_layers(shift=0.15)
    few = np.stack([vae.log_prob(x, 3, seed=seed) for seed in range(200)])
    error = few.std(axis=0) / np.sqrt(len(few))
    assert np.all(few.mean(axis=0) < truth + 3 * error)
    assert np.any(few.mean(axis=0) < truth - 3 * error)
    many = np.stack([vae.log_prob(x, 2000, seed=seed) for seed in range(10)])
    error = many.std(axis=0, ddof=1) / np.sqrt(len(many))
    np.testing.assert_array_less(np.abs(many.mean(axis=0) - truth), 4 * error + 1e-3)
    assert np.all(vae.elbo(x, 500, seed=0) < many.mean(axis=0))


def test_the_ladder_combines_prior_and_evidence_to_the_exact_posterior():
    # Diagonal maps: the evidence of x for h_1 is N((x − b)/w, (s/w)²), element by element.
    a, w, b = np.array([1.3, -0.7]), np.array([0.9, 1.6]), np.array([0.2, -0.5])
    blocks = [latents.LadderBlock(2, 0), latents.LadderBlock(2, 0, hidden=[])]
    structure = latents.TopDown(blocks)
    vae = tfvae.VAE(networks.BottomUp([networks.MLP([])]), decoder(2), latents=structure)
    vae.build((None, 2))
    zeros = np.zeros((2, 2))

    def diagonal(part, gain, offset, scale):
        kernel = np.concatenate([np.diag(gain), zeros], axis=1)
        part.projection.set_weights([kernel, np.concatenate([offset, raw(scale)])])

    marginal = w**2 * (a**2 + S1**2) + S**2
    variance = 1 / (1 + a**2 / (S1**2 + (S / w) ** 2))
    gain = variance * a / (S1**2 + (S / w) ** 2) / w
    diagonal(blocks[0].evidence, gain, -gain * b, np.sqrt(variance))
    diagonal(blocks[1].evidence, 1 / w, -b / w, S / w)
    diagonal(blocks[1].above, a, np.zeros(2), np.full(2, S1))
    linear(vae.decoder, np.diag(w), b)
    x = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    truth = scipy.stats.norm(b, np.sqrt(marginal)).logpdf(x).sum(-1)
    for estimate in (vae.log_prob(x, 1, seed=1), vae.log_prob(x, 5, seed=2)):
        np.testing.assert_allclose(estimate, truth, rtol=1e-4)
    assert_elbo_is(truth, vae, x)


# Every structure.


def _ladder():
    blocks = [
        latents.LadderBlock(2, 1),
        latents.LadderBlock(3, 0, [5]),
        latents.LadderBlock(4, 0, []),
    ]
    return networks.BottomUp([networks.MLP([6]), networks.MLP([5])]), latents.TopDown(blocks)


def _layers():
    prior = latents.StochasticLayers(
        inference=[network(layers.IndependentNormal(n)) for n in (4, 3, 2)],
        generation=[network(layers.IndependentNormal(n), [5]) for n in (3, 4)],
    )
    return networks.BottomUp([networks.MLP([6])]), prior


def _very_deep():
    options = {"filters": 4, "latent": 1, "bottleneck": 0.5}
    encoder = networks.BottomUp(networks.bottleneck_stages("2x1", 4))
    return encoder, latents.TopDown(latents.very_deep_blocks("2x2,1x1", **options))


EVENT = (2, 2, 1)
EVENTS = {
    _ladder: [(2,), (3,), (4,)],
    _layers: [(2,), (3,), (4,)],
    _very_deep: [(1, 1, 1), (2, 2, 1), (2, 2, 1)],
}
every_structure = pytest.mark.parametrize("structure", EVENTS)


@pytest.fixture
def x():
    return (np.random.default_rng(0).random((10, *EVENT)) < 0.4).astype(np.float32)


@pytest.fixture
def make():
    def make(structure, objective=None):
        keras.utils.set_random_seed(1)
        encoder, prior = structure()
        head = layers.IndependentBernoulli(EVENT)
        decoder = networks.Decoder(networks.MLP([5]), head)
        vae = tfvae.VAE(encoder, decoder, objective=objective, latents=prior)
        vae.build((None, *EVENT))
        rng = np.random.default_rng(2)
        for weight in vae.weights:  # off the zeros of the start
            if weight.dtype == "float32":
                weight.assign_add(0.2 * rng.normal(size=weight.shape).astype(np.float32))
        return vae

    return make


@every_structure
def test_groups_from_the_top_down(make, x, structure):
    vae, events = make(structure), EVENTS[structure]
    for samples, batch in [(None, (10,)), (3, (3, 10))]:
        output = vae(x, samples=samples, seed=0)
        assert [latent.z.shape for latent in output.latents] == [(*batch, *e) for e in events]
        for latent in output.latents:
            assert latent.prior.batch_shape == latent.posterior.batch_shape == batch
            assert latent.posterior.log_prob(latent.z).shape == batch
        assert output.likelihood.batch_shape == batch
    assert vae.prior().event_shape == vae.encode(x).event_shape == events[0]
    assert vae.encode(x).batch_shape == (10,)
    assert vae.prior().batch_shape == ()


@every_structure
def test_decoding_the_draws_gives_the_likelihood_of_the_call(make, x, structure):
    vae = make(structure)
    for samples in (None, 3):
        output = vae(x, samples=samples, seed=0)
        likelihood = vae.decode(tuple(latent.z for latent in output.latents))
        np.testing.assert_allclose(
            likelihood.log_prob(x), output.likelihood.log_prob(x), rtol=1e-5, atol=1e-5
        )


@every_structure
def test_the_prior_of_a_group_is_that_of_generation(make, x, structure):
    # The density of the lowest group, given those above, from a pass that knows nothing of x.
    vae = make(structure)
    output = vae(x, seed=0)
    above = [latent.z for latent in output.latents]
    found, _ = vae.latents.descend(10, lambda i, prior, state: above[i])
    for latent, prior in zip(output.latents, found, strict=True):
        np.testing.assert_allclose(
            latent.prior.log_prob(latent.z), prior.log_prob(latent.z), rtol=1e-5
        )


@every_structure
def test_groups_left_out_are_at_their_means(make, x, structure):
    vae = make(structure)
    means = vae.predict(x, verbose=0)["z"]
    top = means[0]
    groups = [top]

    def choose(i, prior, state):
        if i:
            groups.append(prior.mean())
        return groups[i]

    vae.latents.descend(10, choose)
    np.testing.assert_allclose(vae.decode(top).mean(), vae.decode(groups).mean(), rtol=1e-5)
    np.testing.assert_allclose(vae.decode((top,)).mean(), vae.decode(groups).mean(), rtol=1e-5)
    with pytest.raises(tfvae.UserError, match="has 4 groups: give 1 to 3"):
        vae.decode((*means, top))


@every_structure
def test_predict_gives_a_tuple_of_means(make, x, structure):
    vae = make(structure)
    predicted = vae.predict(x, batch_size=4, verbose=0)
    assert [z.shape for z in predicted["z"]] == [(10, *e) for e in EVENTS[structure]]
    np.testing.assert_allclose(predicted["z"][0], vae.encode(x).mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predicted["x"], vae.decode(predicted["z"]).mean(), rtol=1e-4)


@every_structure
def test_a_rate_for_each_group_and_a_floor_for_each(make, x, structure):
    vae = make(structure)
    output = vae(x, seed=0)
    rates = [np.mean(kl_divergence(latent)) for latent in output.latents]
    floor = float(np.median(rates))
    distortion = -output.likelihood.log_prob(x).numpy().mean()
    assert min(rates) < floor <= max(rates)
    terms = ELBO(free_bits=floor)(x, output)
    np.testing.assert_allclose(
        np.mean(terms.loss), distortion + sum(max(floor, rate) for rate in rates), rtol=1e-5
    )
    np.testing.assert_allclose(np.mean(terms.terms["rate"]), sum(rates), rtol=1e-5)


@every_structure
def test_rates_have_a_closed_form_where_the_groups_above_are_drawn_before(make, x, structure):
    vae = make(structure)
    for samples in (None, 3):
        latents = vae(x, samples=samples, seed=0).latents
        for latent in latents:
            closed = analytic_kl(latent.posterior, latent.prior)
            if structure is _layers and latent is not latents[0]:
                assert closed is None
                continue
            draws = latent.posterior.sample(4000, seed=1)
            weights = latent.posterior.log_prob(draws) - latent.prior.log_prob(draws)
            error = np.std(weights, axis=0) / np.sqrt(4000)
            assert closed.shape == weights.shape[1:]
            np.testing.assert_array_less(
                np.abs(np.mean(weights, axis=0) - closed), 5 * error + 1e-4
            )


@every_structure
def test_a_temperature_for_each_group(make, structure):
    vae = make(structure)
    prior = vae.latents

    def spread(temperature):
        return np.std(prior.generate(400, seed=3, temperature=temperature), axis=0).mean()

    assert spread(0.0) < 1e-5
    assert spread([0.0, 0.0, 1.0]) > 1e-3  # the lowest group alone
    assert spread((1.0, 1.0, 1.0)) == pytest.approx(spread(1.0))
    assert spread(0.3) < spread(1.0)
    with pytest.raises(tfvae.UserError, match="has 2 entries: give one number, or 3"):
        vae.sample(2, temperature=[1.0, 1.0])


@every_structure
def test_iwae_trains_every_group(make, x, structure):
    vae = make(structure, IWAE(4, gradient="stl"))
    vae.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    before = [weight.numpy() for weight in vae.trainable_weights]
    vae.fit(x, verbose=0)
    moved = [np.any(a != b) for a, b in zip(before, vae.trainable_weights, strict=True)]
    assert all(moved)


@every_structure
def test_gates_see_every_draw_with_its_axes(make, x, structure):
    vae, seen = make(structure), []

    def gate(z):
        seen.append(tuple(z.shape))
        return 0.0 * z, ["of this draw"]

    latents, code = vae.latents.infer(vae.encoder(x), samples=3, seed=None, gate=gate)
    assert sorted(seen) == sorted((3, 10, *e) for e in EVENTS[structure])
    assert all(not np.any(latent.z) for latent in latents)
    assert all(latent.gradient_weights == ["of this draw"] for latent in latents)
    zeros = tuple(np.zeros((3, 10, *e), np.float32) for e in EVENTS[structure])
    np.testing.assert_allclose(code, vae.latents.code(zeros), rtol=1e-5, atol=1e-6)


def test_refusals():
    head = layers.IndependentNormal(2)
    with pytest.raises(tfvae.UserError, match="2 layers are inferred and 0 generated"):
        latents.StochasticLayers([network(head), network(head)], [])
    with pytest.raises(tfvae.UserError, match="one Block or more"):
        latents.TopDown([])
    vae = tfvae.VAE(network(head), decoder(4), latents=latents.TopDown([latents.LadderBlock(2, 0)]))
    with pytest.raises(tfvae.UserError, match="the encoder returned a distribution"):
        vae(np.zeros((2, 4), np.float32))


# Very deep blocks.


def test_depths_from_a_string():
    blocks = latents.very_deep_blocks("14x2,7x3,1x1")
    assert [block.size for block in blocks] == [1, 7, 7, 7, 14, 14]
    assert [block.source for block in blocks] == [0, 1, None, None, 7, None]
    assert {block.depth for block in blocks} == {6}
    published = latents.very_deep_blocks("1x1,4m1,4x2,8m4,8x5")
    assert [block.size for block in published] == [1, 4, 4, 4, *[8] * 6]
    stages = networks.bottleneck_stages("28x2,28d2,14x2,14d2,7x3", 8)
    assert [(s.arguments["blocks"], s.pool) for s in stages] == [(2, 1), (2, 2), (3, 2)]
    assert {stage.arguments["depth"] for stage in stages} == {9}


@pytest.mark.parametrize(
    ("function", "depths", "words"),
    [
        (latents.very_deep_blocks, "14x2,seven", "has 'seven'"),
        (latents.very_deep_blocks, "0x2", "has '0x2'"),
        (latents.very_deep_blocks, "4x1,7x1", "4 cannot be unpooled to 7"),
        (lambda d: networks.bottleneck_stages(d, 4), "28x2,14x1", "on the 28x28 grid"),
        (lambda d: networks.bottleneck_stages(d, 4), "28d3", "28d3 cannot be pooled"),
    ],
)
def test_depths_that_do_not_read(function, depths, words):
    with pytest.raises(tfvae.UserError, match=words):
        function(depths)


def test_unpooling_is_by_nearest_neighbours_and_a_bias():
    block = latents.VeryDeepBlock(4, source=2, filters=3)
    bias = np.random.default_rng(0).normal(size=block.bias.shape)
    block.bias.assign(bias)
    state = np.random.default_rng(1).normal(size=(5, 2, 2, 3)).astype(np.float32)
    expected = state.repeat(2, axis=1).repeat(2, axis=2) + bias
    np.testing.assert_allclose(block.enter(tf.constant(state), 5), expected, rtol=1e-5, atol=1e-6)
    assert latents.VeryDeepBlock(4, filters=3).enter(state, 5) is state


def test_a_block_starts_as_a_standard_normal_and_its_prior_runs_free():
    block = latents.VeryDeepBlock(4, source=0, filters=3, latent=2)
    state = tf.random.normal([5, 4, 4, 3], seed=0)
    prior, passed = block.prior(state, 5)
    np.testing.assert_allclose(prior.mean(), 0.0)
    np.testing.assert_allclose(prior.stddev(), 1.0, rtol=2e-4)
    np.testing.assert_allclose(passed, state)
    last = block.prior_network.stack[-1]
    last.bias.assign([0, 0, 0, 0, 1.0, 2.0, 3.0])
    _, passed = block.prior(state, 5)
    np.testing.assert_allclose(passed, state + np.float32([1, 2, 3]), rtol=1e-5)


def test_last_kernels_are_scaled_by_the_depth():
    def spread(depth):
        block = latents.VeryDeepBlock(4, filters=64, latent=64, depth=depth)
        block.from_z.build((None, 4, 4, 64))
        block.residual.build((None, 4, 4, 64))
        kernels = [block.from_z.kernel, block.residual.stack[-1].kernel]
        assert np.std(block.residual.stack[1].kernel) == pytest.approx(1 / 8, rel=0.15)
        return [float(np.std(kernel)) for kernel in kernels]

    for one, hundred in zip(spread(1), spread(100), strict=True):
        assert hundred == pytest.approx(one / 10, rel=0.1)  # 1024 weights: 3 % of its error


def test_features_of_a_missing_grid_are_means_of_a_finer_one():
    block = latents.VeryDeepBlock(1, source=0)
    feature = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype(np.float32)
    other = np.zeros((5, 8, 8, 3), np.float32)
    found = block._on_grid((tf.constant(other), tf.constant(feature)))
    np.testing.assert_allclose(found[:, 0, 0], feature.mean((1, 2)), rtol=1e-5, atol=1e-6)
    with pytest.raises(tfvae.UserError, match="no features for the 3x3 grid"):
        latents.VeryDeepBlock(3)._on_grid((tf.constant(feature),))
