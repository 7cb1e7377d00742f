"""Context through encoder, decoder and prior: labels and vectors, in every method of the model."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import networks
from tfvae.errors import UserError
from tfvae.networks.conditioning import classes_of

N, EVENT = 24, (3, 2, 1)
LABELS = np.arange(N) % 3


@pytest.fixture(scope="module")
def x():
    """Label l has pixels 2l and 2l + 1 on, nine times in ten."""
    on = np.repeat(np.eye(3), 2, axis=1)[LABELS]
    noise = np.random.default_rng(0).random((N, 6)) < 0.1
    return np.abs(on - noise).reshape(N, *EVENT).astype("float32")


def conditional(**options):
    keras.utils.set_random_seed(1)
    options = {"classes": 3, "hidden": (8,), **options}
    vae = tfvae.recipes.conditional_vae(EVENT, 2, **options)
    vae.compile(keras.optimizers.Adam(0.02), run_eagerly=False)
    return vae


VECTORS = np.random.default_rng(1).normal(size=(N, 4)).astype("float32")
KINDS = {"labels": ({}, LABELS), "vectors": ({"context_size": 4}, VECTORS)}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def dataset(x, context, batch=8):
    return tf.data.Dataset.from_tensor_slices((x, context)).batch(batch)


def test_arrays_and_data_sets_train_alike(x, kind, assert_same_weights):
    options, context = kind
    one, other = conditional(**options), conditional(**options)
    for vae in (one, other):
        keras.utils.set_random_seed(2)
        vae.build(x.shape, context.shape)
    a = one.fit(x, context, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    b = other.fit(dataset(x, context), epochs=2, verbose=0).history
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-6)
    assert_same_weights(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        one.evaluate(x, context, batch_size=8, verbose=0, return_dict=True)["elbo"],
        one.evaluate(dataset(x, context), verbose=0, return_dict=True)["elbo"],
        rtol=1e-6,
    )
    a, b = (
        one.predict(x, 8, context=context, verbose=0),
        one.predict(dataset(x, context), verbose=0),
    )
    assert a["z"].shape == (N, 2)
    for name in ("z", "x"):
        np.testing.assert_array_equal(a[name], b[name])
    np.testing.assert_allclose(a["z"], one.encode(x, context).mean(), rtol=1e-5, atol=1e-6)


def test_every_part_follows_the_context(x, kind):
    options, context = kind
    vae = conditional(**options)
    vae.fit(x, context, epochs=1, verbose=0)
    other = context[::-1].copy()  # of another label for two thirds
    z = np.zeros((N, 2), "float32")
    moved = {
        "encoder": vae.encode(x, context).mean() - vae.encode(x, other).mean(),
        "decoder": vae.decode(z, context).mean() - vae.decode(z, other).mean(),
        "prior": vae.prior(context).mean() - vae.prior(other).mean(),
    }
    differs = np.abs(context - other).reshape(N, -1).max(-1) > 0
    for part, change in moved.items():
        change = np.abs(change).reshape(N, -1).max(-1)
        assert (change[differs] > 0).all(), part
        assert (change[~differs] == 0).all(), part
    for estimate in (vae.elbo, vae.log_prob):
        a, b = (estimate(x, samples=5, seed=0, context=c).numpy() for c in (context, other))
        assert (np.abs(a - b)[differs] > 0).all()
        np.testing.assert_array_equal(a[~differs], b[~differs])


def test_draws_keep_the_context_of_their_example(x, kind):
    options, context = kind
    vae = conditional(**options)
    vae.build(x.shape, context.shape)
    output = vae(x, context=context, samples=3, seed=0)
    z = output.latents[0].z
    for k in range(3):
        np.testing.assert_allclose(
            output.likelihood.mean()[k], vae.decode(z[k], context).mean(), rtol=1e-5
        )
    np.testing.assert_allclose(
        vae.decode(z, context).log_prob(x), output.likelihood.log_prob(x), rtol=1e-5
    )


# Every latent structure.


def one_hot():
    return keras.layers.CategoryEncoding(3, output_mode="one_hot")


STRUCTURES = {
    "two_layer_vae": {"hidden": (8,)},
    "ladder_vae": {"hidden": (8,), "levels": 2, "warm_up": 0},
    "vdvae": {"decoder": "2x1,1x1", "encoder": "2x1,2d2,1x1", "filters": 8, "warm_up": 0},
    "vq_vae": {
        "hidden": (8,), "network": "mlp", "codes": 4, "pieces": 3, "code_prior": "categorical"
    },
}  # fmt: skip


def structured(recipe, x, conditioner=None):
    keras.utils.set_random_seed(1)
    options = {"conditioner": conditioner or one_hot(), **STRUCTURES[recipe]}
    return tfvae.recipes.get(recipe)(x.shape[1:], 2, **options)


@pytest.mark.parametrize("recipe", ["two_layer_vae", "ladder_vae", "vdvae"])
def test_every_group_of_a_hierarchy_follows_the_context(x, recipe):
    x = x[:, :2] if recipe == "vdvae" else x
    vae = structured(recipe, x)
    vae.build(x.shape, LABELS.shape)
    rng = np.random.default_rng(2)
    for weight in vae.trainable_weights:  # off the zeros of the start
        weight.assign_add(0.2 * rng.normal(size=weight.shape).astype(np.float32))
    assert vae.prior(LABELS).batch_shape == vae.encode(x, LABELS).batch_shape == (N,)
    output = vae(x, context=LABELS, samples=3, seed=0)
    z = [latent.z for latent in output.latents]

    def priors(k, context):
        vector = vae.latents.vector(context)
        return vae.latents.descend(N, lambda i, prior, state: z[i][k], vector)[0]

    # The same z above, another context.
    other = LABELS[::-1].copy()
    for here, there in zip(priors(0, LABELS), priors(0, other), strict=True):
        moved = np.abs(here.mean() - there.mean()).reshape(N, -1).max(-1)
        np.testing.assert_array_equal(moved > 0, other != LABELS)
    # The draws keep the context of their example.
    for k in range(3):
        for latent, prior in zip(output.latents, priors(k, LABELS), strict=True):
            np.testing.assert_allclose(
                latent.prior.log_prob(latent.z)[k], prior.log_prob(latent.z[k]), rtol=1e-4
            )
    np.testing.assert_allclose(
        vae.decode(tuple(z), LABELS).log_prob(x), output.likelihood.log_prob(x), rtol=1e-4
    )


def test_codes_of_a_class_are_counted_by_themselves(x):
    vae = structured("vq_vae", x)
    vae.build(x.shape, LABELS.shape)
    np.testing.assert_allclose(
        vae.prior(LABELS).log_prob(np.zeros((N, 3))), -3 * np.log(4), rtol=1e-5
    )
    data = dataset(x, LABELS)
    codes = vae.encode(x, LABELS).mode().numpy()
    vae.latents.fit(vae, data)
    counts = np.stack(
        [
            [np.bincount(codes[c == LABELS, i], minlength=4) + 1.0 for i in range(3)]
            for c in range(3)
        ]
    )
    log_probs = np.log(counts / counts.sum(-1, keepdims=True))
    expected = sum(log_probs[LABELS, i, codes[:, i]] for i in range(3))
    np.testing.assert_allclose(vae.prior(LABELS).log_prob(codes), expected, rtol=1e-4)
    terms = tfvae.objectives.ELBO()(x, vae(x, LABELS)).terms
    np.testing.assert_allclose(terms["rate"], -expected, rtol=1e-4)
    np.testing.assert_allclose(
        vae.prior(LABELS).log_prob(np.stack([codes, codes])), [expected] * 2, rtol=1e-4
    )


@pytest.mark.exhaustive
def test_a_transformer_of_vectors_is_fitted_to_them():
    """The code is the sign of the vector's first number."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 2)).astype("float32")
    codes = np.stack([vectors[:, 0] > 0, rng.random(400) > 0.5], axis=1).astype(np.int32)
    prior = tfvae.priors.CodeTransformer(16, 2, 1, steps=150, learning_rate=5e-3)
    prior.build((2,), 2, tf.constant(vectors))
    prior.fit(codes[:300], vectors[:300], seed=1)
    distribution = prior.distribution(tf.constant(vectors[300:]))
    assert distribution.batch_shape == (100,)
    rate = -np.mean(distribution.log_prob(codes[300:]))
    assert np.log(2) - 0.1 < rate < np.log(2) + 0.35
    draws = distribution.sample(20, seed=(0, 1)).numpy()
    assert draws.shape == (20, 100, 2)
    assert np.mean(draws[:, :, 0] == codes[300:, 0]) > 0.85
    many = distribution.log_prob(draws)
    for n in (0, 7):
        np.testing.assert_allclose(many[n], distribution.log_prob(draws[n]), rtol=1e-4, atol=1e-5)


