"""What every prior promises: a line for each in `CASES`, and one test for each promise.

The priors are found by themselves: one without a line fails the first test. What a model with
each of them promises stands in `test_latents.py`, beside the other latent structures.
"""

import importlib
import inspect
import json
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

from tfvae import priors

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


FOUND = parts_of(priors, priors.Prior)


def one_hot():
    return keras.layers.CategoryEncoding(3, output_mode="one_hot")


# A line: the prior, and what its model is made with. The density of each is integrated.
CASES = {
    "StandardNormal": (lambda: priors.StandardNormal(), {}),
    "Fixed": (lambda: priors.Fixed(tfd.MultivariateNormalDiag([1.0, 0.0], [0.5, 2.0])), {}),
    "MixtureOfNormals": (lambda: priors.MixtureOfNormals(3), {}),
    "VampPrior": (lambda: priors.VampPrior(5), {}),
    "ExemplarPrior": (lambda: priors.ExemplarPrior(5), {}),
    "RealNVP": (lambda: priors.RealNVP(2, [4]), {}),
    "MaskedAutoregressiveFlow": (lambda: priors.MaskedAutoregressiveFlow(2, [4]), {}),
    "Standardized": (lambda: priors.Standardized(priors.MixtureOfNormals(2)), {}),
    "ProductPrior": (
        lambda: priors.ProductPrior(
            [priors.StandardNormal(1), priors.MixtureOfNormals(2, event_shape=1)]
        ),
        {},
    ),
    "UniformDirection": (lambda: priors.UniformDirection(), {}),
    "ConditionalNormal": (lambda: priors.ConditionalNormal(one_hot()), {"labels": 3}),
}
# Not on the plane: tests/priors/test_spherical_uniform.py and tests/distributions/test_poincare.py
# have their values. An estimate of a density, and none at all: test_second_stage.py,
# test_riemannian_uniform.py.
ELSEWHERE = {"SphericalUniform", "WrappedNormal", "SecondStage", "RiemannianUniform"}
every_prior = pytest.mark.parametrize(
    ("prior", "options"),
    [pytest.param(*CASES[name], id=name) for name in FOUND if name in CASES],
)


@pytest.fixture
def make(make_vae):
    """Makes a model with a prior."""
    return lambda prior, options: make_vae(prior=prior(), init=4, **options)


@pytest.fixture
def data(binary):
    """The data and the context of a line: `(x, context)`."""

    def data(options, n=20):
        return binary[:n], np.arange(n) % 3 if "labels" in options else None

    return data


def test_every_prior_of_the_folder_has_a_line():
    assert len(FOUND) >= 1
    missing = set(FOUND) - set(CASES) - ELSEWHERE
    assert not missing, f"give {sorted(missing)} a line in CASES"


@pytest.mark.parametrize("name", FOUND)
def test_every_prior_is_public(name):
    assert getattr(priors, name) is FOUND[name]
    assert keras.saving.get_registered_name(FOUND[name]) == f"tfvae>{name}"
    assert "References:" in inspect.getdoc(FOUND[name])


@pytest.mark.parametrize("name", FOUND)
def test_a_prior_is_a_distribution_and_nothing_else(name):
    for inference in ("infer", "posterior", "means", "code", "generate", "prepare"):
        assert not hasattr(FOUND[name], inference)


@every_prior
def test_config_round_trip(prior, options):
    one = prior()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    same = keras.saving.deserialize_keras_object(config)
    assert type(same) is type(one)
    assert json.dumps(same.get_config()) == json.dumps(one.get_config())


@every_prior
def test_the_density_is_one_over_the_plane(make, data, prior, options):
    x, context = data(options)
    vae = make(prior, options)
    vae(x, context=context)
    rng = np.random.default_rng(0)
    for weight in vae.prior.weights:  # at the start many priors are the standard normal
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape).astype(np.float32))
    distribution = vae.prior(context=None if context is None else context[:1])
    axis = np.linspace(-12, 12, 401, dtype=np.float32)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.float64(distribution.prob(z)).ravel()
    cell = (axis[1] - axis[0]) ** 2
    assert density.sum() * cell == pytest.approx(1.0, abs=5e-3)
    # Draws are from that density: their mean and second moments are its own.
    draws = vae.latents.generate(
        20_000, context=None if context is None else np.repeat(context[:1], 20_000), seed=(0, 1)
    )
    for function in (lambda z: z, lambda z: z**2, lambda z: z[:, :1] * z[:, 1:]):
        truth = (density[:, None] * np.float64(function(z))).sum(0) * cell
        values = np.float64(function(np.asarray(draws)))
        error = values.std(0) / np.sqrt(len(values))
        assert (np.abs(values.mean(0) - truth) < 5 * error + 5e-3).all()
