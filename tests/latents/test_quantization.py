"""The rules from vectors to codes: each against its definition, by hand."""

import importlib
import inspect
import itertools
import json
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import latents
from tfvae.distribute import as_seed, fold_in
from tfvae.latents import Codebook, FiniteScalar, Grouped, LookupFree, Residual
from tfvae.latents.example_weights import example_weights

SEED = as_seed(0)
# One of each, for vectors of `size` numbers.
RULES = {
    "Codebook": (lambda: Codebook(5), 3),
    "Residual": (lambda: Residual(5, 2), 3),
    "Grouped": (lambda: Grouped(Residual(5, 2), 2), 6),
    "FiniteScalar": (lambda: FiniteScalar((3, 4, 2)), 3),
    "LookupFree": (lambda: LookupFree(3), 3),
}
every_rule = pytest.mark.parametrize("name", RULES)


def made(rule, size):
    """A built rule, its entries off zero."""
    rule.build(size)
    rng = np.random.default_rng(0)
    for weight in rule.weights:
        if weight.path.endswith("entries"):
            weight.assign(rng.normal(size=weight.shape))
    return rule


def vectors(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_every_rule_of_the_folder_is_public_and_has_a_line():
    found = set()
    for module in pkgutil.iter_modules(latents.__path__, "tfvae.latents."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, latents.Quantization):
                found.add(name)
    assert found - {"Quantization"} == set(RULES)
    for name in RULES:
        rule = getattr(latents, name)
        assert keras.saving.get_registered_name(rule) == f"tfvae>{name}"
        assert "References:" in inspect.getdoc(rule)


@every_rule
def test_config_round_trip(name):
    one = RULES[name][0]()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    same = keras.saving.deserialize_keras_object(config)
    assert json.dumps(same.get_config()) == json.dumps(one.get_config())
    assert (same.codes, same.depth, same.size) == (one.codes, one.depth, one.size)


@every_rule
def test_codes_and_what_they_stand_for(name):
    make, size = RULES[name]
    rule, v = made(make(), size), tf.constant(vectors(4, 5, size))
    codes, out, penalty = rule.encode(v, seed=SEED)
    assert codes.shape == ((4, 5) if rule.depth == 1 else (4, 5, rule.depth))
    assert codes.dtype == tf.int32
    assert out.shape == (4, 5, size)
    assert penalty.shape == (4, 5)
    assert 0 <= np.min(codes) <= np.max(codes) < rule.codes
    np.testing.assert_array_equal(rule.nearest(v), codes)
    np.testing.assert_allclose(rule.look_up(codes), out, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "size"), [(FiniteScalar((3, 4, 2)), 3), (LookupFree(4), 4), (LookupFree(1), 1)]
)
def test_all_codes_differ_and_are_their_own(rule, size):
    entries = rule.look_up(tf.range(rule.codes)).numpy()
    assert len(np.unique(entries, axis=0)) == rule.codes
    v = entries
    if isinstance(rule, FiniteScalar):  # what is bounded to the entries
        count = np.array(rule.levels)
        half, offset = (count - 1) * 1.001 / 2, np.where(count % 2 == 0, 0.5, 0.0)
        v = np.arctanh((entries * (count // 2) + offset) / half) - np.arctanh(offset / half)
        np.testing.assert_allclose(rule.bounded(v.astype(np.float32)), entries, atol=1e-4)
    np.testing.assert_array_equal(rule.nearest(v.astype(np.float32)), np.arange(rule.codes))


# Residual and grouped.


@pytest.mark.parametrize("shared", [False, True])
def test_residual_quantization_step_by_step(shared):
    rule = made(Residual(5, 3, shared=shared, commitment=0.7), 2)
    v = tf.constant(vectors(4, 6, 2))
    weight = vectors(4, 6, 2)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(v)
        codes, out, penalty = rule.encode(v, seed=SEED)
        through, added = tf.reduce_sum(weight * out), tf.reduce_sum(penalty)
    assert len(rule.codebooks) == (1 if shared else 3)
    rest, squares, gradient = v.numpy(), 0.0, 0.0
    for d in range(3):
        book = rule.codebooks[0 if shared else d].entries.numpy()
        k = np.argmin(((rest[..., None, :] - book) ** 2).sum(-1), axis=-1)
        np.testing.assert_array_equal(codes[..., d], k)
        rest = rest - book[k]
        squares, gradient = squares + (rest**2).sum(-1), gradient + 2 * rest
    np.testing.assert_allclose(out, v - rest, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(penalty, 0.7 * squares, rtol=1e-4)
    np.testing.assert_allclose(tape.gradient(through, v), weight)
    np.testing.assert_allclose(tape.gradient(added, v), 0.7 * gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_every_codebook_learns_of_what_it_was_given(shared):
    """With weights of the examples, and all steps at once where the codebook is shared."""
    rule = made(Residual(5, 2, shared=shared, decay=0.9, restart=0.0), 2)
    v, weights = vectors(4, 6, 2), np.array([1, 0, 2, 1], np.float32)
    first = rule.codebooks[0].entries.numpy()
    k = rule.nearest(tf.constant(v)).numpy()
    rests = [v, v - first[k[..., 0]]]
    with example_weights(tf.constant(weights)):
        rule.encode(tf.constant(v), seed=SEED, training=True)
    found = [(one.counts.numpy(), one.sums.numpy()) for one in rule.codebooks]
    hot = np.eye(5)[k] * weights[:, None, None, None]
    counts = [hot[:, :, d].sum((0, 1)) for d in range(2)]
    sums = [np.einsum("bpk,bps->ks", hot[:, :, d], rests[d]) for d in range(2)]
    if shared:
        counts, sums = [sum(counts)], [sum(sums)]
    for one, count, total in zip(found, counts, sums, strict=True):
        np.testing.assert_allclose(one[0], 0.1 * count, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one[1], 0.1 * total, rtol=1e-4, atol=1e-5)


def test_groups_are_rules_side_by_side():
    rule = made(Grouped(Codebook(5, restart=0.0), 2), 4)
    v = tf.constant(vectors(4, 6, 4))
    apart = [made(Codebook(5, restart=0.0), 2) for _ in range(2)]
    for one, other in zip(apart, rule.rules, strict=True):
        one.entries.assign(other.entries)
    assert np.any(rule.rules[0].entries.numpy() != rule.rules[1].entries.numpy())
    whole = rule.encode(v, seed=SEED, training=True)
    parts = [
        one.encode(v[..., 2 * i : 2 * i + 2], seed=fold_in(SEED, i), training=True)
        for i, one in enumerate(apart)
    ]
    np.testing.assert_array_equal(whole.codes, np.stack([p.codes for p in parts], axis=-1))
    np.testing.assert_allclose(whole.vectors, np.concatenate([p.vectors for p in parts], axis=-1))
    np.testing.assert_allclose(whole.penalty, sum(p.penalty for p in parts))
    for one, other in zip(apart, rule.rules, strict=True):
        np.testing.assert_array_equal(one.counts, other.counts)
    three = made(Grouped(Residual(5, 2), 3), 3)
    codes = three.nearest(tf.constant(v[..., :3]))
    for i, one in enumerate(three.rules):
        np.testing.assert_array_equal(codes[..., 2 * i : 2 * i + 2], one.nearest(v[..., i : i + 1]))


# Without a codebook.


def test_finite_scalars_are_the_published_ones():
    """Mentzer et al., Appendix A.1, in NumPy; the gradient is that of the bound."""
    levels = np.array([8, 5, 4, 2])
    rule, v = FiniteScalar(levels), tf.constant(3 * vectors(50, 4))
    half, offset = (levels - 1) * (1 + 1e-3) / 2, np.where(levels % 2 == 1, 0.0, 0.5)
    bounded = np.tanh(v + np.arctanh(offset / half)) * half - offset
    codes = np.round(bounded) / (levels // 2)
    basis = np.concatenate([[1], np.cumprod(levels[:-1])])
    with tf.GradientTape() as tape:
        tape.watch(v)
        found = rule.encode(v, seed=SEED)
    np.testing.assert_allclose(found.vectors, codes, atol=1e-5)
    index = ((codes * (levels // 2) + levels // 2) * basis).sum(-1)
    np.testing.assert_array_equal(found.codes, index.astype(int))
    slope = (1 - np.tanh(v + np.arctanh(offset / half)) ** 2) * half / (levels // 2)
    np.testing.assert_allclose(tape.gradient(found.vectors, v), slope, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.penalty, np.zeros(50))


def entropy(p):
    return -(p * np.log(p)).sum(-1)


@pytest.mark.parametrize("bits", [1, 3, 4])
def test_the_entropies_by_enumeration(bits):
    rule = LookupFree(bits, entropy=0.3, diversity=0.5, commitment=0.2, temperature=1.5)
    v, weights = vectors(3, 4, bits), np.array([1, 0, 2], np.float32)
    signs = np.array(list(itertools.product([-1, 1], repeat=bits)))
    p = np.exp(-((v[..., None, :].astype(float) - signs) ** 2).sum(-1) / 1.5)
    p /= p.sum(-1, keepdims=True)
    distance = ((v - np.sign(v)) ** 2).sum(-1)
    for given in (None, weights):
        mean = np.average(p.reshape([12, -1]), 0, None if given is None else np.repeat(given, 4))
        expected = 0.3 * (entropy(p) - 0.5 * entropy(mean)) + 0.2 * distance
        with example_weights(None if given is None else tf.constant(given)):
            found = rule.encode(tf.constant(v), seed=SEED).penalty
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_entropy_of_the_mean_is_that_of_all_replicas(mirrored):
    """Value and gradient; the loss is the weighted mean over all examples."""
    rule, v = LookupFree(3), vectors(5, 2, 3)
    weights = np.array([1, 0, 2, 1, 1], np.float32)

    def loss_of(v, weights):
        with tf.GradientTape() as tape:
            tape.watch(v)
            with example_weights(weights):
                penalty = tf.reduce_mean(rule.encode(v, seed=SEED).penalty, axis=1)
            loss = tf.reduce_sum(weights * penalty) / 5.0
        return loss, tape.gradient(loss, v)

    loss, gradient = loss_of(tf.constant(v), tf.constant(weights))

    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        mine = slice(3 * replica, 3 + 2 * replica)
        return loss_of(tf.constant(v)[mine], tf.constant(weights)[mine])

    losses, gradients = tf.function(lambda: mirrored.run(step))()
    parts = mirrored.experimental_local_results
    np.testing.assert_allclose(sum(parts(losses)), loss, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate(parts(gradients)), gradient, rtol=1e-4, atol=1e-6)


def test_a_batch_without_weight_adds_what_is_finite():
    rule = LookupFree(2)
    with example_weights(tf.zeros([3])):
        assert np.isfinite(rule.encode(tf.constant(vectors(3, 2, 2)), seed=SEED).penalty).all()


# Counting codes.


def test_perplexity_and_usage_of_several_codes_by_hand():
    perplexity, usage = tfvae.metrics.Perplexity(4, depth=2), tfvae.metrics.CodeUsage(4, depth=2)
    codes = np.array([[[0, 1], [1, 1]], [[0, 1], [2, 3]]])
    for metric in (perplexity, usage):
        metric.update_state(codes, np.array([1, 1, 1, 1, 0, 0, 2, 2]))
    first, second = np.array([1, 1, 2]) / 4, np.array([2, 2]) / 4
    mean = (entropy(first) + entropy(second)) / 2
    assert float(perplexity.result()) == pytest.approx(np.exp(mean))
    assert float(usage.result()) == 5 / 8
    same = type(usage).from_config(usage.get_config())
    assert (same.codes, same.depth, same.name) == (4, 2, "usage")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FiniteScalar((5, 1)), "levels takes integers from 2"),
        (lambda: FiniteScalar((1000,) * 4), "codes: take fewer"),
        (lambda: LookupFree(25), "bits takes an integer from 1 to 24"),
        (lambda: LookupFree(3, temperature=0.0), "temperature=0.0"),
        (lambda: Residual(4, 0), "depth takes an integer from 1"),
        (lambda: Grouped(4), "rule takes a rule"),
        (lambda: Grouped(Codebook(4), 0), "groups takes an integer from 1"),
        (lambda: Grouped(Codebook(4), 2).build(3), "groups=2 does not divide the 3 numbers"),
        (lambda: latents.Quantizer(4), "rule takes a rule"),
        (lambda: latents.Quantizer(LookupFree(3), size=4), "LookupFree takes vectors of 3 numbers"),
        (
            lambda: latents.Quantizer(LookupFree(3)).prepare(tf.zeros([1, 4]), (2,)),
            "LookupFree takes vectors of a size: size=3 does not divide the encoder's 4 channels",
        ),
    ],
)
def test_refusals(make, words):
    with pytest.raises(tfvae.UserError, match=words):
        make()
