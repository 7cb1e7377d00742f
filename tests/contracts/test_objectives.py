"""What every objective promises: a line for each in `CASES`, and one test for each promise.

The objectives are found by themselves: one without a line fails the first test.
"""

import doctest
import importlib
import inspect
import json
import pathlib
import pkgutil
import re

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import Latent, VAEOutput
from tfvae.distributions.divergences import log_importance_weights
from tfvae.schedules import Linear

tfd = tfp.distributions
FOLDER = tfvae.objectives.__path__
HERE = pathlib.Path(__file__).parent


def found():
    """Every objective of the folder that is no base of another and has a name without `_`.

    Those that take a target are in test_objectives_with_target.py.
    """
    classes = {}
    for module in pkgutil.iter_modules(FOLDER):
        module = importlib.import_module(f"tfvae.objectives.{module.name}")
        for name, value in vars(module).items():
            is_objective = isinstance(value, type) and issubclass(value, tfvae.objectives.Objective)
            if is_objective and value.__module__ == module.__name__ and name in module.__all__:
                classes[name] = value
    return {
        name: cls
        for name, cls in classes.items()
        if cls.call is not tfvae.objectives.Objective.call
        and "target" not in inspect.signature(cls.call).parameters
        and not any(cls in other.__mro__[1:] for other in classes.values())
    }


def parts(x, output):
    """Distortion and rate of independent normals, by NumPy: [batch] each, or [K, batch]."""
    distortion = -np.float64(output.likelihood.log_prob(x))
    q = output.latents[0].posterior.distribution
    loc, scale = np.float64(q.loc), np.float64(q.scale)
    rate = -0.5 * (1 + np.log(scale**2) - loc**2 - scale**2).sum(-1)
    return distortion, rate


def elbo(x, output, step):
    distortion, rate = parts(x, output)
    return distortion + rate


def beta_elbo(x, output, step):
    distortion, rate = parts(x, output)
    return distortion.mean(0) + 4.0 * min(step / 10, 1.0) * rate


def free_bits(x, output, step):
    distortion, rate = parts(x, output)
    return distortion + np.where(rate.mean() > 5.0, rate, 5.0)


def capacity(x, output, step):
    distortion, rate = parts(x, output)
    return distortion + 10.0 * np.sign(rate.mean() - 5.0) * (rate - 5.0)


def bound(sizes):
    """The mean of log mean weights over groups of samples."""

    def value(x, output, step):
        weights = np.float64(log_importance_weights(x, output))
        weights = weights.reshape(*sizes, -1)
        return -(scipy.special.logsumexp(weights, axis=1) - np.log(sizes[1])).mean(0)

    return value


def combination(share, sizes):
    """A share of the negative ELBO of the drawn z, the rest of the negative bound."""

    def value(x, output, step):
        weights = np.float64(log_importance_weights(x, output))
        return -share * weights.mean(0) + (1 - share) * bound(sizes)(x, output, step)

    return value


def renyi(alpha):
    """1/(1 − α) log mean w^(1 − α), negative."""

    def value(x, output, step):
        weights = (1 - alpha) * np.float64(log_importance_weights(x, output))
        return -(scipy.special.logsumexp(weights, axis=0) - np.log(len(weights))) / (1 - alpha)

    return value


def geco(x, output, step):
    """At the multiplier's start, 1: six pixels, 0.1 nats each."""
    return elbo(x, output, step) - 6 * 0.1


def dip(kind):
    """The negative ELBO, and 4 times the squares off the diagonal, 3 times those on it."""

    def value(x, output, step):
        q = output.latents[0].posterior.distribution
        covariance = np.cov(np.float64(q.loc).T, bias=True)
        if kind == "ii":
            covariance += np.diag((np.float64(q.scale) ** 2).mean(0))
        penalty = 3 * ((np.diag(covariance) - 1) ** 2).sum()
        penalty += 4 * (covariance**2 - np.diag(np.diag(covariance)) ** 2).sum()
        return elbo(x, output, step) + penalty

    return value


def code_norm(x, output, step):
    distortion, _ = parts(x, output)
    return distortion + 3.0 * 0.5 * (np.float64(output.latents[0].z) ** 2).sum(-1)