def test_counting_wants_classes(x):
    """And says so before any training."""
    for conditioner, context in [
        (keras.layers.Reshape((4,)), VECTORS),
        (networks.MLP([2]), VECTORS),
    ]:
        vae = structured("vq_vae", x, conditioner)
        with pytest.raises(UserError, match="one-hot form: take CodeTransformer"):
            vae.build(x.shape, context.shape)


def test_a_number_of_networks_that_does_not_fit_the_conditioner():
    def network(size):
        return networks.Encoder(networks.MLP([]), tfvae.layers.IndependentNormal(size))

    with pytest.raises(UserError, match="a generating network for each"):
        tfvae.latents.StochasticLayers([network(2)], [], conditioner=one_hot())
    top = tfvae.latents.TopDown([tfvae.latents.LadderBlock(2, 0, hidden=[])])
    with pytest.raises(UserError, match="nothing above and no context"):
        top.prepare(tf.zeros([1, 4]), EVENT)


@pytest.mark.parametrize("recipe", ["conditional_vae", "two_layer_vae", "ladder_vae", "vq_vae"])
@pytest.mark.representatives("two_layer_vae")
def test_samples_are_of_their_class(x, recipe):
    vae = conditional() if recipe == "conditional_vae" else structured(recipe, x)
    vae.compile(keras.optimizers.Adam(0.02))
    vae.fit(x, LABELS, batch_size=N, epochs=100, verbose=0)
    vae.latents.finish(vae, dataset(x, LABELS))
    context = np.repeat([0, 1, 2], 200)
    draws = np.reshape(vae.sample(600, seed=0, context=context), [3, 200, 3, 2])
    share = draws.mean(axis=(1, 3))  # [label, pair of pixels]
    assert (share.argmax(-1) == [0, 1, 2]).all()
    assert (np.diag(share) > 0.8).all()
    means = vae.sample(3, seed=0, mean=True, context=np.arange(3))
    assert (np.reshape(means, [3, 3, 2]).mean(-1).argmax(-1) == [0, 1, 2]).all()
    assert vae.reconstruct(x, context=LABELS).shape == x.shape


