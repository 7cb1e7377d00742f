"""The three gradients of the importance-weighted bounds, for `IWAE` and `MIWAE` alike."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distributions.coercible import concrete
from tfvae.objectives import CIWAE, ELBO, IWAE, MIWAE, PIWAE, Renyi

tfd = tfp.distributions
GRADIENTS = ("plain", "stl", "dreg")


# p(z) = N(0, I), p(x|z) = N(Wz + b, s²I) with orthogonal columns: the true posterior is diagonal.
W = np.float32([[1.0, 0.5], [0.5, -1.0], [0.8, 0.4], [-0.4, 0.8]])
S, X = 0.6, np.float32([1.5, -0.4, 0.3, 0.9])
PRECISION = 1 + (W**2).sum(0) / S**2
TRUE_LOC, TRUE_SCALE = (X @ W / S**2) / PRECISION, PRECISION**-0.5


def gradients(objective, repeats, seed=0, off=0.15):
    """The gradient of the loss of one x in many runs: [repeats, parameters] by part."""
    tile = [repeats, 1]
    loc = tf.tile(tf.constant(TRUE_LOC[None] + off, tf.float32), tile)
    raw = tf.tile(tf.constant(np.log(TRUE_SCALE)[None] + off, tf.float32), tile)
    bias, centre = tf.zeros([repeats, 4]), tf.zeros([repeats, 2])
    with tf.GradientTape() as tape:
        tape.watch([loc, raw, bias, centre])
        q = tfd.Independent(tfd.Normal(loc, tf.exp(raw)), 1)
        z, weights = objective.gate(q.sample(objective.samples, seed=(0, seed)))
        p = tfd.Independent(tfd.Normal(centre, 1.0), 1)
        mean = tf.einsum("kbd,ed->kbe", z, W) + bias
        latent = tfvae.Latent(z, q, p, gradient_weights=weights)
        output = tfvae.VAEOutput((latent,), tfd.Independent(tfd.Normal(mean, S), 1))
        loss = objective(tf.tile(X[None], tile), output).loss
    loc, raw, bias, centre = tape.gradient(loss, [loc, raw, bias, centre])
    return SimpleNamespace(
        encoder=np.concatenate([loc, raw], 1).astype(np.float64),
        decoder=bias.numpy(),
        prior=centre.numpy(),
        loss=loss.numpy(),
    )


def assert_same_mean(a, b, sigmas=4.5):
    """The means of paired draws agree within the standard error of their difference."""
    difference = a - b
    error = difference.std(0, ddof=1) / np.sqrt(len(difference))
    assert (np.abs(difference.mean(0)) < sigmas * error).all(), difference.mean(0) / error
    # The test could have failed: the mean is far from zero in its own standard error.
    assert (np.abs(b.mean(0)) > 10 * b.std(0) / np.sqrt(len(b))).all()


@pytest.mark.parametrize("make", [lambda g: IWAE(5, g), lambda g: MIWAE(4, 5, g)])
def test_the_value_is_the_same(make):
    losses = [gradients(make(g), 50).loss for g in GRADIENTS]
    np.testing.assert_array_equal(losses[0], losses[1])
    np.testing.assert_array_equal(losses[0], losses[2])


@pytest.mark.parametrize("make", [lambda g: IWAE(5, g), lambda g: MIWAE(4, 5, g)])
def test_decoder_and_prior_get_the_plain_gradient(make):
    plain, stl, dreg = (gradients(make(g), 50) for g in GRADIENTS)
    for other in (stl, dreg):
        np.testing.assert_allclose(other.decoder, plain.decoder, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(other.prior, plain.prior, rtol=1e-5, atol=1e-6)
        assert np.abs(other.encoder - plain.encoder).max() > 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda g: IWAE(1, g),
        lambda g: IWAE(5, g),
        lambda g: IWAE(40, g),
        lambda g: MIWAE(3, 4, g),
        lambda g: PIWAE(3, 4, g),
        lambda g: CIWAE(0.3, samples=5, gradient=g),
        lambda g: Renyi(0.5, samples=5, gradient=g),
        lambda g: Renyi(-0.5, samples=5, gradient=g),
    ],
)
def test_the_expectation_of_dreg_is_the_plain_one_and_its_variance_lower(make):
    plain, dreg = (gradients(make(g), 20_000).encoder for g in ("plain", "dreg"))
    assert_same_mean(plain, dreg)
    assert (dreg.var(0) < 0.5 * plain.var(0)).all(), dreg.var(0) / plain.var(0)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_piwae_trains_the_decoder_by_iwae_and_the_encoder_by_miwae(gradient):
    partial = gradients(PIWAE(3, 4, gradient), 50)
    decoder, encoder = gradients(IWAE(12), 50), gradients(MIWAE(3, 4, gradient), 50)
    np.testing.assert_allclose(partial.loss, decoder.loss, rtol=1e-6)
    for part, whole in [
        (partial.decoder, decoder.decoder),
        (partial.prior, decoder.prior),
        (partial.encoder, encoder.encoder),
    ]:
        np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-5)
    # The test could have failed: the two bounds differ, and so do their gradients.
    assert np.abs(gradients(IWAE(12, gradient), 50).encoder - encoder.encoder).max() > 0.1
    assert np.abs(encoder.decoder - decoder.decoder).max() > 0.1


def test_piwae_trains_an_encoder_whose_bounds_have_no_weight():
    """Far from the posterior one bound has all of the weight: the others count as in MIWAE."""
    for gradient in GRADIENTS:
        partial, whole = (gradients(make(4, 2, gradient), 50, off=4.0) for make in (PIWAE, MIWAE))
        np.testing.assert_allclose(partial.encoder, whole.encoder, rtol=1e-4, atol=1e-2)
        assert np.isfinite(partial.decoder).all()


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_ciwae_is_a_combination_and_renyi_lies_between(gradient):
    elbo, iwae = gradients(MIWAE(5, 1, gradient), 50), gradients(IWAE(5, gradient), 50)

    def assert_same(objective, share):
        found = gradients(objective, 50)
        for part in ("loss", "encoder", "decoder", "prior"):
            a, b = getattr(elbo, part), getattr(iwae, part)
            truth = share * a + (1 - share) * b
            np.testing.assert_allclose(getattr(found, part), truth, rtol=1e-4, atol=2e-5)

    for share in (0.0, 0.3, 1.0):
        assert_same(CIWAE(share, samples=5, gradient=gradient), share)
    assert_same(Renyi(1.0, samples=5, gradient=gradient), 1.0)
    assert_same(Renyi(0.0, samples=5, gradient=gradient), 0.0)
    between = gradients(Renyi(0.5, samples=5, gradient=gradient), 50).loss
    assert (iwae.loss < between).all()
    assert (between < elbo.loss).all()
    # Near 1, where the bound is a difference divided by almost nothing.
    near = gradients(Renyi(0.99, samples=5, gradient=gradient), 50).loss
    np.testing.assert_allclose(near, elbo.loss + 0.01 * 2 * (between - elbo.loss), atol=2e-3)


def test_the_renyi_bound_of_many_draws_is_the_one_in_closed_form():
    alpha, draws = 0.4, 20_000
    found = -gradients(Renyi(alpha, samples=draws), 1, off=0.0).loss
    # At the true posterior every bound is log p(x).
    truth = scipy.stats.multivariate_normal(np.zeros(4), np.float64(W) @ W.T + S**2 * np.eye(4))
    np.testing.assert_allclose(found, truth.logpdf(X), rtol=1e-4)
    # Off it by a shift s of the mean alone, log w has the mean log p(x) − v/2 and the variance v,
    # v = Σ s²/σ², so that the bound is log p(x) − α v/2.
    shift = 0.3 * TRUE_SCALE
    q = tfd.Independent(tfd.Normal(np.float32([TRUE_LOC + shift]), np.float32(TRUE_SCALE)), 1)
    z = q.sample(draws, seed=(0, 7))
    mean = tf.einsum("kbd,ed->kbe", z, W)
    p = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
    output = tfvae.VAEOutput((tfvae.Latent(z, q, p),), tfd.Independent(tfd.Normal(mean, S), 1))
    loss = Renyi(alpha, samples=draws)(X[None], output).loss
    variance = np.sum((shift / TRUE_SCALE) ** 2)
    wanted = truth.logpdf(X) - alpha * variance / 2
    assert abs(-float(loss[0]) - wanted) < 4.5 * np.sqrt(variance / draws)
    assert alpha * variance / 2 > 10 * np.sqrt(variance / draws)


def test_the_expectation_of_stl_is_the_plain_one_for_one_sample_alone():
    plain, stl = (gradients(IWAE(1, g), 20_000).encoder for g in ("plain", "stl"))
    assert_same_mean(plain, stl)
    dreg = gradients(IWAE(1, "dreg"), 20_000).encoder
    np.testing.assert_allclose(stl, dreg, rtol=1e-5, atol=1e-6)  # added up in another order
    # Of several samples it is another (Tucker et al., Section 5).
    plain, stl = (gradients(IWAE(5, g), 20_000).encoder for g in ("dreg", "stl"))
    difference = plain - stl
    error = difference.std(0, ddof=1) / np.sqrt(len(difference))
    assert (np.abs(difference.mean(0)) > 20 * error).all()


@pytest.mark.parametrize("gradient", ["stl", "dreg"])
def test_at_the_true_posterior_the_encoder_has_no_gradient_at_all(gradient):
    assert np.abs(gradients(IWAE(5, gradient), 100, off=0.0).encoder).max() < 1e-4
    assert np.abs(gradients(IWAE(5), 100, off=0.0).encoder).max() > 0.1


def test_the_elbo_without_the_score():
    """The ELBO is the mean of bounds of one draw each; its rate is estimated at the draws."""
    found, truth = (gradients(o, 50) for o in (ELBO(samples=5, gradient="stl"), MIWAE(5, 1, "stl")))
    for part in ("loss", "encoder", "decoder", "prior"):
        a, b = getattr(found, part), getattr(truth, part)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)
    here = [{"off": 0.0, "repeats": 100}, {"off": 0.15, "repeats": 50}]
    stl = [gradients(ELBO(samples=5, gradient="stl"), **at).encoder for at in here]
    plain = gradients(ELBO(samples=5, kl="monte_carlo"), **here[0]).encoder
    assert np.abs(stl[0]).max() < 1e-4 < 0.1 < np.abs(plain).max()
    # Free bits below the rate change nothing of it, and with beta the rate alone is weighed.
    same = gradients(ELBO(samples=5, gradient="stl", free_bits=1e-9), 50).encoder
    np.testing.assert_allclose(same, stl[1], rtol=1e-5, atol=1e-6)
    weighed = [gradients(ELBO(b, samples=5, gradient="stl"), 50).encoder for b in (0.0, 2.0)]
    np.testing.assert_allclose(weighed[1] - stl[1], stl[1] - weighed[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.5, -0.5])
def test_the_renyi_bound_without_the_score_is_what_it_says(alpha):
    """The sum of w̃ ∂ log w/∂z ∂z/∂φ, by hand for a normal posterior."""
    found = gradients(Renyi(alpha, samples=5, gradient="stl"), 50)
    loc, scale = TRUE_LOC + 0.15, TRUE_SCALE * np.exp(0.15)
    q = tfd.Independent(tfd.Normal(np.float32(np.tile(loc, (50, 1))), np.float32(scale)), 1)
    z = np.float64(q.sample(5, seed=(0, 0)))
    log_w = scipy.stats.norm.logpdf(X, z @ W.T, S).sum(-1)
    log_w += scipy.stats.norm.logpdf(z).sum(-1) - scipy.stats.norm.logpdf(z, loc, scale).sum(-1)
    shares = scipy.special.softmax((1 - alpha) * log_w, axis=0)
    slope = (X - z @ W.T) @ W / S**2 - z + (z - loc) / scale**2  # of log w in z
    by_hand = [(shares[..., None] * slope * way).sum(0) for way in (1.0, z - loc)]
    np.testing.assert_allclose(found.encoder, -np.concatenate(by_hand, 1), rtol=1e-3, atol=1e-3)


def flow_gradients(objective, repeats=80, batch=250):
    """The gradient in all that an inverse autoregressive flow has: [repeats, parameters]."""
    keras.utils.set_random_seed(5)
    flow = tfvae.layers.InverseAutoregressiveFlow(2, steps=2, hidden=[4], context_size=2)
    row = tf.constant(np.random.default_rng(0).normal(size=[1, flow.params_size]), tf.float32)
    flow(row)
    x = tf.tile(X[None], [batch, 1])
    prior = tfd.Independent(tfd.Normal(tf.zeros([batch, 2]), 1.0), 1)

    @tf.function
    def run(seed):
        with tf.GradientTape() as tape:
            tape.watch(row)
            q = concrete(flow(tf.tile(row, [batch, 1])))
            z, weights = objective.gate(q.sample(objective.samples, seed=tf.stack([0, seed])))
            likelihood = tfd.Independent(tfd.Normal(tf.einsum("kbd,ed->kbe", z, W), 2.0), 1)
            latent = tfvae.Latent(z, q, prior, gradient_weights=weights)
            output = tfvae.VAEOutput((latent,), likelihood)
            loss = tf.reduce_mean(objective(x, output).loss)
        found = tape.gradient(loss, [row, *flow.trainable_weights])
        return tf.concat([tf.reshape(g, [-1]) for g in found], axis=0)

    return np.stack([run(tf.constant(seed)) for seed in range(repeats)]).astype(np.float64)


@pytest.mark.parametrize(("samples", "gradient"), [(1, "stl"), (4, "dreg")])
def test_the_expectation_is_the_plain_one_for_a_flow_as_posterior(samples, gradient):
    """Whose log q(z) depends on the encoder through its own weights as well."""
    plain, other = (flow_gradients(IWAE(samples, g)) for g in ("plain", gradient))
    assert plain.shape[1] > 40
    difference = plain - other
    error = difference.std(0, ddof=1) / np.sqrt(len(difference))
    assert (np.abs(difference.mean(0)) < 4.5 * error + 1e-6).all(), difference.mean(0) / error
    # The test could have failed: the two differ in each run, and the mean stands out of the noise.
    assert (error > 0).mean() > 0.6  # the masks leave some without a gradient
    assert np.linalg.norm(plain.mean(0)) > 20 * np.linalg.norm(error)
    assert other.var(0).sum() < plain.var(0).sum()


def test_signal_to_noise():
    """With K, that of the plain gradient falls as 1/√K and that of DReG rises as √K."""
    ratio = {}
    for gradient in ("plain", "dreg"):
        for samples in (4, 64):
            draws = gradients(IWAE(samples, gradient), 4000).encoder
            signal = gradients(IWAE(samples, "dreg"), 4000, seed=1).encoder.mean(0)
            ratio[gradient, samples] = np.abs(signal) / draws.std(0)
    plain = ratio["plain", 64] / ratio["plain", 4]
    dreg = ratio["dreg", 64] / ratio["dreg", 4]
    assert (plain < 0.5).all(), plain  # 1/4 in theory
    assert (dreg > 2.0).all(), dreg  # 4 in theory


# A second implementation: explicit Jacobians of every draw.


def by_hand(vae, x, bounds, samples, gradient, seed):
    """The gradients of −mean over x of the bound, by encoder's and decoder's weights."""
    count = bounds * samples
    encoder, decoder = vae.encoder.trainable_weights, vae.decoder.trainable_weights
    with tf.GradientTape(persistent=True) as tape:
        q = vae.encode(x)
        z = q.sample(count, seed=tfvae.distribute.as_seed(seed))  # [M*K, B, 2]
    dz = [j.numpy() for j in tape.jacobian(z, encoder)]
    here = z.numpy()
    loc, scale = q.distribution.loc.numpy(), q.distribution.scale.numpy()
    log_w, at_z = np.zeros(here.shape[:2]), np.zeros(here.shape)
    total = {w.path: np.zeros(w.shape) for w in encoder + decoder}
    by_theta = {}
    for k in range(count):
        for b in range(len(x)):
            point = tf.constant(here[k, b][None])
            with tf.GradientTape(persistent=True) as inner:
                inner.watch(point)
                log_likelihood = vae.decode(point).log_prob(x[b : b + 1])[0]
                prior = -0.5 * tf.reduce_sum(point**2) - np.log(2 * np.pi)
                posterior = -0.5 * tf.reduce_sum(((point - loc[b]) / scale[b]) ** 2)
                posterior -= tf.reduce_sum(tf.math.log(scale[b])) + np.log(2 * np.pi)
                weight = log_likelihood + prior - posterior
            log_w[k, b] = weight
            at_z[k, b] = inner.gradient(weight, point)[0]
            by_theta[k, b] = [g.numpy() for g in inner.gradient(log_likelihood, decoder)]
    normalized = scipy.special.softmax(log_w.reshape(bounds, samples, -1), axis=1)
    normalized = normalized.reshape(count, -1)
    power = normalized**2 if gradient == "dreg" else normalized
    for weight, jacobian in zip(encoder, dz, strict=True):
        total[weight.path] -= np.einsum("kb,kbd,kbd...->...", power, at_z, jacobian)
    if gradient == "plain":
        with tf.GradientTape() as tape:
            score = tf.reduce_sum(normalized * vae.encode(x).log_prob(tf.stop_gradient(z)))
        for weight, g in zip(encoder, tape.gradient(score, encoder), strict=True):
            total[weight.path] += g.numpy()
    for (k, b), grads in by_theta.items():
        for weight, g in zip(decoder, grads, strict=True):
            total[weight.path] -= normalized[k, b] * g
    return {path: g / (bounds * len(x)) for path, g in total.items()}


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize(("bounds", "samples"), [(1, 4), (2, 3)])
def test_the_step_of_the_model_is_the_one_by_hand(make_vae, binary, gradient, bounds, samples):
    objective = IWAE(samples, gradient) if bounds == 1 else MIWAE(bounds, samples, gradient)
    vae = make_vae(objective=objective, seed=3)
    for weight in vae.weights:  # weights and biases that tell the draws apart
        weight.assign(weight + 0.5 * tf.random.stateless_normal(weight.shape, (1, 2)))
    x = binary[:3]
    truth = by_hand(vae, x, bounds, samples, gradient, tfvae.distribute.replica_seed(3, 0))
    before = {w.path: w.numpy() for w in vae.trainable_weights}
    vae.compile(keras.optimizers.SGD(1.0))
    vae.fit(x, batch_size=3, shuffle=False, verbose=0)
    assert max(np.abs(g).max() for g in truth.values()) > 0.1
    for weight in vae.trainable_weights:
        step = before[weight.path] - weight.numpy()
        np.testing.assert_allclose(
            step, truth[weight.path], rtol=1e-4, atol=2e-6, err_msg=weight.path
        )


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_steps_on_two_replicas_are_the_steps_on_one(
    same_noise_everywhere, mirrored, binary, assert_same_weights, gradient
):
    data = tf.data.Dataset.from_tensor_slices(binary[:14]).batch(7)  # 4 and 3
    one = same_noise_everywhere(lambda: MIWAE(2, 3, gradient))
    start = one.get_weights()
    with mirrored.scope():
        two = same_noise_everywhere(lambda: MIWAE(2, 3, gradient))
    logs = [vae.fit(data, verbose=0).history for vae in (one, two)]
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(start, one.get_weights(), strict=True)) > 0.01
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-5, err_msg=name)


def test_the_gate_leaves_the_gradient_of_what_is_no_loss(make_vae, binary):
    """A user's own gradient, and that of `vae.elbo`, are as with any objective."""
    grads = []
    for gradient in ("plain", "dreg"):
        vae = make_vae(objective=IWAE(5, gradient))
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(vae.reconstruct(binary, seed=1)) + tf.reduce_sum(
                vae(binary, samples=3, seed=2).latents[0].z
            )
        grads.append(tape.gradient(value, vae.encoder.trainable_weights))
    assert max(np.abs(g).max() for g in grads[0]) > 0.1
    for a, b in zip(*grads, strict=True):
        np.testing.assert_array_equal(a, b)


