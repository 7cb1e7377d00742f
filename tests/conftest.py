import collections
import fnmatch
import gc
import importlib.util
import json
import os
import subprocess
import sys
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import distribute
from tfvae.data import registry

# Two replicas on one processor, for `MirroredStrategy(["CPU:0", "CPU:1"])`.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

tfd = tfp.distributions
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The files that take longest, some minute each: begun last, one process would wait for another.
LONGEST = (
    "distributed/test_fit.py",
    "distributed/test_train.py",
    "colab/test_notebooks.py",
    "runs/test_every_recipe.py",
    "runs/test_killed.py",
    "contracts/test_layers.py",
    "contracts/test_latents.py",
    "test_compositions.py",
    "runs/test_config.py",
    "contracts/test_objectives.py",
    "contracts/test_networks.py",
    "contracts/test_bayesian_layers.py",
    "trainer/test_on_replicas.py",
    "trainer/test_training.py",
    "cli/test_train.py",
    "test_conditioning.py",
    "runs/test_loop.py",
)


def _noise_of_the_example():
    """The encoder, which programs of the tests load in the same way."""
    path = os.path.join(ROOT, "tests", "noise_of_the_example.py")
    spec = importlib.util.spec_from_file_location("noise_of_the_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NoiseOfTheExample()


def _mark_the_exhaustive(items):
    """Marks the cases that `@pytest.mark.representatives` does not name."""
    unmet = {}
    for item in items:
        mark = item.get_closest_marker("representatives")
        if mark is None:
            continue
        case, test = item.callspec.id, (item.path, item.originalname)
        fitting = {pattern for pattern in mark.args if fnmatch.fnmatchcase(case, pattern)}
        unmet[test] = unmet.get(test, set(mark.args)) - fitting
        if not fitting:
            item.add_marker(pytest.mark.exhaustive)
    return {test: patterns for test, patterns in unmet.items() if patterns}


@pytest.hookimpl(tryfirst=True)  # before the cases are chosen by their marks
def pytest_collection_modifyitems(config, items):
    """The longest files first, then those of many tests; a file's tests stay together."""
    unmet = _mark_the_exhaustive(items)
    if unmet and not any("::" in argument for argument in config.args):
        raise pytest.UsageError(f"representatives that no case fits: {unmet}")
    here = os.path.dirname(os.path.abspath(__file__))
    files = [item.path.relative_to(here).as_posix() for item in items]
    rank = {name: place for place, name in enumerate(LONGEST)}
    count = collections.Counter(files)
    order = sorted(
        range(len(items)), key=lambda i: (rank.get(files[i], len(rank)), -count[files[i]], files[i])
    )
    items[:] = [items[i] for i in order]


@pytest.fixture(autouse=True)
def _same_start():
    """Every test starts at the same seeds; policy and data sets stay as they were."""
    keras.utils.set_random_seed(0)
    policy, datasets = keras.config.dtype_policy(), dict(registry._entries)
    yield
    keras.config.set_dtype_policy(policy)
    registry._entries.clear()
    registry._entries.update(datasets)


@pytest.fixture
def no_tpu(monkeypatch):
    """A search for a TPU leaves the garbage of all tests, which TensorFlow collects first."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.fixture
def policy():
    """Sets the global dtype policy until the end of the test."""
    return keras.config.set_dtype_policy


@pytest.fixture(scope="session")
def binary():
    """40 binary images of 3x2 pixels, float32."""
    return (np.random.default_rng(0).random((40, 3, 2, 1)) < 0.4).astype(np.float32)


@pytest.fixture
def make_vae():
    """Makes a tiny VAE of binary 3x2 images with two latent dimensions."""

    def make(
        *,
        hidden=8,
        event=(3, 2, 1),
        latent=None,
        likelihood=None,
        labels=None,
        init=0,
        built=True,
        **kwargs,
    ):
        keras.utils.set_random_seed(init)

        def network(cls, head):
            conditioner = labels and keras.layers.CategoryEncoding(labels, output_mode="one_hot")
            return cls(tfvae.networks.MLP([hidden], "tanh"), head, conditioner=conditioner)

        vae = tfvae.VAE(
            network(tfvae.networks.Encoder, latent or tfvae.layers.IndependentNormal(2)),
            network(tfvae.networks.Decoder, likelihood or tfvae.layers.IndependentBernoulli(event)),
            **kwargs,
        )
        if built:
            vae.build((None, *event), (None,) if labels else None)
        return vae

    return make


@pytest.fixture
def same_noise_everywhere(make_vae):
    """Makes a VAE whose steps on any number of replicas can be compared."""

    def make(make_objective):
        decoder = make_vae(built=False).decoder
        keras.utils.set_random_seed(1)  # of the weights of encoder and objective
        vae = tfvae.VAE(_noise_of_the_example(), decoder, objective=make_objective())
        vae.build((None, 3, 2, 1))
        vae.compile(keras.optimizers.SGD(0.1))
        return vae

    return make


@pytest.fixture(scope="session")
def mirrored():
    """Two replicas on the processor, by the road of GPUs; one object, see `distribute.strategy`."""
    return distribute.strategy("mirrored", logical_devices=2)


def _raw(scale, minimum):
    """The inverse of `softplus(raw) + minimum`."""
    return np.log(np.expm1(scale - minimum))


@pytest.fixture
def linear_gaussian():
    """Makes a linear-Gaussian VAE, p(x|z) = N(Wz + b, s²I), whose truth is known.

    `exact=True`: the encoder is the exact posterior. `shift` and `scale` move it off; a diagonal
    posterior (`full=False`) has the exact mean and the exact marginal scales.
    """

    def make(*, exact=True, full=True, shift=0.0, scale=1.0, n=16, objective=None):
        d, e, s = 2, 5, 0.7
        rng = np.random.default_rng(3)
        w, b = rng.normal(size=(e, d)), rng.normal(size=e)
        x = rng.normal(size=(n, d)) @ w.T + b + s * rng.normal(size=(n, e))
        x = x.astype(np.float32)
        precision = np.eye(d) + w.T @ w / s**2
        covariance = np.linalg.inv(precision)
        gain = covariance @ w.T / s**2  # the posterior mean is gain (x − b)
        head = tfvae.layers.MultivariateNormalTriL(d) if full else tfvae.layers.IndependentNormal(d)
        vae = tfvae.VAE(
            tfvae.networks.Encoder(tfvae.networks.MLP([]), head),
            tfvae.networks.Decoder(
                tfvae.networks.MLP([]), tfvae.layers.IndependentNormal(e, scale=s)
            ),
            objective=objective,
        )
        vae.build((None, e))
        vae.decoder.projection.set_weights([w.T, b])
        q_loc = gain * (1.0 if exact else 0.8)
        if full:
            lower = np.linalg.cholesky(covariance) * scale
            raw = lower.copy()
            np.fill_diagonal(raw, _raw(np.diag(lower), head.min_scale))
            raw = tfp.math.fill_triangular_inverse(raw).numpy()
            q_covariance = lower @ lower.T
        else:
            sigma = np.sqrt(np.diag(covariance)) * scale
            raw = _raw(sigma, head.min_scale)
            q_covariance = np.diag(sigma**2)
        kernel = np.concatenate([q_loc.T, np.zeros((e, len(raw)))], axis=1)
        vae.encoder.projection.set_weights(
            [kernel, np.concatenate([-q_loc @ b + shift, raw]).astype(np.float32)]
        )
        loc, q = (x - b) @ gain.T, (x - b) @ q_loc.T + shift

        residual = x - q @ w.T - b
        expected_log_likelihood = (
            -0.5 * e * np.log(2 * np.pi * s**2)
            - 0.5 * (residual**2).sum(-1) / s**2
            - 0.5 * np.trace(w @ q_covariance @ w.T) / s**2
        )
        rate = 0.5 * (
            np.trace(q_covariance) + (q**2).sum(-1) - d - np.linalg.slogdet(q_covariance)[1]
        )
        gap = 0.5 * (
            np.trace(precision @ q_covariance)
            + np.einsum("ni,ij,nj->n", q - loc, precision, q - loc)
            - d
            + np.linalg.slogdet(covariance)[1]
            - np.linalg.slogdet(q_covariance)[1]
        )
        marginal = scipy.stats.multivariate_normal(b, w @ w.T + s**2 * np.eye(e))
        return SimpleNamespace(
            vae=vae,
            x=x,
            log_prob=marginal.logpdf(x),
            posterior=tfd.MultivariateNormalTriL(
                loc.astype(np.float32), np.linalg.cholesky(covariance).astype(np.float32)
            ),
            distortion=-expected_log_likelihood,
            rate=rate,
            elbo=expected_log_likelihood - rate,
            gap=gap,
        )

    return make


@pytest.fixture
def assert_same_weights():
    """Compares the weights of two models, exactly or within a tolerance."""

    def check(a, b, **tolerance):
        assert len(a.weights) == len(b.weights) > 0
        for one, other in zip(a.weights, b.weights, strict=True):
            tolerance = tolerance or {"rtol": 0, "atol": 0}
            np.testing.assert_allclose(
                np.asarray(one.value), np.asarray(other.value), err_msg=one.path, **tolerance
            )

    return check


@pytest.fixture
def run_python():
    """Runs a program in a process of its own; the last line of its output is JSON."""

    def run(program, *flags, timeout=600):
        environment = {**os.environ, "PYTHONPATH": ROOT, "TF_CPP_MIN_LOG_LEVEL": "1"}
        done = subprocess.run(
            [sys.executable, *flags, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return SimpleNamespace(
            result=json.loads(done.stdout.strip().splitlines()[-1]), stderr=done.stderr
        )

    return run