# A line: the arguments, and the loss per example in closed form (None where a test file of the
# objective's own has the values).
CASES = {
    "ELBO": [
        ({}, elbo),
        ({"beta": Linear(0.0, 4.0, 10), "samples": 3}, beta_elbo),
        ({"free_bits": 5.0}, free_bits),
        ({"balance": 0.5}, elbo),  # of one group: its share is all
        ({"beta": 10.0, "capacity": 5.0}, capacity),
    ],
    "IWAE": [({"samples": 4}, bound((1, 4)))],
    "MIWAE": [({"bounds": 2, "samples": 3}, bound((2, 3)))],
    "CIWAE": [({"beta": 0.3, "samples": 4, "gradient": "dreg"}, combination(0.3, (1, 4)))],
    "PIWAE": [({"bounds": 2, "samples": 3}, bound((1, 6)))],
    "Renyi": [
        ({"alpha": -0.5, "samples": 4}, renyi(-0.5)),
        ({"alpha": 0.6, "samples": 4, "gradient": "dreg"}, renyi(0.6)),
    ],
    "BetaTCVAE": [({"beta": 3.0, "examples": 40}, None)],
    "JointCapacity": [({"gamma": 10.0, "continuous": 5.0}, capacity)],  # one part
    "DipVAE": [
        ({"off_diagonal": 4.0, "diagonal": 3.0, "kind": "i"}, dip("i")),
        ({"off_diagonal": 4.0, "diagonal": 3.0, "kind": "ii"}, dip("ii")),
    ],
    "GECO": [({"target": 0.1, "rate": 2.0}, geco)],
    "InfoVAE": [
        ({"alpha": 1.0, "kernel": "imq", "unbiased": False, "draws": 30, "samples": 2}, None),
        ({"alpha": 0.4, "strength": 50.0, "unbiased": False, "draws": 30}, None),
    ],
    "RegularizedAutoencoder": [
        ({"code": 3.0}, code_norm),
        ({"code": Linear(0.0, 4.0, 10), "gradient": 0.5, "decay": 0.1}, None),
    ],
    "SlicedWasserstein": [({"projections": 4, "draws": 30, "samples": 2}, None)],
    "AdversarialAutoencoder": [({"strength": 3.0, "units": [6]}, None)],
    "SoftIntroVAE": [({"strength": 0.5, "beta": Linear(0.0, 1.0, 10), "sharpness": 1.5}, None)],
    "VaeGan": [({"strength": 3.0, "beta": 0.5, "units": [6]}, None)],
    "FactorVAE": [({"gamma": 3.0, "units": [6]}, None)],
}

LINES = [
    pytest.param(name, kwargs, value, id=f"{name}-{i}")
    for name in found()
    for i, (kwargs, value) in enumerate(CASES.get(name, []))
]
every_line = pytest.mark.parametrize(("name", "kwargs", "value"), LINES)
# What runs the whole of a training step: of those that share a `call`, one stands for all.
SHARED_CALL = {
    **dict.fromkeys(("MIWAE", "CIWAE", "Renyi"), "IWAE"),  # they differ in `combine`
    "SlicedWasserstein": "InfoVAE",  # in `divergence`
}


def with_arguments(names):
    return pytest.mark.parametrize(
        ("name", "kwargs"), [pytest.param(n, CASES[n][-1][0], id=n) for n in names]
    )


every_objective = with_arguments([n for n in found() if n in CASES and n not in SHARED_CALL])
on_replicas = with_arguments(
    [n for n in found() if n in CASES and SHARED_CALL.get(n) not in {"IWAE"}]
)


@pytest.fixture
def make(make_vae):
    """Makes a compiled model that is trained on an objective."""

    def make(name, kwargs, rate=0.1, **options):
        keras.utils.set_random_seed(0)
        vae = make_vae(objective=found()[name](**kwargs))
        vae.compile(keras.optimizers.SGD(rate), **options)
        return vae

    return make


def test_every_objective_of_the_folder_has_a_line():
    assert len(found()) >= 1
    missing = set(found()) - set(CASES)
    assert not missing, f"give {sorted(missing)} a line in CASES"


@pytest.mark.parametrize("name", sorted(SHARED_CALL))
def test_what_shares_a_call_has_no_step_of_its_own(name):
    own = {"call", "gate", "update", "own_terms", "own_weights", "weighs_draws"}
    assert found()[name].call is found()[SHARED_CALL[name]].call
    assert not own & set(vars(found()[name]))


@pytest.mark.parametrize("name", found())
def test_every_objective_is_public_and_has_its_values_tested(name):
    assert getattr(tfvae.objectives, name) is found()[name]
    assert keras.saving.get_registered_name(found()[name]) == f"tfvae>{name}"
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    own_file = HERE.parent / "objectives" / f"test_{snake}.py"
    values = [value for _, value in CASES[name]]
    assert own_file.exists() or any(values), f"no value of {name} is tested"
    assert "References:" in inspect.getdoc(found()[name])