def test_mixed_precision_weighs_in_float32(policy, make_vae, binary):
    policy("mixed_bfloat16")
    vae = make_vae(objective=IWAE(5, "dreg"))
    vae.compile(keras.optimizers.Adam(0.01))
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    output = vae(binary, samples=5, seed=0)
    assert output.latents[0].z.dtype == tf.float32
    loss, terms = vae.objective(binary, output)
    assert {loss.dtype, *(t.dtype for t in terms.values())} == {tf.float32}


# What is refused.


class Code(keras.layers.Layer):
    def __init__(self, make):
        super().__init__()
        self.make = make
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.make(self.dense(tf.reshape(x, [-1, 6])))


@pytest.mark.parametrize(
    ("make", "prior", "words"),
    [
        (
            lambda p: tfd.Independent(tfd.Deterministic(p), 1),
            None,
            "is a deterministic code, which has none: take ELBO",
        ),
        (tfd.VectorDeterministic, None, "is a deterministic code"),
        (
            lambda p: tfd.OneHotCategorical(logits=p, dtype=tf.float32),
            tfd.OneHotCategorical(logits=[0.0, 0.0], dtype=tf.float32),
            "pass none on: take a reparameterized posterior",
        ),
    ],
)
def test_a_posterior_is_refused_when_the_model_is_built(make_vae, make, prior, words):
    vae = tfvae.VAE(Code(make), make_vae(built=False).decoder, prior, IWAE(5))
    with pytest.raises(tfvae.UserError) as refusal:
        vae.build((None, 3, 2, 1))
    assert words in str(refusal.value)


