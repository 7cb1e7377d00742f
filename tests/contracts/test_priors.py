"""What every prior promises: a line for each in `CASES`, and one test for each promise.

The priors are found by themselves: one without a line fails the first test.
"""

import importlib
import inspect
import json
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import latents, layers, networks, priors

tfd = tfp.distributions


def found():
    """Every prior of the two folders that is no base of another."""
    classes = {}
    modules = [
        *pkgutil.iter_modules(priors.__path__, "tfvae.priors."),
        *pkgutil.iter_modules(latents.__path__, "tfvae.latents."),
    ]
    for module in modules:
        module = importlib.import_module(module.name)
        for name, value in vars(module).items():
            is_prior = isinstance(value, type) and issubclass(value, priors.Prior)
            if is_prior and value.__module__ == module.__name__ and not name.startswith("_"):
                classes[name] = value
    return {
        name: cls
        for name, cls in classes.items()
        if cls is not priors.Prior
        and not any(cls in other.__mro__[1:] for other in classes.values())
    }


def network(units):
    """A small network that returns normals."""
    return networks.Encoder(networks.MLP([4], "tanh"), layers.IndependentNormal(units))


def one_hot():
    return keras.layers.CategoryEncoding(3, output_mode="one_hot")


def of_labels(hidden):
    """An encoder that returns features and takes labels."""
    return networks.BottomUp([networks.MLP(hidden)], conditioner=one_hot())


# A line: the prior, and what its model is made with. Priors of one group of latent variables
# have their density integrated over the plane; those of several (an encoder that returns
# features) have a test file of their own for the values.
CASES = {
    "StandardNormal": [(lambda: priors.StandardNormal(), {})],
    "MixtureOfNormals": [(lambda: priors.MixtureOfNormals(3), {})],
    "VampPrior": [(lambda: priors.VampPrior(5), {})],
    "RealNVP": [(lambda: priors.RealNVP(2, [4]), {})],
    "ConditionalNormal": [(lambda: priors.ConditionalNormal(one_hot()), {"labels": 3})],
    "StochasticLayers": [
        (
            lambda: latents.StochasticLayers(
                inference=[network(3), network(2)],
                generation=[network(2), network(3)],
                conditioner=one_hot(),
            ),
            {"encoder": of_labels, "labels": 3},
        )
    ],
    "TopDown": [
        (
            lambda: latents.TopDown(
                [latents.LadderBlock(2, level=0), latents.LadderBlock(3, level=0, hidden=[4])]
            ),
            {"encoder": networks.MLP},
        )
    ],
    "VectorQuantizer": [
        (
            lambda: latents.VectorQuantizer(4, size=2, conditioner=one_hot()),
            {"encoder": of_labels, "labels": 3},
        ),
        (
            lambda: latents.VectorQuantizer(4, priors.CodeTransformer(4, 1, 1), size=2),
            {"encoder": networks.MLP},
        ),
    ],
}

LINES = [
    pytest.param(make, dict(options), id=f"{name}-{i}")
    for name in found()
    for i, (make, options) in enumerate(CASES.get(name, []))
]
FLAT = [line for line in LINES if "encoder" not in line.values[1]]
every_prior = pytest.mark.parametrize(("prior", "options"), LINES)
every_flat_prior = pytest.mark.parametrize(("prior", "options"), FLAT)


@pytest.fixture
def make(make_vae):
    """Makes a compiled model with a prior, and the context that it takes."""

    def make(prior, options, **compiled):
        options = dict(options)
        encoder = options.pop("encoder", None)
        keras.utils.set_random_seed(4)
        vae = make_vae(prior=prior(), built=False, **options)
        if encoder is not None:
            vae = tfvae.VAE(encoder([6]), vae.decoder, vae.prior_layer)
        vae.build((None, 3, 2, 1), (None,) if "labels" in options else None)
        vae.compile(keras.optimizers.SGD(0.1), **compiled)
        return vae

    return make


@pytest.fixture
def data(binary):
    """The data and the context of a line: `(x, context)`."""

    def data(options, n=20):
        return binary[:n], np.arange(n) % 3 if "labels" in options else None

    return data


def as_dataset(x, context):
    return tf.data.Dataset.from_tensors(x if context is None else (x, context))


def moved_off_the_start(vae, x, context):
    """Random weights: at the start many priors are the standard normal."""
    vae(x, context=context)
    rng = np.random.default_rng(0)
    for weight in vae.prior_layer.weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape).astype(np.float32))
    return vae


def test_every_prior_of_the_folder_has_a_line():
    assert len(found()) >= 1
    missing = set(found()) - set(CASES)
    assert not missing, f"give {sorted(missing)} a line in CASES"


@pytest.mark.parametrize("name", found())
def test_every_prior_is_public(name):
    assert getattr(priors, name) is found()[name]
    assert keras.saving.get_registered_name(found()[name]) == f"tfvae>{name}"
    assert "References:" in inspect.getdoc(found()[name])