@every_line
def test_config_round_trip(name, kwargs, value):
    objective = found()[name](**kwargs)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(objective)))
    same = keras.saving.deserialize_keras_object(config)
    assert type(same) is type(objective)
    assert json.dumps(same.get_config()) == json.dumps(objective.get_config())
    assert same.samples == objective.samples
    # Every argument of the constructor is in the configuration.
    arguments = inspect.signature(type(objective).__init__).parameters.values()
    named = {a.name for a in arguments if a.kind is not inspect.Parameter.VAR_KEYWORD} - {"self"}
    assert named <= set(config["config"])


@every_line
def test_shapes_and_values(make, binary, name, kwargs, value):
    vae = make(name, kwargs)
    output = vae(binary, samples=vae.objective.samples, seed=0)
    for step in (0, 5, 20):
        loss, terms = vae.objective(binary, output, step=step)
        assert {"elbo", "distortion", "rate"} <= set(terms)
        for term in (loss, *terms.values()):
            assert term.shape == [40]
            assert term.dtype == tf.float32
            assert np.isfinite(term).all()
        if value is not None:
            np.testing.assert_allclose(loss, value(binary, output, step), rtol=1e-4, atol=1e-5)


@every_line
def test_the_elbo_is_the_unweighted_one(make, binary, name, kwargs, value):
    vae = make(name, kwargs)
    output = vae(binary, samples=vae.objective.samples, seed=0)
    terms = vae.objective(binary, output, step=3).terms
    distortion, rate = parts(binary, output)
    distortion = distortion if distortion.ndim == 1 else distortion.mean(0)
    np.testing.assert_allclose(terms["distortion"], distortion, rtol=1e-4)
    np.testing.assert_allclose(terms["rate"], rate, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms["elbo"], -distortion - rate, rtol=1e-4)


@every_objective
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "xla"])
@pytest.mark.representatives(
    "xla-ELBO", "xla-FactorVAE", "plain-BetaTCVAE", "plain-GECO", "plain-PIWAE"
)
def test_fit_takes_a_step(make, binary, name, kwargs, jit):
    vae = make(name, kwargs, jit_compile=jit)
    before = vae.get_weights()
    logs = vae.fit(tf.data.Dataset.from_tensors(binary), verbose=0).history
    assert {"loss", "elbo", "distortion", "rate", "bits_per_dim"} <= set(logs)
    assert set(vae.objective.scheduled(0)) <= set(logs)
    assert np.isfinite([values[0] for values in logs.values()]).all()
    np.testing.assert_allclose(logs["elbo"][0], -logs["distortion"][0] - logs["rate"][0], rtol=1e-5)
    trained = [np.abs(a - b).max() > 0 for a, b in zip(before, vae.get_weights(), strict=True)]
    weights = [w for w in vae.weights if w.trainable]
    moved = {w.path for w, changed in zip(vae.weights, trained, strict=True) if changed}
    assert {w.path for w in weights} == moved
    assert np.isfinite(np.concatenate([w.ravel() for w in vae.get_weights()])).all()


@every_line
def test_an_example_of_weight_two_is_the_example_twice(make, binary, name, kwargs, value):
    vae, objective = make(name, kwargs), found()[name](**kwargs)
    x, places = binary[:12], [*range(12), 3]
    output = vae(x, samples=vae.objective.samples, seed=0)
    latent, axis = output.latents[0], 0 if vae.objective.samples is None else 1

    def run(places, weights):
        keras.utils.set_random_seed(0)  # of a discriminator's weights
        z, gate = objective.gate(tf.gather(latent.z, places, axis=axis))
        again = Latent(z, vae.encode(x[places]), latent.prior, gradient_weights=gate)
        again = output._replace(latents=(again,), likelihood=vae.decode(z))
        weights = None if weights is None else tf.constant(weights)
        return objective(x[places], again, step=5, weights=weights)

    twice = run(places, None)
    weights = np.ones(12, np.float32)
    weights[3] = 2.0
    weighted = run(list(range(12)), weights)
    # Where the batch is the data set: only then does the twin of an example come with it for sure.
    if "examples" in kwargs:
        objective.examples = 1
        twice, weighted = run(places, None), run(list(range(12)), weights)
    np.testing.assert_allclose(weighted.loss, twice.loss[:12], rtol=1e-4, atol=1e-5)
    for term in twice.terms:
        np.testing.assert_allclose(
            weighted.terms[term], twice.terms[term][:12], rtol=1e-4, atol=1e-4, err_msg=term
        )