def _two_groups(objective):
    def latent(shift):
        q = tfd.Independent(tfd.Normal(tf.fill([4, 2], shift), 1.0), 1)
        z, weights = objective.gate(q.sample(objective.samples, seed=(1, 2)))
        p = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
        return tfvae.Latent(z, q, p, gradient_weights=weights)

    high, low = latent(0.5), latent(1.0)
    return tfvae.VAEOutput((high, low), tfd.Independent(tfd.Normal(low.z, 1.0), 1))


def test_several_groups():
    x = np.ones((4, 2), np.float32)
    for gradient in ("plain", "stl"):
        objective = IWAE(6, gradient)
        output = _two_groups(objective)
        log_w = output.likelihood.log_prob(x)
        for z, q, p, *_ in output.latents:
            log_w += p.log_prob(z) - q.log_prob(z)
        loss = objective(x, output).loss
        np.testing.assert_allclose(
            -loss, scipy.special.logsumexp(log_w, axis=0) - np.log(6), rtol=1e-5
        )
    for objective in (IWAE(6, "dreg"), PIWAE(2, 3)):
        with pytest.raises(
            tfvae.UserError, match="one group of latent variables, and the model ha"
        ):
            objective(x, _two_groups(objective))


def test_a_draw_that_has_not_passed_the_gate_is_refused():
    output = _two_groups(IWAE(6))
    output = tfvae.VAEOutput(output.latents[:1], output.likelihood)
    with pytest.raises(tfvae.UserError, match="let the latent structure's `infer` pass it"):
        IWAE(6, "dreg")(np.ones((4, 2), np.float32), output)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IWAE(0), "samples takes an integer from 1, got 0"),
        (lambda: IWAE(2.5), "samples takes an integer from 1, got 2.5"),
        (lambda: IWAE("5"), "samples takes an integer from 1, got '5'"),
        (lambda: CIWAE(1.5), "beta takes a number up to 1, got 1.5"),
        (lambda: CIWAE(-0.5), "beta takes a number from 0, got -0.5"),
        (lambda: PIWAE(2, 0), "samples takes an integer from 1, got 0"),
        (lambda: MIWAE(0, 5), "bounds takes an integer from 1, got 0"),
        (lambda: IWAE(5, "drag"), "unknown gradient 'drag': did you mean 'dreg'"),
        (lambda: MIWAE(2, 5, "std"), "unknown gradient 'std'"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(tfvae.UserError) as refusal:
        make()
    assert words in str(refusal.value)
