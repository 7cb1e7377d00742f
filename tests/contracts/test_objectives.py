"""What every objective promises: a line for each in `CASES`, and one test for each promise.

The objectives are found by themselves: one without a line fails the first test.
"""

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

import tfvae
from tfvae.distributions.divergences import log_importance_weights
from tfvae.schedules import Linear

FOLDER = tfvae.objectives.__path__
HERE = pathlib.Path(__file__).parent


def found():
    """Every objective of the folder that is no base of another and has a name without `_`."""
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


# A line: the arguments, and the loss per example in closed form (None where a test file of the
# objective's own has the values).
CASES = {
    "ELBO": [
        ({}, elbo),
        ({"beta": Linear(0.0, 4.0, 10), "samples": 3}, beta_elbo),
        ({"free_bits": 5.0}, free_bits),
        ({"beta": 10.0, "capacity": 5.0}, capacity),
    ],
    "IWAE": [({"samples": 4}, bound((1, 4)))],
    "MIWAE": [({"bounds": 2, "samples": 3}, bound((2, 3)))],
    "BetaTCVAE": [({"beta": 3.0, "examples": 40}, None)],
    "FactorVAE": [({"gamma": 3.0, "units": [6]}, None)],
}

LINES = [
    pytest.param(name, kwargs, value, id=f"{name}-{i}")
    for name in found()
    for i, (kwargs, value) in enumerate(CASES.get(name, []))
]
every_line = pytest.mark.parametrize(("name", "kwargs", "value"), LINES)
every_objective = pytest.mark.parametrize(
    ("name", "kwargs"), [pytest.param(n, CASES[n][-1][0], id=n) for n in found() if n in CASES]
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


@every_objective
def test_two_replicas(make, mirrored, binary, name, kwargs):
    with mirrored.scope():
        vae = make(name, kwargs)
    logs = vae.fit(tf.data.Dataset.from_tensors(binary[:7]).repeat(2), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    assert int(vae.step) == 2
    for weight in vae.weights:
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