@every_prior
def test_config_round_trip(prior, options):
    one = prior()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    same = keras.saving.deserialize_keras_object(config)
    assert type(same) is type(one)
    assert json.dumps(same.get_config()) == json.dumps(one.get_config())


@every_prior
def test_shapes(make, data, prior, options):
    vae = make(prior, options)
    x, context = data(options)
    for samples, lead in [(None, []), (1, [1]), (3, [3])]:
        output = vae(x, context=context, samples=samples, seed=0)
        for latent in output.latents:
            event = latent.posterior.event_shape
            assert latent.z.shape == [*lead, 20, *event]
            assert latent.prior.event_shape == event
            assert latent.prior.log_prob(latent.z).shape == [*lead, 20]
            assert latent.posterior.log_prob(latent.z).shape == [*lead, 20]
            assert latent.prior.dtype == latent.z.dtype
            assert latent.z.dtype in (tf.float32, tf.int32)  # codes are integers
            assert latent.prior.log_prob(latent.z).dtype == tf.float32
        assert output.likelihood.log_prob(x).shape == [*lead, 20]
    draws = vae.sample(20, seed=1, context=context)
    assert draws.shape == x.shape
    np.testing.assert_array_equal(draws, vae.sample(20, seed=1, context=context))
    assert np.abs(draws - vae.sample(20, seed=2, context=context)).max() > 0
    assert vae.log_prob(x, samples=4, chunk=3, context=context).shape == [20]
    assert np.isfinite(vae.elbo(x, samples=2, context=context)).all()


@every_flat_prior
def test_the_density_is_one_over_the_plane(make, data, prior, options):
    x, context = data(options)
    vae = moved_off_the_start(make(prior, options), x, context)
    distribution = vae.prior(context=None if context is None else context[:1])
    axis = np.linspace(-12, 12, 401, dtype=np.float32)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.float64(distribution.prob(z)).ravel()
    cell = (axis[1] - axis[0]) ** 2
    assert density.sum() * cell == pytest.approx(1.0, abs=5e-3)
    # Draws are from that density: their mean and second moments are its own.
    draws = vae.prior_layer.generate(
        20_000, context=None if context is None else np.repeat(context[:1], 20_000), seed=(0, 1)
    )
    for function in (lambda z: z, lambda z: z**2, lambda z: z[:, :1] * z[:, 1:]):
        truth = (density[:, None] * np.float64(function(z))).sum(0) * cell
        values = np.float64(function(np.asarray(draws)))
        error = values.std(0) / np.sqrt(len(values))
        assert (np.abs(values.mean(0) - truth) < 5 * error + 5e-3).all()


@every_prior
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "xla"])
def test_fit_takes_a_step_that_moves_every_weight(make, data, prior, options, jit):
    vae = make(prior, options, jit_compile=jit)
    x, context = data(options)
    moved_off_the_start(vae, x, context)
    before = {w.path: w.numpy() for w in vae.trainable_weights}
    logs = vae.fit(as_dataset(x, context), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    np.testing.assert_allclose(logs["elbo"][0], -logs["distortion"][0] - logs["rate"][0], rtol=1e-5)
    still = [w.path for w in vae.trainable_weights if np.array_equal(w, before[w.path])]
    assert not still
    assert np.isfinite(np.concatenate([np.ravel(w) for w in vae.get_weights()])).all()


@every_prior
def test_two_replicas(make, mirrored, data, prior, options):
    x, context = data(options, n=7)
    with mirrored.scope():
        vae = make(prior, options)
    logs = vae.fit(as_dataset(x, context).repeat(2), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    assert int(vae.step) == 2
    for weight in vae.weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b, err_msg=weight.path)


@every_prior
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(make, data, policy, prior, options, precision):
    policy(precision)
    vae = make(prior, options, run_eagerly=True)
    x, context = data(options)
    logs = vae.fit(as_dataset(x, context), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    for latent in vae(x, context=context, samples=2).latents:
        assert latent.prior.dtype == latent.posterior.dtype == latent.z.dtype
        assert latent.z.dtype in (tf.float32, tf.int32)
        assert latent.prior.log_prob(latent.z).dtype == tf.float32


@every_prior
def test_a_saved_run_goes_on_exactly(make, data, tmp_path, assert_same_weights, prior, options):
    x, context = data(options)
    dataset = as_dataset(x, context)
    whole, half = (make(prior, options, run_eagerly=True) for _ in range(2))
    whole.fit(dataset.repeat(2), verbose=0)
    half.fit(dataset, verbose=0)
    half.save(tmp_path / "m.keras")
    keras.utils.set_random_seed(99)
    resumed = tfvae.load(tmp_path / "m.keras")
    assert_same_weights(half, resumed)
    np.testing.assert_array_equal(
        resumed.sample(20, seed=0, context=context), half.sample(20, seed=0, context=context)
    )
    np.testing.assert_array_equal(
        resumed.log_prob(x, samples=3, seed=0, context=context),
        half.log_prob(x, samples=3, seed=0, context=context),
    )
    resumed.fit(dataset, verbose=0)
    assert_same_weights(whole, resumed)
