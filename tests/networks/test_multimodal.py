"""Several modalities of which some are missing: experts, likelihoods and data against NumPy."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import layers, networks, objectives
from tfvae.data.parts import packed
from tfvae.distributions.experts import mixture_of_experts, mixture_of_products, product_of_experts
from tfvae.distributions.parts import Parts
from tfvae.errors import UserError

tfd = tfp.distributions
N, D, M = 5, 2, 3
RNG = np.random.default_rng(0)
LOC = RNG.normal(size=(M, N, D)).astype(np.float32)
SCALE = RNG.uniform(0.4, 1.5, (M, N, D)).astype(np.float32)
# Example 0 has all, 1 the first alone, 2 lacks the second, 3 nothing, 4 the last two.
PRESENT = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 1], [1, 0, 1, 0, 1]], bool)
SUBSETS = [s for s in np.ndindex(2, 2, 2) if any(s)]


def product(members, n, prior):
    """Location and scale of a product of experts for example n."""
    precision = sum(1 / np.float64(SCALE[m, n]) ** 2 for m in members) + prior
    mean = sum(np.float64(LOC[m, n]) / SCALE[m, n] ** 2 for m in members) / precision
    return mean, precision**-0.5


def test_the_product_is_exact():
    q = product_of_experts(LOC, SCALE, PRESENT)
    z = np.linspace(-6, 6, 4001)
    for n in range(N):
        members = np.flatnonzero(PRESENT[:, n])
        for d in range(D):  # by integration on a grid
            density = scipy.stats.norm.pdf(z)
            for m in members:
                density = density * scipy.stats.norm.pdf(z, LOC[m, n, d], SCALE[m, n, d])
            density /= scipy.integrate.trapezoid(density, z)
            mean = scipy.integrate.trapezoid(z * density, z)
            spread = np.sqrt(scipy.integrate.trapezoid((z - mean) ** 2 * density, z))
            assert float(q.mean()[n, d]) == pytest.approx(mean, abs=1e-4)
            assert float(q.stddev()[n, d]) == pytest.approx(spread, rel=1e-4)


@pytest.mark.parametrize("kind", [mixture_of_experts, mixture_of_products])
def test_the_mixtures_are_those_of_the_experts_that_are_present(kind):
    q, z = kind(LOC, SCALE, PRESENT), RNG.normal(size=(7, N, D)).astype(np.float32)
    for n in range(N):
        here = set(np.flatnonzero(PRESENT[:, n]))
        if kind is mixture_of_experts:
            components = [(LOC[m, n], SCALE[m, n]) for m in here]
        else:
            sets = [set(np.flatnonzero(s)) for s in SUBSETS]
            components = [product(s, n, 0.0) for s in sets if s <= here]
        components = components or [(np.zeros(D), np.ones(D))]
        logs = [scipy.stats.norm(*c).logpdf(z[:, n]).sum(-1) for c in components]
        truth = scipy.special.logsumexp(logs, axis=0) - np.log(len(logs))
        np.testing.assert_allclose(q.log_prob(z)[:, n], truth, rtol=1e-4, atol=1e-4)


def test_draws_of_a_mixture_carry_the_gradient():
    """Of E z² = mean over the experts of μ² + σ²."""
    loc, scale = tf.Variable(LOC), tf.Variable(SCALE)
    with tf.GradientTape() as tape:
        z = mixture_of_experts(loc, scale, PRESENT).sample(40000, seed=(0, 1))
        total = tf.reduce_sum(tf.reduce_mean(z**2, axis=0))
    share = PRESENT / np.maximum(PRESENT.sum(0), 1)
    gradients = tape.gradient(total, [loc, scale])
    for gradient, value in zip(gradients, (LOC, SCALE), strict=True):
        np.testing.assert_allclose(gradient, 2 * value * share[..., None], atol=0.12)


def test_parts_that_are_missing_do_not_count():
    rate = np.float32([[0.5], [2.0], [1.0]])
    logits = np.float32([[0.3, -1.0, 0.2]] * 3)
    x = np.float32([[1, 0, 1, 0, 0, 1.5], [0, 0, np.nan, np.nan, np.nan, 0.2], [np.nan] * 6])

    def parts(logits):
        return Parts(
            {
                "a": tfd.Independent(tfd.Bernoulli(logits[:, :2], dtype=tf.float32), 1),
                "b": layers.OneHotCategorical(3)(logits),
                "c": tfd.Exponential(rate[:, 0]),
            }
        )

    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(logits))
        log_prob = parts(variable).log_prob(x)
    bernoulli = np.log(scipy.special.expit(np.float64(logits[:, :2]) * (2 * x[:, :2] - 1))).sum(1)
    category = scipy.special.log_softmax(np.float64(logits), axis=1)[:, 0]
    exponential = scipy.stats.expon(scale=1 / rate[:, 0]).logpdf(x[:, 5])
    truth = [bernoulli[0] + category[0] + exponential[0], bernoulli[1] + exponential[1], 0.0]
    np.testing.assert_allclose(log_prob, truth, rtol=1e-5)
    gradient = tape.gradient(log_prob, variable)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[2], 0.0)
    support = parts(logits).data_support
    wrong = x.copy()
    wrong[0, 3] = 1.0  # two ones in a one-hot vector
    wrong[1, 1] = np.nan  # half of a part is missing
    wrong[2, 0] = np.nan
    assert support.outside(tf.constant(x)).numpy().tolist() == [False] * 3
    assert support.outside(tf.constant(wrong)).numpy().tolist() == [True, True, False]
    draws = parts(logits).sample(2000, seed=(0, 1))
    assert not np.any(support.outside(tf.reshape(draws, [-1, 6])))
    error = np.std(draws, axis=0) / np.sqrt(2000) + 1e-6
    assert (np.abs(np.mean(draws, axis=0) - parts(logits).mean()) < 5 * error).all()


SHAPES = {"text": (3,), "age": (), "image": (2, 2, 1)}
LIKELIHOODS = {
    "text": layers.OneHotCategorical, "age": layers.IndependentNormal, "image": "bernoulli"
}  # fmt: skip


def data(n=12, missing=True):
    rng = np.random.default_rng(1)
    x = {
        "text": np.eye(3, dtype=np.float32)[rng.integers(0, 3, n)],
        "age": rng.normal(size=n).astype(np.float32),
        "image": (rng.random((n, 2, 2, 1)) < 0.5).astype(np.float32),
    }
    for i, name in enumerate(x if missing else ()):
        x[name][i::4] = np.nan
    return x


def model(**options):
    keras.utils.set_random_seed(0)
    given = {"hidden": (), "likelihood": LIKELIHOODS, "warm_up": 0, **options}
    return tfvae.recipes.multimodal_vae(SHAPES, 2, **given)


@pytest.mark.parametrize("experts", ["product", "mixture"])
def test_the_bound_is_that_of_the_modalities_which_are_there(experts):
    """In NumPy, for a linear model, at the draws of z."""
    x, vae = data(), model(experts=experts)
    flat = packed(x)
    assert flat.shape == (12, 8)
    np.testing.assert_array_equal(flat[:, 1:5], x["image"].reshape(12, 4))  # age, image, text
    vae.build(flat.shape)
    output = vae(x, seed=0)
    z = np.float64(output.latents[0].z)

    def affine(network, values):
        kernel, bias = network.projection.get_weights()
        return np.float64(values) @ kernel + bias

    there = {k: ~np.isnan(v.reshape(12, -1)).all(1) for k, v in x.items()}
    experts_of, log_p = [], np.zeros(12)
    for name in sorted(x):
        values = np.nan_to_num(x[name].reshape(12, -1))
        loc, raw = np.split(affine(vae.encoder.encoders[name], values), 2, axis=1)
        scale = np.logaddexp(0, raw) + vae.encoder.encoders[name].head.min_scale
        experts_of.append((loc, scale, there[name]))
        params = affine(vae.decoder.decoders[name], z)
        if name == "age":
            sigma = np.logaddexp(0, params[:, 1]) + vae.decoder.decoders[name].head.min_scale
            log = scipy.stats.norm(params[:, 0], sigma).logpdf(values[:, 0])
        elif name == "text":
            log = (scipy.special.log_softmax(params, axis=1) * values).sum(1)
        else:
            log = (values * params - np.logaddexp(0, params)).sum(1)
        log_p += np.where(there[name], log, 0.0)
    if experts == "product":
        precision = 1 + sum(t[:, None] / s**2 for _, s, t in experts_of)
        mean = sum(t[:, None] * m / s**2 for m, s, t in experts_of) / precision
        rate = 0.5 * (1 / precision + mean**2 - 1 + np.log(precision)).sum(1)
    else:
        log_q = np.stack(
            [np.where(t, scipy.stats.norm(m, s).logpdf(z).sum(1), -np.inf)
             for m, s, t in experts_of]
        )  # fmt: skip
        log_q = scipy.special.logsumexp(log_q, axis=0) - np.log(sum(t for *_, t in experts_of))
        rate = log_q - scipy.stats.norm.logpdf(z).sum(1)
    terms = objectives.ELBO()(packed(x), output).terms
    np.testing.assert_allclose(terms["distortion"], -log_p, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(terms["rate"], rate, rtol=1e-4, atol=1e-4)


def test_dicts_go_through_every_method(tmp_path, mirrored):
    x, weights = data(), np.random.default_rng(0).choice(np.float32([0.5, 2.0]), 12)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(6)
    with mirrored.scope():
        two = model(hidden=(4,), experts="product")
        two.compile("adam")
    one = model(hidden=(4,), experts="product")
    one.compile("adam", run_eagerly=True)
    for vae in (one, two):
        logs = vae.fit(dataset, verbose=0).history
        assert np.isfinite([v[0] for v in logs.values()]).all()
    logs = one.fit(x, batch_size=5, sample_weight=weights, validation_data=(x, None), verbose=0)
    assert np.isfinite(logs.history["val_elbo"][0])
    arrays, batches = (
        one.evaluate(given, verbose=0, return_dict=True, **options)
        for given, options in ((x, {"batch_size": 6}), (dataset, {}))
    )
    assert arrays == batches
    predicted = one.predict(x, verbose=0)
    assert {k: v.shape[1:] for k, v in predicted["x"].items()} == SHAPES
    for found in (one.reconstruct(x), one.sample(12), one.sample(12, mean=True)):
        assert {k: v.shape for k, v in found.items()} == {k: (12, *s) for k, s in SHAPES.items()}
    assert one.elbo(x, samples=2).shape == one.log_prob(x, samples=3).shape == (12,)
    without = {name: value for name, value in x.items() if name != "text"}
    lacking = {**x, "text": np.full_like(x["text"], np.nan)}
    np.testing.assert_array_equal(one.elbo(without, seed=0), one.elbo(lacking, seed=0))
    # What is missing is not looked at, and of nothing q(z|x) is the prior.
    other = {**x, "image": np.full_like(x["image"], np.nan)}
    nothing = {name: np.full_like(value, np.nan) for name, value in x.items()}
    assert float(tf.reduce_max(tf.abs(one.elbo(nothing, samples=50, seed=0)))) < 1e-4
    one.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    for values in (x, other):
        np.testing.assert_array_equal(one.elbo(values, seed=0), same.elbo(values, seed=0))
    assert sorted(same.sample(2)) == sorted(SHAPES)
    np.testing.assert_array_equal(one.encode(x).mean(), same.encode(packed(x)).mean())


def test_training_leaves_modalities_out_and_evaluation_does_not():
    x, vae = data(missing=False), model(drop=0.5, experts="product")
    vae.build(packed(x).shape)
    a, b, c = (vae(x, training=t, seed=s).latents[0] for t, s in [(True, 1), (True, 1), (False, 1)])
    np.testing.assert_array_equal(a.z, b.z)
    assert np.any(a.posterior.mean() != c.posterior.mean())
    np.testing.assert_array_equal(c.posterior.mean(), vae(x, seed=2).latents[0].posterior.mean())


def test_bands_of_an_image_are_modalities(binary):
    vae = tfvae.recipes.multimodal_vae((3, 2, 1), 2, hidden=(4,), experts="product")
    vae.build((None, 3, 2, 1))
    assert vae.encoder.shapes == {"band_0": (1, 2, 1), "band_1": (2, 2, 1)}
    assert vae.reconstruct(binary).shape == vae.sample(40).shape == binary.shape
    lower = binary.copy()
    lower[:, :1] = np.nan
    again = lower.copy()
    again[:, :1] = np.nan
    np.testing.assert_array_equal(vae.elbo(lower, seed=0), vae.elbo(again, seed=0))
    assert np.isfinite(vae.elbo(lower)).all()
    half = binary.copy()
    half[0, 1, 0] = np.nan
    with pytest.raises(UserError, match=r"of band_1.* takes 0 and 1 alone"):
        vae.elbo(half)


def test_what_cannot_be_is_refused():
    normal = networks.Encoder(networks.MLP([]), layers.IndependentNormal(2))
    full = networks.Encoder(networks.MLP([]), layers.MultivariateNormalTriL(2))
    for make, words in [
        (lambda: model(experts="products"), "did you mean 'product'"),
        (lambda: model(drop=1.0), "drop takes a number from 0 below 1"),
        (lambda: model(likelihood={"text": "normal"}), "give both of the same names"),
        (lambda: model(likelihood=layers.IndependentNormal(3)), "one layer for 3 modalities"),
        (lambda: tfvae.recipes.multimodal_vae((3, 2), 2, bands=4), "bands takes a number from 1"),
        (lambda: networks.MultimodalEncoder({"a": normal}, {"b": (2,)}), "give both of the same"),
        (lambda: networks.MultimodalDecoder([normal]), "takes a dict of networks"),
        (lambda: networks.MultimodalDecoder({"a": "mlp"}), "takes Keras layers"),
        (lambda: networks.MultimodalEncoder({"a": full}, {"a": (2,)})(tf.zeros([3, 2])), "normals"),
        (lambda: packed({}), "without an array"),
        (lambda: packed({"a": np.zeros([3, 1]), "b": np.zeros([2, 1])}), "number of examples"),
        (lambda: model().fit({**data(), "caption": np.ones(12)}), "unknown modality 'caption'"),
        (lambda: model().encode({"text": np.ones((12, 4))}), r"examples of the shape \(4,\)"),
        (lambda: model().fit({**data(), "age": np.full(12, np.inf)}), "NaN or infinite"),
        (lambda: model().fit({**data(), "text": 2 * np.ones((12, 3))}), "one-hot"),
    ]:
        with pytest.raises(UserError, match=words):
            make()