@on_replicas
@pytest.mark.representatives("BetaTCVAE", "FactorVAE", "GECO", "InfoVAE")
def test_steps_on_two_replicas_are_the_steps_on_one(
    same_noise_everywhere, mirrored, binary, assert_same_weights, name, kwargs
):
    """With batches that two replicas share unevenly, and sample weights."""
    weights = np.random.default_rng(1).choice(np.float32([0.5, 1.0, 2.0]), 14)
    nothing = np.zeros((14, 0), np.float32)
    data = tf.data.Dataset.from_tensor_slices((binary[:14], nothing, weights)).batch(7)
    own = {"optimizer": keras.optimizers.SGD(0.5)} if "units" in kwargs else {}
    one = same_noise_everywhere(lambda: found()[name](**kwargs, **own))
    start = one.get_weights()
    with mirrored.scope():
        two = same_noise_everywhere(lambda: found()[name](**kwargs, **own))
    logs = [vae.fit(data, verbose=0).history for vae in (one, two)]
    assert_same_weights(one, two, rtol=1e-4, atol=1e-5)
    assert max(np.abs(a - b).max() for a, b in zip(start, one.get_weights(), strict=True)) > 1e-3
    for term in logs[0]:
        np.testing.assert_allclose(logs[0][term], logs[1][term], rtol=1e-4, err_msg=term)
    for weight in two.weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b, err_msg=weight.path)


@every_objective
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(make, binary, policy, name, kwargs, precision):
    policy(precision)
    vae = make(name, kwargs, run_eagerly=True)
    logs = vae.fit(tf.data.Dataset.from_tensors(binary), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    output = vae(binary, samples=vae.objective.samples, seed=0)
    loss, terms = vae.objective(binary, output)
    assert {t.dtype for t in (loss, *terms.values())} == {tf.float32}


@every_objective
@pytest.mark.representatives("ELBO", "FactorVAE", "GECO")
def test_a_saved_run_goes_on_exactly(make, binary, tmp_path, assert_same_weights, name, kwargs):
    data = tf.data.Dataset.from_tensor_slices(binary).batch(20)
    whole, half = (make(name, kwargs, run_eagerly=True) for _ in range(2))
    whole.fit(data, epochs=2, verbose=0)
    half.fit(data, verbose=0)
    half.save(tmp_path / "m.keras")
    keras.utils.set_random_seed(99)
    resumed = tfvae.load(tmp_path / "m.keras")
    assert_same_weights(half, resumed)
    resumed.fit(data, verbose=0)
    assert_same_weights(whole, resumed)
    evaluated = [vae.evaluate(data, verbose=0, return_dict=True) for vae in (whole, resumed)]
    assert evaluated[0] == evaluated[1]


# What an objective of the user's own has to return.


def mean_loss(x, output, bound, terms):
    return tfvae.ObjectiveOutput(tf.reduce_mean(-bound.elbo), terms)


def bare_tensor(x, output, bound, terms):
    return -bound.elbo


def scalar_term(x, output, bound, terms):
    return tfvae.ObjectiveOutput(-bound.elbo, {**terms, "mmd": tf.constant(0.5)})


def broadcasting_term(x, output, bound, terms):
    return tfvae.ObjectiveOutput(-bound.elbo, {**terms, "mmd": bound.rate[:, None]})


def no_elbo(x, output, bound, terms):
    return tfvae.ObjectiveOutput(-bound.elbo, {"rate": bound.rate})


def another_name(x, output, bound, terms):
    return tfvae.ObjectiveOutput(-bound.elbo, {**terms, 3: bound.rate})


def integers(x, output, bound, terms):
    return tfvae.ObjectiveOutput(tf.cast(bound.elbo, tf.int32), terms)


def no_terms(x, output, bound, terms):
    return tfvae.ObjectiveOutput(-bound.elbo, None)


def none_at_all(x, output, bound, terms):
    return None


def draws(x, output, bound, terms):
    return tfvae.ObjectiveOutput(-bound.elbo, {**terms, "draws": tf.zeros([3])})


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (
            mean_loss,
            r"the loss of Mine has shape \[\] and has to have shape \[batch\], here \[40\]",
        ),
        (bare_tensor, r"Mine.call returned a tensor of shape \[40\]: return tfvae.ObjectiveOutput"),
        (scalar_term, r"the term 'mmd' of Mine has shape \[\] .* tf.fill\(tf.shape\(x\)\[:1\]"),
        (broadcasting_term, r"the term 'mmd' of Mine has shape \[40, 1\]"),
        (no_elbo, r"terms of Mine have no 'elbo' and no 'distortion': add \*\*self.elbo_terms"),
        (another_name, "a term of Mine is named 3: take a string"),
        (integers, "the loss of Mine is of type int32: tf.cast it to float32"),
        (no_terms, "the terms of Mine are an object of type NoneType: give a dict"),
        (none_at_all, "Mine.call returned an object of type NoneType"),
        (draws, r"the term 'draws' of Mine has shape \[3\]"),
    ],
)
def test_what_is_no_number_per_example_is_refused(make_vae, binary, returned, words):
    class Mine(tfvae.objectives.Objective):
        def call(self, x, output, *, step=0):
            bound = tfvae.distributions.elbo(x, output)
            return returned(x, output, bound, self.elbo_terms(x, output, bound))

    output = make_vae()(binary, seed=0)
    with pytest.raises(tfvae.UserError, match=words) as refusal:
        Mine()(binary, output)
    assert "\n" not in str(refusal.value)
    # Before the first step, and in a graph that does not know the size of the batch.
    vae = make_vae(objective=Mine(), built=False)
    vae.compile("sgd")
    with pytest.raises(
        tfvae.UserError, match=words.partition(r" and has to")[0].replace("40", "1")
    ):
        vae.fit(tf.data.Dataset.from_tensor_slices(binary).batch(8), verbose=0)
    traced = tf.function(
        lambda x: Mine()(x, make_output(x, output)).loss,
        input_signature=[tf.TensorSpec([None, 3, 2, 1])],
        autograph=False,  # which wraps errors
    )
    with pytest.raises(tfvae.UserError):
        traced(binary)