def test_estimates_meet_the_exact_evidence():
    """p(x|z, c) and p(z|c) linear and normal: p(x|c) is known."""
    classes, d, event, s = 3, 2, 5, 0.7
    rng = np.random.default_rng(0)
    one_hot = keras.layers.CategoryEncoding(classes, output_mode="one_hot")
    vae = tfvae.VAE(
        tfvae.networks.Encoder(
            tfvae.networks.MLP([]), tfvae.layers.IndependentNormal(d), conditioner=one_hot
        ),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([]),
            tfvae.layers.IndependentNormal(event, scale=s),
            conditioner=one_hot,
        ),
        prior=tfvae.priors.ConditionalNormal(one_hot),
    )
    labels = np.arange(6) % classes
    x = rng.normal(size=(6, event)).astype("float32")
    vae.build(x.shape, labels.shape)
    kernel, bias = rng.normal(size=(d + classes, event)), rng.normal(size=event)
    vae.decoder.projection.set_weights([kernel, bias])
    loc, raw = rng.normal(size=(classes, d)), rng.normal(size=(classes, d))
    vae.prior.loc.kernel.assign(loc)
    vae.prior.raw_scale.set_weights([raw, np.zeros(d)])
    scale = np.log1p(np.exp(raw)) + 1e-3
    w, v = kernel[:d], kernel[d:]
    exact = [
        scipy.stats.multivariate_normal(
            loc[c] @ w + v[c] + bias, w.T @ np.diag(scale[c] ** 2) @ w + s**2 * np.eye(event)
        ).logpdf(x[i])
        for i, c in enumerate(labels)
    ]
    # The exact posterior as encoder: every weight is p(x|c), to rounding.
    precision = [np.diag(scale[c] ** -2) + w @ w.T / s**2 for c in range(classes)]
    for c in range(classes):
        here = labels == c
        mean = np.linalg.solve(
            precision[c],
            (loc[c] / scale[c] ** 2)[:, None] + w @ (x[here] - v[c] - bias).T / s**2,
        ).T
        covariance = np.linalg.inv(precision[c])
        draws = rng.multivariate_normal(np.zeros(d), covariance, size=(1, int(here.sum())))
        z = (mean + draws[0]).astype("float32")
        context = labels[here]
        log_q = [
            scipy.stats.multivariate_normal(m, covariance).logpdf(u)
            for m, u in zip(mean, z, strict=True)
        ]
        joint = vae.prior(context).log_prob(z) + vae.decode(z, context).log_prob(x[here])
        np.testing.assert_allclose(joint - log_q, np.array(exact)[here], rtol=1e-5)
    # And with any wide encoder the weights have that mean.
    kernel = vae.encoder.projection.kernel
    vae.encoder.projection.set_weights([0 * kernel, np.array([0.0, 0.0, 2.5, 2.5])])
    ratio = np.exp([vae.log_prob(x, 2000, seed=i, context=labels) - exact for i in range(20)])
    error = ratio.std(0) / np.sqrt(20)
    assert (np.abs(ratio.mean(0) - 1) < 5 * error).all()
    elbo = np.array([vae.elbo(x, 200, seed=i, context=labels) for i in range(20)])
    assert (elbo.mean(0) < exact + 4 * elbo.std(0) / np.sqrt(20)).all()


