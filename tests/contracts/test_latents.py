"""What every latent structure promises: lines for each in `CASES`, and one test for each promise.

The structures are found by themselves: one without a line fails the first test. Their values are
held against closed forms in `tests/latents`.
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


def parts_of(package, base):
    """Every class of a folder that derives from a base and that no other one there extends."""
    classes = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(module.name)
        for name, value in vars(module).items():
            is_part = isinstance(value, type) and issubclass(value, base)
            if is_part and value.__module__ == module.__name__ and not name.startswith("_"):
                classes[name] = value
    return {
        name: cls
        for name, cls in classes.items()
        if cls is not base and not any(cls in other.__mro__[1:] for other in classes.values())
    }


FOUND = parts_of(latents, latents.LatentStructure)
PRIORS = parts_of(priors, priors.Prior)


def network(units, conditioner=None):
    """A small network that returns normals."""
    head = layers.IndependentNormal(units)
    return networks.Encoder(networks.MLP([4], "tanh"), head, conditioner=conditioner)


def one_hot_of_3():
    """A small classifier."""
    return networks.Encoder(networks.MLP([4], "tanh"), layers.OneHotCategorical(3))


def one_hot():
    return keras.layers.CategoryEncoding(3, output_mode="one_hot")


def of_labels():
    """An encoder that returns features and takes labels."""
    return networks.BottomUp([networks.MLP([6])], conditioner=one_hot())


def one_group(prior, labels=False):
    """The line of a prior."""

    def encoder():
        conditioner = one_hot() if labels else None
        trunk, head = networks.MLP([6], "tanh"), layers.IndependentNormal(2)
        return networks.Encoder(trunk, head, conditioner=conditioner)

    return lambda: latents.OneGroup(prior()), encoder, labels


# Without weights, and for posteriors on the sphere or the ball alone: the recipes' tests have them.
# Without a density, so that nothing is trained: tests/priors/test_riemannian_uniform.py. And two
# that are a transformation of another prior, and a density of tfp's with two numbers.
ELSEWHERE = {
    *("SphericalUniform", "WrappedNormal", "RiemannianUniform"),
    *("Standardized", "UniformDirection"),
}

# A line: the structure, its encoder, and whether there are labels; of one group, for each prior.
CASES = {
    "OneGroup": [
        one_group(lambda: priors.StandardNormal()),
        one_group(lambda: priors.Fixed(tfd.MultivariateNormalDiag([1.0, 0.0], [0.5, 2.0]))),
        one_group(lambda: priors.MixtureOfNormals(3)),
        one_group(lambda: priors.VampPrior(5)),
        one_group(lambda: priors.ExemplarPrior(5)),
        one_group(lambda: priors.RealNVP(2, [4])),
        one_group(lambda: priors.MaskedAutoregressiveFlow(2, [4])),
        one_group(lambda: priors.SecondStage(hidden=[4], samples=2)),
        one_group(lambda: priors.ConditionalNormal(one_hot()), labels=True),
        one_group(
            lambda: priors.ProductPrior([priors.StandardNormal(1), priors.StandardNormal(1)])
        ),
    ],
    "Hamiltonian": [
        (
            lambda: latents.Hamiltonian(
                priors.ConditionalNormal(one_hot()), steps=1, tempering="free"
            ),
            lambda: networks.Encoder(
                networks.MLP([6], "tanh"), layers.IndependentNormal(2), conditioner=one_hot()
            ),
            True,
        )
    ],
    "Riemannian": [
        (
            lambda: latents.Riemannian(centroids=2, steps=1, iterations=1),
            lambda: networks.Encoder(networks.MLP([6], "tanh"), layers.IndependentNormal(2)),
            False,
        )
    ],
    "StochasticLayers": [
        (
            lambda: latents.StochasticLayers(
                inference=[network(3), network(2)],
                generation=[network(2), network(3)],
                conditioner=one_hot(),
            ),
            of_labels,
            True,
        )
    ],
    "SemiSupervised": [
        (
            lambda: latents.SemiSupervised(one_hot_of_3(), network(2, keras.layers.Reshape((3,)))),
            lambda: networks.BottomUp([networks.MLP([6])]),
            False,
        )
    ],
    "StackedSemiSupervised": [
        (
            lambda: latents.StackedSemiSupervised(
                one_hot_of_3(), network(2, keras.layers.Reshape((3,))), network(4)
            ),
            lambda: network(4),
            False,
        )
    ],
    "TopDown": [
        (
            lambda: latents.TopDown(
                [latents.LadderBlock(2, level=0), latents.LadderBlock(3, level=0, hidden=[4])]
            ),
            lambda: networks.MLP([6]),
            False,
        )
    ],
    "VectorQuantizer": [
        (
            lambda: latents.VectorQuantizer(4, size=2, conditioner=one_hot()),
            of_labels,
            True,
        ),
        (
            lambda: latents.VectorQuantizer(4, priors.CodeTransformer(4, 1, 1), size=2),
            lambda: networks.MLP([6]),
            False,
        ),
        (  # several codes of a position
            lambda: latents.Quantizer(latents.Residual(4, 2), priors.CodeTransformer(4, 1, 1)),
            lambda: networks.MLP([6]),
            False,
        ),
        (
            lambda: latents.Quantizer(
                latents.LookupFree(3), priors.CodePixelCNN(4, 1, heads=1), conditioner=one_hot()
            ),
            of_labels,
            True,
        ),
    ],
}
every_structure = pytest.mark.parametrize(
    ("structure", "encoder", "labels"),
    [
        pytest.param(*line, id=f"{name}-{i}")
        for name in FOUND
        for i, line in enumerate(CASES.get(name, []))
    ],
)


def as_dataset(x, context):
    return tf.data.Dataset.from_tensors(x if context is None else (x, context))


def moved_off_the_start(vae, x, context):
    """Random weights: at the start many priors are the standard normal."""
    vae(x, context=context)
    rng = np.random.default_rng(0)
    for weight in vae.latents.weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape).astype(np.float32))
    return vae


@pytest.fixture
def make(make_vae):
    """Makes a compiled model with a structure."""

    def make(structure, encoder, labels, **compiled):
        decoder = make_vae(built=False, init=4, labels=3 if labels else None).decoder
        vae = tfvae.VAE(encoder(), decoder, latents=structure())
        vae.build((None, 3, 2, 1), (None,) if labels else None)
        vae.compile(keras.optimizers.SGD(0.1), **compiled)
        return vae

    return make


@pytest.fixture
def data(binary):
    def data(labels, n=20):
        return binary[:n], np.arange(n) % 3 if labels else None

    return data


def test_every_structure_of_the_folder_has_a_line():
    assert len(FOUND) >= 1
    missing = set(FOUND) - set(CASES)
    assert not missing, f"give {sorted(missing)} a line in CASES"
    missing = set(PRIORS) - {type(line[0]().prior).__name__ for line in CASES["OneGroup"]}
    missing -= ELSEWHERE
    assert not missing, f"give {sorted(missing)} a line of OneGroup in CASES"


@pytest.mark.parametrize("name", FOUND)
def test_every_structure_is_public(name):
    assert getattr(latents, name) is FOUND[name]
    assert keras.saving.get_registered_name(FOUND[name]) == f"tfvae>{name}"
    assert "References:" in inspect.getdoc(FOUND[name])
    assert not issubclass(FOUND[name], priors.Prior)


@every_structure
def test_config_round_trip(structure, encoder, labels):
    one = structure()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    same = keras.saving.deserialize_keras_object(config)
    assert type(same) is type(one)
    assert json.dumps(same.get_config()) == json.dumps(one.get_config())


@every_structure
@pytest.mark.representatives(
    "OneGroup-0", "*Quantizer-0", "TopDown-0", "SemiSupervised-0", "Hamiltonian-0"
)
def test_shapes(make, data, structure, encoder, labels):
    vae, (x, context) = make(structure, encoder, labels), data(labels)
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
    assert vae.prior(context=context).event_shape == vae.encode(x, context).event_shape
    draws = vae.sample(20, seed=1, context=context)
    assert draws.shape == x.shape
    np.testing.assert_array_equal(draws, vae.sample(20, seed=1, context=context))
    assert np.abs(draws - vae.sample(20, seed=2, context=context)).max() > 0
    assert vae.log_prob(x, samples=4, chunk=3, context=context).shape == [20]
    assert np.isfinite(vae.elbo(x, samples=2, context=context)).all()


@every_structure
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "xla"])
@pytest.mark.representatives(
    "plain-StochasticLayers-0",
    "plain-TopDown-0",
    "plain-VectorQuantizer-0",
    "xla-OneGroup-0",
    "xla-OneGroup-4",
)
def test_fit_takes_a_step_that_moves_every_weight(make, data, structure, encoder, labels, jit):
    vae = make(structure, encoder, labels, jit_compile=jit)
    x, context = data(labels)
    moved_off_the_start(vae, x, context)
    before = {w.path: w.numpy() for w in vae.trainable_weights}
    logs = vae.fit(as_dataset(x, context), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    np.testing.assert_allclose(logs["elbo"][0], -logs["distortion"][0] - logs["rate"][0], rtol=1e-5)
    still = [w.path for w in vae.trainable_weights if np.array_equal(w, before[w.path])]
    assert not still
    assert np.isfinite(np.concatenate([np.ravel(w) for w in vae.get_weights()])).all()


@every_structure
@pytest.mark.representatives("OneGroup-0", "StochasticLayers-0", "VectorQuantizer-0")
def test_two_replicas(make, mirrored, data, structure, encoder, labels):
    with mirrored.scope():
        vae = make(structure, encoder, labels)
    x, context = data(labels, n=7)
    logs = vae.fit(as_dataset(x, context).repeat(2), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    assert int(vae.step) == 2
    for weight in vae.weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b, err_msg=weight.path)


@every_structure
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.representatives("mixed_float16-*")
def test_mixed_precision(make, data, policy, structure, encoder, labels, precision):
    policy(precision)
    vae = make(structure, encoder, labels, run_eagerly=True)
    x, context = data(labels)
    logs = vae.fit(as_dataset(x, context), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    for latent in vae(x, context=context, samples=2).latents:
        assert latent.prior.dtype == latent.posterior.dtype == latent.z.dtype
        assert latent.z.dtype in (tf.float32, tf.int32)
        assert latent.prior.log_prob(latent.z).dtype == tf.float32


@every_structure
@pytest.mark.representatives("OneGroup-0", "TopDown-0", "VectorQuantizer-0")
def test_a_saved_run_goes_on_exactly(
    make, data, tmp_path, assert_same_weights, structure, encoder, labels
):
    whole, half = (make(structure, encoder, labels, run_eagerly=True) for _ in range(2))
    x, context = data(labels)
    dataset = as_dataset(x, context)
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


def test_a_structure_where_a_prior_is_asked_for_is_refused_and_two_priors(make_vae):
    with pytest.raises(tfvae.UserError, match="give it as latents="):
        make_vae(prior=latents.VectorQuantizer(4))
    with pytest.raises(tfvae.UserError, match="give prior or latents, not both"):
        make_vae(prior=priors.StandardNormal(), latents=latents.OneGroup())
    with pytest.raises(tfvae.UserError, match="latents takes an object of another kind"):
        make_vae(latents=priors.StandardNormal())
