import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae.distributions.moments import mean_of
from tfvae.errors import UserError
from tfvae.layers import AutoregressiveNetwork, InverseAutoregressiveFlow, concrete


def flow(size=4, steps=3, batch=5, dtype="float64", **kwargs):
    """A layer far from the identity, and parameters for it."""
    options = {"context_size": 3, "hidden": [8], "gate_bias": 0.3, **kwargs}
    layer = InverseAutoregressiveFlow(size, steps=steps, dtype=dtype, **options)
    params = np.random.default_rng(0).normal(size=(batch, layer.params_size)).astype(dtype)
    layer.build(params.shape)
    return layer, tf.constant(params)


def foreign(z):
    """The same values, that no distribution knows."""
    return tf.constant(np.array(z))


@pytest.fixture
def calls(monkeypatch):
    """Counts the passes of the networks."""
    count = []
    original = AutoregressiveNetwork.call

    def call(self, *args, **kwargs):
        count.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(AutoregressiveNetwork, "call", call)
    return count


@pytest.mark.parametrize(("size", "steps"), [(4, 3), (4, 2), (1, 2)])
def test_density_is_that_of_the_numerical_jacobian(size, steps):
    layer, params = flow(size, steps, batch=1)
    q = concrete(layer(params))
    base = q.distribution
    epsilon = np.random.default_rng(1).normal(size=size)

    def draw(epsilon):
        u = base.distribution.loc + base.distribution.scale * epsilon
        return q.bijector.forward(tf.constant(u)).numpy()[0]

    h = 1e-6
    jacobian = np.stack(
        [(draw(epsilon + h * e) - draw(epsilon - h * e)) / (2 * h) for e in np.eye(size)], axis=1
    )
    expected = scipy.stats.norm.logpdf(epsilon).sum() - np.linalg.slogdet(jacobian)[1]
    z = draw(epsilon)[None]
    np.testing.assert_allclose(q.log_prob(foreign(z)), [expected], rtol=1e-7, atol=1e-8)
    if size > 1 and steps > 1:  # both triangles: the order is reversed in between
        assert np.abs(np.tril(jacobian, -1)).max() > 1e-3
        assert np.abs(np.triu(jacobian, 1)).max() > 1e-3


def test_inverse_of_forward():
    layer, params = flow()
    bijector = concrete(layer(params)).bijector
    x = np.random.default_rng(1).normal(size=(2, 5, 4))
    z = bijector.forward(tf.constant(x))
    assert np.abs(z - x).max() > 0.1
    np.testing.assert_allclose(bijector.inverse(foreign(z)), x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("compiled", [None, False, True], ids=["eager", "graph", "xla"])
def test_a_draw_and_its_density_are_one_pass(calls, compiled):
    layer, params = flow(steps=3)

    def run(params):
        q = concrete(layer(params))
        z = q.sample(6, seed=(0, 1))
        return z, q.log_prob(z)

    if compiled is not None:
        run = tf.function(run, jit_compile=compiled)
    z, log_prob = run(params)
    assert z.shape == (6, 5, 4)
    assert len(calls) == 3
    q = concrete(layer(params))
    del calls[:]
    np.testing.assert_allclose(q.log_prob(foreign(z)), log_prob, rtol=1e-10)
    assert len(calls) > 3  # a foreign value is inverted, element after element


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_gradients_of_a_remembered_and_of_an_inverted_draw_agree(compiled):
    layer, params = flow(size=3, steps=2)

    @tf.function(jit_compile=compiled)
    def gradients(params, remembered):
        with tf.GradientTape() as tape:
            tape.watch(params)
            q = concrete(layer(params))
            z = q.sample(3, seed=(0, 1))
            value = tf.reduce_sum(q.log_prob(z if remembered else tf.identity(z)) + z[..., 0])
        return tape.gradient(value, [params, *layer.trainable_weights])

    one, other = gradients(params, True), gradients(params, False)
    assert np.abs(one[0]).max() > 0.1
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_any_value_meets_every_context():
    layer, params = flow()
    q = concrete(layer(params))
    z = np.random.default_rng(2).normal(size=(7, 1, 4))
    together = q.log_prob(foreign(z))
    assert together.shape == (7, 5)
    for k in range(5):
        alone = concrete(layer(params[k : k + 1]))
        np.testing.assert_allclose(together[:, k], alone.log_prob(foreign(z[:, 0])), rtol=1e-10)


def test_each_step_begins_near_the_identity_and_the_context_matters():
    layer, params = flow(gate_bias=20.0)
    q = concrete(layer(params))
    x = np.random.default_rng(1).normal(size=(5, 4))
    np.testing.assert_allclose(q.bijector.forward(tf.constant(x)), x, atol=1e-6)
    layer, params = flow()
    other = tf.concat([params[:, :8], params[:, 8:] + 1.0], axis=-1)
    a, b = (concrete(layer(p)).sample(seed=(0, 1)) for p in (params, other))
    assert np.abs(a - b).min() > 1e-4


def test_mean_is_estimated_with_the_same_draws_each_time():
    layer, params = flow()
    q = concrete(layer(params))
    with pytest.raises(NotImplementedError):
        q.mean()
    mean = mean_of(q)
    np.testing.assert_array_equal(mean, mean_of(concrete(layer(params))))
    draws = q.sample(20_000, seed=(3, 4)).numpy()
    error = draws.std(axis=0) * np.sqrt(1 / 1000 + 1 / 20_000)
    assert (np.abs(mean - draws.mean(axis=0)) < 5 * error).all()


@pytest.fixture
def make_iaf(make_vae):
    def make(**kwargs):
        head = InverseAutoregressiveFlow(2, hidden=[6], context_size=3, steps=2, gate_bias=0.5)
        return make_vae(latent=head, **kwargs)

    return make


def test_every_method_of_a_vae(make_iaf, binary, tmp_path):
    vae = make_iaf()
    assert vae.predict(binary, verbose=0)["z"].shape == (40, 2)
    assert vae.reconstruct(binary).shape == binary.shape
    assert vae.sample(3).shape == (3, 3, 2, 1)
    table = tfvae.evaluation.evaluate_likelihood(
        vae, tf.data.Dataset.from_tensors(binary), samples=3
    )
    assert "active_units" in table
    tfvae.plots.latent_plane(vae, binary)
    tfvae.plots.traversals(vae, binary)
    np.testing.assert_allclose(
        vae.predict(binary, 40, verbose=0)["z"], mean_of(vae.encode(binary)), atol=1e-6
    )
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    z = vae.encode(binary).sample(seed=(0, 1))
    np.testing.assert_array_equal(
        same.encode(binary).log_prob(foreign(z)), vae.encode(binary).log_prob(foreign(z))
    )
    assert same.encoder.head.get_config() == vae.encoder.head.get_config()


@pytest.mark.parametrize("xla", [False, True])
def test_training_moves_every_weight_in_one_pass_a_step(make_iaf, binary, calls, xla):
    vae = make_iaf(built=False)
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=xla)
    vae.build(binary.shape)
    before = [w.numpy() for w in vae.trainable_weights]
    del calls[:]
    logs = vae.fit(binary, batch_size=20, epochs=2, verbose=0).history
    # Two steps of the flow in the look at the first batch, and in the one trace of the step.
    assert len(calls) == 2 * 2
    assert np.isfinite(logs["loss"]).all()
    # The first element in a network's order has parameters of the context alone: its kernels
    # are masked; with one hidden layer and two elements no other weight stands still.
    for weight, old in zip(vae.trainable_weights, before, strict=True):
        assert np.abs(weight - old).max() > 0, weight.path


