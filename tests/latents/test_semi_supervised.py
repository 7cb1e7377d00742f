"""M2 and M1+M2 against plain NumPy: labels known for all, for some, for none."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import latents, layers, networks, objectives, priors

N, C, D, D1 = 12, 3, 2, 4
EVENT = (3, 2, 1)
X = (np.random.default_rng(0).random((N, *EVENT)) < 0.5).astype(np.float32)
ALL = np.arange(N) % C
SOME = np.where(np.arange(N) % 2, ALL, -1)
LABELS = {"all": ALL, "some": SOME, "none": np.full(N, -1), "no context": None}


def linear(head, conditioner=None):
    return networks.Encoder(networks.MLP([]), head, conditioner=conditioner)


def vectors():
    return keras.layers.Reshape((C,))


def m2(alpha=2.0, likelihood=None, objective=None):
    keras.utils.set_random_seed(1)
    structure = latents.SemiSupervised(
        linear(layers.OneHotCategorical(C)),
        linear(layers.IndependentNormal(D), vectors()),
        alpha=alpha,
    )
    head = likelihood or layers.IndependentBernoulli(EVENT)
    vae = tfvae.VAE(
        networks.BottomUp([keras.layers.Flatten()]),
        networks.Decoder(networks.MLP([]), head),
        latents=structure,
        objective=objective,
    )
    return off_the_start(vae, head.event_shape)


def m1_m2(alpha=2.0):
    keras.utils.set_random_seed(1)
    structure = latents.StackedSemiSupervised(
        linear(layers.OneHotCategorical(C)),
        linear(layers.IndependentNormal(D), vectors()),
        linear(layers.IndependentNormal(D1)),
        alpha=alpha,
    )
    vae = tfvae.VAE(
        linear(layers.IndependentNormal(D1)),
        networks.Decoder(networks.MLP([]), layers.IndependentBernoulli(EVENT)),
        latents=structure,
    )
    return off_the_start(vae, EVENT)


def off_the_start(vae, event):
    vae.build((None, *event), (None,))
    rng = np.random.default_rng(3)
    for weight in vae.trainable_weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape).astype(np.float32))
    return vae


# The networks once more, in NumPy.


def affine(network, x):
    kernel, bias = network.projection.get_weights()
    return np.float64(x) @ kernel + bias


def normal(network, x):
    loc, raw = np.split(affine(network, x), 2, axis=-1)
    return loc, np.logaddexp(0, raw) + network.head.min_scale


def log_normal(z, loc, scale):
    return scipy.stats.norm(loc, scale).logpdf(z).sum(-1)


def kl_normal(loc, scale):
    return -0.5 * (1 + np.log(scale**2) - loc**2 - scale**2).sum(-1)


def log_bernoulli(vae, code):
    logits = affine(vae.decoder, code)
    return (X.reshape(N, -1) * logits - np.logaddexp(0, logits)).sum(-1)


def one_hot(c, n=N):
    return np.eye(C)[np.full(n, c)]


def classifier(vae, features, labels):
    """log q(y), and the same with the certainty of the labels that are known."""
    log_q = scipy.special.log_softmax(affine(vae.latents.classifier, features), axis=-1)
    q = np.exp(log_q)
    if labels is not None:
        q = np.where((labels >= 0)[:, None], np.eye(C)[labels], q)
    return log_q, q


@pytest.mark.parametrize("known", LABELS)
def test_m2_is_the_bound_of_the_paper(known):
    """L(x, y) where the label is known, U(x) where it is not, class by class."""
    labels, vae = LABELS[known], m2()
    output = vae(X, context=labels, seed=0)
    z = np.float64(output.latents[1].z)  # [batch, class, D]
    x = X.reshape(N, -1)
    log_q, _ = classifier(vae, x, None)
    bounds, kls, logs = np.zeros((N, C)), np.zeros((N, C)), np.zeros((N, C))
    for c in range(C):
        loc, scale = normal(vae.latents.inference, np.hstack([x, one_hot(c)]))
        kls[:, c] = kl_normal(loc, scale)
        logs[:, c] = log_bernoulli(vae, np.hstack([one_hot(c), z[:, c]]))
        bounds[:, c] = logs[:, c] - kls[:, c] + np.log(1 / C)  # L(x, c)
    unlabelled = (np.exp(log_q) * (bounds - log_q)).sum(1)  # Σ q L + H(q)
    given = np.full(N, -1) if labels is None else labels
    truth = np.where(given >= 0, bounds[np.arange(N), given], unlabelled)
    loss, terms = objectives.ELBO()(X, output)
    np.testing.assert_allclose(terms["elbo"], truth, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(loss, -truth, rtol=1e-4, atol=1e-4)
    penalty = output.latents[0].penalty
    if labels is None:
        assert penalty is None
        return
    cross_entropy = -log_q[np.arange(N), given]
    np.testing.assert_allclose(penalty, 2.0 * (given >= 0) * cross_entropy, rtol=1e-4, atol=1e-5)
    accuracy = output.latents[0].terms["accuracy"]
    np.testing.assert_array_equal(accuracy.counts, given >= 0)
    known = given >= 0
    np.testing.assert_array_equal(accuracy.values[known], (log_q.argmax(1) == given)[known])
    # What is drawn for each class is of its own q(z|x, y).
    draws = vae(np.tile(X, (400, 1, 1, 1)), context=np.tile(given, 400), seed=0).latents[1].z
    draws = np.reshape(draws, [400, N, C, D])
    loc, scale = normal(vae.latents.inference, np.hstack([x, one_hot(2)]))
    error = (draws[:, :, 2].mean(0) - loc) / (scale / 20)
    assert np.abs(error).max() < 4.5


@pytest.mark.parametrize("known", LABELS)
def test_m1_m2_is_the_bound_of_both(known):
    labels, vae = LABELS[known], m1_m2()
    output = vae(X, context=labels, seed=0)
    _, style, first = output.latents
    z1, z2 = np.float64(first.z), np.float64(style.z)
    loc, scale = normal(vae.encoder, X.reshape(N, -1))
    truth = log_bernoulli(vae, z1) - log_normal(z1, loc, scale)
    _, q = classifier(vae, z1, labels)
    for c in range(C):
        p = normal(vae.latents.generation, np.hstack([one_hot(c), z2[:, c]]))
        kl = kl_normal(*normal(vae.latents.inference, np.hstack([z1, one_hot(c)])))
        truth += q[:, c] * (log_normal(z1, *p) - kl)
    truth -= scipy.special.xlogy(q, q * C).sum(1)
    terms = objectives.ELBO()(X, output).terms
    np.testing.assert_allclose(terms["elbo"], truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("known", ["some", "no context"])
def test_estimates_meet_the_exact_evidence(known):
    """p(x|y, z) linear and normal: p(x) is a mixture of C normals, p(x, y) one of them."""
    labels, s, event = LABELS[known], 0.7, 5
    vae = m2(likelihood=layers.IndependentNormal(event, scale=s))
    x = np.random.default_rng(2).normal(size=(N, event)).astype(np.float32)
    kernel, bias = map(np.float64, vae.decoder.projection.get_weights())
    covariance = kernel[C:].T @ kernel[C:] + s**2 * np.eye(event)
    joint = np.stack(
        [
            scipy.stats.multivariate_normal(kernel[c] + bias, covariance).logpdf(x) - np.log(C)
            for c in range(C)
        ],
        axis=1,
    )
    exact = scipy.special.logsumexp(joint, axis=1)
    if labels is not None:
        exact = np.where(labels >= 0, joint[np.arange(N), labels], exact)
    # A wide posterior, so that the weights have a variance.
    projection = vae.latents.inference.projection
    projection.set_weights([0 * projection.kernel, np.float32([0, 0, 1.3, 1.3])])
    many, whose = np.tile(x, (200, 1)), None if labels is None else np.tile(labels, 200)
    context = None if labels is None else whose[: 20 * N]
    log_prob = vae.log_prob(many[: 20 * N], 1000, seed=0, context=context)
    ratio = np.exp(np.reshape(log_prob, [20, N]) - exact)
    error = ratio.std(0) / np.sqrt(20)
    assert (np.abs(ratio.mean(0) - 1) < 5 * error + 1e-4).all()
    # The ELBO is the same whether classes are summed over or drawn.
    summed = objectives.ELBO()(many, vae(many, context=whose, seed=0)).terms["elbo"]
    summed = np.reshape(summed, [200, N])
    drawn = vae.elbo(x, 4000, seed=0, context=labels).numpy()
    spread = 5 * summed.std(0) / np.sqrt(200) + 0.15
    assert (np.abs(summed.mean(0) - drawn) < spread).all()
    assert (drawn < exact).all()


def test_training_logs_the_accuracy_of_the_labels_that_are_known(mirrored):
    """Weights, uneven batches, one of them without labels; on one device and on two replicas."""
    labels = np.where(np.arange(N) < 5, SOME, np.where(np.arange(N) < 10, -1, ALL))
    weights = np.random.default_rng(1).choice(np.float32([0.5, 1.0, 2.0]), N)
    data = tf.data.Dataset.from_tensor_slices((X, labels, weights)).batch(5)
    with mirrored.scope():
        two = m2()
        two.compile("sgd")
    one = m2()
    one.compile("sgd", run_eagerly=True)
    log_q, _ = classifier(one, X.reshape(N, -1), None)
    known = labels >= 0
    truth = {
        "accuracy": (log_q.argmax(1) == labels)[known],
        "label_loss": -log_q[np.arange(N), labels][known],
    }
    for vae in (one, two):
        logs = vae.evaluate(data, verbose=0, return_dict=True)
        for name, values in truth.items():
            assert logs[name] == pytest.approx(np.average(values, weights=weights[known]), rel=1e-4)
    penalty = 2.0 * truth["label_loss"].sum()
    unweighted = one.evaluate(X, labels, verbose=0, return_dict=True)
    assert unweighted["loss"] == pytest.approx(-unweighted["elbo"] + penalty / N, rel=1e-4)


@pytest.mark.parametrize("make", [m2, m1_m2])
def test_classes_go_in_and_come_out(make):
    vae = make()
    q = vae.encode(X)
    assert q.event_shape == (C,)
    known = vae.encode(X, ALL).probs_parameter()
    np.testing.assert_array_equal(known, np.eye(C)[ALL])
    z = vae.predict(X, verbose=0)["z"]
    assert len(z) == len(vae(X).latents)
    np.testing.assert_array_equal(np.argmax(z[0], -1), np.argmax(q.mode(), -1))
    labels = vae.decode((ALL, z[1])).mean()
    np.testing.assert_array_equal(labels, vae.decode((np.eye(C)[ALL], z[1])).mean())
    np.testing.assert_array_equal(
        vae.decode((q.mode(), z[1])).mean(), vae.decode((z[0], z[1])).mean()
    )
    np.testing.assert_array_equal(vae.decode(ALL).mean(), vae.decode(np.eye(C)[ALL]).mean())
    # Of one class, whoever says so; without one, all classes.
    code = vae.latents.generate(N, context=SOME, seed=(0, 1))
    assert code.shape == (N, *vae.latents.code_shape)
    if make is m2:
        np.testing.assert_array_equal(np.argmax(code[:, :C], -1)[SOME >= 0], ALL[SOME >= 0])
        many = vae.latents.generate(300, seed=(0, 1))[:, :C]
        assert (np.abs(np.mean(many, axis=0) - 1 / C) < 5 * np.sqrt(2 / 9 / 300)).all()
    assert vae.sample(5, context=2, seed=0).shape == (5, *EVENT)
    assert vae.reconstruct(X).shape == X.shape


def test_a_trained_m1_stays_as_it_is(binary):
    m1 = tfvae.recipes.vae(EVENT, 3, hidden=(4,))
    m1.build((None, *EVENT))
    before = m1.get_weights()
    vae = tfvae.recipes.m1_m2(EVENT, 2, classes=C, m1=m1, upper_hidden=(4,), beta=0.5, warm_up=0)
    assert vae.encoder is m1.encoder
    vae.compile("adam", run_eagerly=True)
    vae.fit(binary, np.arange(40) % C, verbose=0)
    for a, b in zip(before, m1.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(vae.objective.beta(0)) == 0.5
    with pytest.raises(tfvae.UserError, match="m1 takes a trained VAE with one group"):
        tfvae.recipes.m1_m2(EVENT, 2, m1=tfvae.recipes.vae(EVENT, 2))


def test_what_cannot_be_is_refused():
    with pytest.raises(tfvae.UserError, match="takes the labels 0 to 2, and -1 for one that is"):
        m2()(X, context=ALL + 1)
    for objective in (objectives.IWAE(3), objectives.ELBO(kl="monte_carlo")):
        with pytest.raises(tfvae.UserError, match=r"gradient of .* with draws of the class"):
            m2(objective=objective)
    with pytest.raises(tfvae.UserError, match="takes one group of latent variables"):
        tfvae.recipes.m2(EVENT, 2, objective=objectives.DipVAE()).build((1, *EVENT), (1,))
    with pytest.raises(tfvae.UserError, match="VampPrior is made of posteriors of z given x"):
        tfvae.recipes.m2(EVENT, 2, prior="vamp_prior")
    normals = linear(layers.IndependentNormal(2))
    for parts, options, words in [
        ((normals, "q"), {}, "inference takes a Keras layer"),
        ((normals, normals), {"alpha": -1.0}, "alpha takes a number from 0"),
        ((normals, normals), {"prior": 3}, "prior takes a tfvae.priors.Prior"),
    ]:
        with pytest.raises(tfvae.UserError, match=words):
            latents.SemiSupervised(*parts, **options)
    assert priors.Prior.connect is priors.RealNVP.connect