@pytest.mark.parametrize("shared", [True, False])
def test_a_conditioner_with_weights_is_saved(x, tmp_path, shared, assert_same_weights):
    def embedding():
        return keras.layers.Embedding(3, 4)

    first = embedding()
    parts = [first if shared else embedding() for _ in range(2)]
    vae = tfvae.VAE(
        tfvae.networks.Encoder(
            tfvae.networks.MLP([4]), tfvae.layers.IndependentNormal(2), conditioner=first
        ),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([4]), tfvae.layers.IndependentBernoulli(EVENT), conditioner=parts[0]
        ),
        prior=tfvae.priors.ConditionalNormal(parts[1]),
    )
    vae.compile("adam")
    vae.fit(x, LABELS, epochs=2, verbose=0)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert_same_weights(vae, same)
    assert (same.encoder.conditioner is same.decoder.conditioner) == shared
    np.testing.assert_array_equal(
        same.elbo(x, seed=0, context=LABELS), vae.elbo(x, seed=0, context=LABELS)
    )
    assert np.isfinite(same.fit(x, LABELS, verbose=0).history["loss"][0])


def test_priors_that_know_no_context_serve_as_well(x):
    for prior in (tfvae.priors.RealNVP(1, [4]), tfvae.priors.MixtureOfNormals(2), None):
        vae = conditional(prior=prior, conditional_prior=False)
        vae.build(x.shape, LABELS.shape)
        assert type(vae.prior) is type(prior or tfvae.priors.StandardNormal())
        assert vae.elbo(x, samples=2, context=LABELS).shape == (N,)
        assert vae.sample(5, context=np.zeros(5), temperature=0.5).shape == (5, *EVENT)


def test_xla_takes_labels(x):
    vae = conditional()
    vae.compile(keras.optimizers.Adam(0.02), jit_compile=True)
    assert np.isfinite(vae.fit(x, LABELS, batch_size=8, verbose=0).history["loss"][0])


def test_a_missing_context_is_said(x):
    vae = conditional()
    for call in (vae.elbo, vae.encode, lambda x: vae.fit(x, verbose=0)):
        with pytest.raises(UserError, match="has a conditioner but got no context"):
            call(x)
    vae.build(x.shape, LABELS.shape)
    for call in (vae.prior, lambda: vae.sample(3)):
        with pytest.raises(UserError, match="give context"):
            call()


def test_a_conditioner_tells_its_classes():
    one_hot = keras.layers.CategoryEncoding(7, output_mode="one_hot")
    embedding = keras.Sequential([keras.layers.Embedding(5, 2), keras.layers.Flatten()])
    others = (None, keras.layers.Identity(), keras.layers.Dense(3))
    assert [classes_of(c) for c in (one_hot, embedding, *others)] == [7, 5, None, None, None]