def test_two_replicas_hold_the_same_weights(make_iaf, binary, mirrored):
    with mirrored.scope():
        vae = make_iaf()
        vae.compile(keras.optimizers.SGD(0.1))
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert np.isfinite(logs["loss"][0])
    for weight in vae.encoder.head.weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_density_is_float32_under_mixed_precision(make_iaf, binary, policy, precision):
    policy(precision)
    vae = make_iaf()
    assert vae.encoder.trunk.compute_dtype != "float32"
    latent = vae(binary, samples=2).latents[0]
    assert latent.z.dtype == latent.posterior.log_prob(latent.z).dtype == tf.float32
    assert {w.dtype for w in vae.encoder.head.weights} == {"float32"}


def test_elbo_stays_below_the_exact_evidence_and_rises_to_it(linear_gaussian):
    truth = linear_gaussian()
    head = InverseAutoregressiveFlow(2, hidden=[16], context_size=4, steps=3)
    vae = tfvae.VAE(tfvae.networks.Encoder(tfvae.networks.MLP([16]), head), truth.vae.decoder)
    vae.decoder.trainable = False
    vae.compile(keras.optimizers.Adam(0.01))
    gaps = []
    for epochs in (1, 600):
        vae.fit(tf.data.Dataset.from_tensors(truth.x).repeat(epochs), verbose=0)
        elbo = np.float64([vae.elbo(truth.x, 50, seed=i) for i in range(40)])
        error = elbo.std(axis=0) / np.sqrt(len(elbo))
        assert (elbo.mean(axis=0) < truth.log_prob + 4 * error).all()
        gaps.append(np.mean(truth.log_prob - elbo.mean(axis=0)))
    assert gaps[1] < 0.3 < 3.0 < gaps[0]
    # The density is a density: the mean weight p(x, z) / q(z|x) is p(x).
    ratio = np.exp([vae.log_prob(truth.x, 500, seed=i) - truth.log_prob for i in range(20)])
    error = ratio.std(axis=0) / np.sqrt(len(ratio))
    assert (np.abs(ratio.mean(axis=0) - 1) < 5 * error).all()


@pytest.mark.parametrize(
    "arguments",
    [{"event_size": (2, 2)}, {"steps": 0}, {"context_size": 0}, {"min_scale": 0.0}],
)
def test_refusals(arguments):
    with pytest.raises(UserError, match=f"{next(iter(arguments))} takes"):
        InverseAutoregressiveFlow(**{"event_size": 2, **arguments})