def test_terms_of_a_second_loss_are_checked_alike(make_vae, binary):
    class Mine(tfvae.objectives.ELBO):
        def own_terms(self, x, output, *, seed, weights=None):
            return {"second": tf.constant(1.0)}

    vae = make_vae(objective=Mine())
    vae.compile("sgd", run_eagerly=True)
    with pytest.raises(tfvae.UserError, match=r"the term 'second' of Mine has shape \[\]"):
        vae.evaluate(binary, verbose=0)


def make_output(x, output):
    """An output of the same distributions whose batch is as long as x is."""
    latent = output.latents[0]
    zeros = tf.zeros_like(tf.reshape(x, [-1, 6])[:, :2])
    q = tfd.Independent(tfd.Normal(zeros, 1.0), 1)
    likelihood = tfd.Independent(tfd.Bernoulli(logits=tf.zeros_like(x)), 3)
    return VAEOutput((Latent(zeros, q, latent.prior),), likelihood)


def test_the_example_of_an_objective_of_ones_own(make_vae, binary, tmp_path):
    """The docstring's code: it trains, its value is that of NumPy, and the file keeps it."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(tfvae.objectives.Objective))
    parts = make_vae(built=False)
    names = {"encoder": parts.encoder, "decoder": parts.decoder}
    names |= {"keras": keras, "tf": tf, "tfvae": tfvae}
    for example in examples:
        exec(compile(example.source, "docstring", "exec"), names)
    vae = names["model"]
    assert float(vae.objective.strength(0)) == 100.0
    vae.compile(keras.optimizers.SGD(0.1))
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert np.isfinite(logs["mmd"]).all()
    assert logs["loss"][0] == pytest.approx(100 * logs["mmd"][0] - logs["elbo"][0], rel=1e-4)
    output = vae(binary, seed=0)
    terms = vae.objective(binary, output, step=3).terms
    z = output.latents[0].z.numpy().astype(np.float64)
    seed = tfvae.distribute.fold_in(tfvae.distribute.as_seed(0), 3)
    prior = output.latents[0].prior.sample(40, seed=seed).numpy().astype(np.float64)

    def kernel(a, b):
        return np.exp(-((a[:, None] - b) ** 2).sum(-1) / 2).mean()

    truth = kernel(z, z) + kernel(prior, prior) - 2 * kernel(z, prior)
    np.testing.assert_allclose(terms["mmd"], np.full(40, truth), rtol=1e-4, atol=1e-6)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert float(same.objective.strength(0)) == 100.0
    np.testing.assert_allclose(same.elbo(binary, seed=1), vae.elbo(binary, seed=1), rtol=1e-5)
