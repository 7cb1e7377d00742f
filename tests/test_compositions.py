"""Where two parts can be composed, they are: drawn compositions train, save, load and evaluate."""

from __future__ import annotations

import itertools
import random

import keras
import numpy as np
import pytest

import tfvae
from tfvae import layers, networks, objectives, priors, recipes
from tfvae.schedules import Linear

EVENT, LATENT, LEVELS, CLASSES, BATCH = (4, 4, 3), 3, 5, 4, 8

POSTERIORS = {
    "normal": lambda: layers.IndependentNormal(LATENT),
    "full_covariance": lambda: layers.MultivariateNormalTriL(LATENT),
    "iaf": lambda: layers.InverseAutoregressiveFlow(LATENT, steps=2, hidden=[8], context_size=4),
}
PRIORS = {
    "standard_normal": lambda: priors.StandardNormal(),
    "mixture": lambda: priors.MixtureOfNormals(3),
    "vamp": lambda: priors.VampPrior(4, low=None, high=None),
    "nvp": lambda: priors.RealNVP(2, [8]),
    "conditional": lambda: priors.ConditionalNormal(_one_hot()),
}
LIKELIHOODS = {
    "bernoulli": (lambda: layers.IndependentBernoulli(EVENT), "binary"),
    "continuous_bernoulli": (lambda: layers.IndependentContinuousBernoulli(EVENT), "unit"),
    "normal": (lambda: layers.IndependentNormal(EVENT, scale="shared"), "unit"),
    "categorical": (lambda: layers.IndependentCategorical(EVENT, levels=LEVELS), "levels"),
    "discretized_logistic": (lambda: layers.DiscretizedLogistic(EVENT, levels=LEVELS), "levels"),
    "logistic_mixture": (
        lambda: layers.DiscretizedLogisticMixture(EVENT, levels=LEVELS, num_components=2),
        "levels",
    ),
}
OBJECTIVES = {
    "elbo": lambda: objectives.ELBO(beta=Linear(0.5, 1.0, steps=4)),
    "elbo_k3": lambda: objectives.ELBO(samples=3),
    "free_bits": lambda: objectives.ELBO(free_bits=0.5),
    "capacity": lambda: objectives.ELBO(beta=10.0, capacity=Linear(0.0, 2.0, steps=4)),
    "analytic": lambda: objectives.ELBO(kl="analytic"),
    "iwae": lambda: objectives.IWAE(3),
    "stl": lambda: objectives.IWAE(3, gradient="stl"),
    "dreg": lambda: objectives.IWAE(3, gradient="dreg"),
    "miwae": lambda: objectives.MIWAE(2, 2),
    "beta_tcvae": lambda: objectives.BetaTCVAE(4.0),
    "factor_vae": lambda: objectives.FactorVAE(4.0, units=[8]),
}
CONDITIONING = {"none": None, "labels": CLASSES}
AXES = {
    "posterior": POSTERIORS,
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
    "conditioning": CONDITIONING,
}
STRUCTURES = {
    "two_layer_vae": {"hidden": [8]},
    "ladder_vae": {"hidden": [8]},
    "vdvae": {},
    "vq_vae": {},
}


def _one_hot():
    return keras.layers.CategoryEncoding(CLASSES, output_mode="one_hot")


def _refused(posterior, prior, likelihood, objective, conditioning) -> str | None:
    """Part of the reason why a composition has to be refused; None where it is valid."""
    if prior == "conditional" and conditioning == "none":
        return "context"
    normals = posterior != "iaf" and prior in ("standard_normal", "conditional")
    if objective == "analytic" and not normals:
        return "closed form"
    if objective == "beta_tcvae" and posterior != "normal":
        return "factor"
    return None


def _draw(valid: bool, count: int) -> list[tuple[str, ...]]:
    """Draws compositions so that every part of every axis occurs."""
    every = [c for c in itertools.product(*AXES.values()) if (_refused(*c) is None) == valid]
    random.Random(7).shuffle(every)
    chosen, seen = [], set()
    for composition in every:
        if set(enumerate(composition)) - seen:
            chosen.append(composition)
            seen |= set(enumerate(composition))
    rest = [c for c in every if c not in chosen]
    return chosen + rest[: max(0, count - len(chosen))]


def _data(kind: str, conditioning: str = "none", event=EVENT):
    rng = np.random.default_rng(0)
    x = {
        "binary": rng.integers(0, 2, (2 * BATCH, *event)),
        "unit": rng.random((2 * BATCH, *event)),
        "levels": rng.integers(0, LEVELS, (2 * BATCH, *event)),
    }[kind].astype(np.float32)
    context = rng.integers(0, CLASSES, 2 * BATCH) if conditioning == "labels" else None
    return x, context


def _build(posterior, prior, likelihood, objective, conditioning):
    keras.utils.set_random_seed(0)
    head, kind = LIKELIHOODS[likelihood]
    labels = CONDITIONING[conditioning]
    conditioner = _one_hot() if labels else None
    vae = tfvae.VAE(
        networks.Encoder(networks.MLP([8]), POSTERIORS[posterior](), conditioner=conditioner),
        networks.Decoder(networks.MLP([8]), head(), conditioner=conditioner),
        PRIORS[prior](),
        OBJECTIVES[objective](),
    )
    vae.compile(keras.optimizers.Adam(1e-3))
    return vae, *_data(kind, conditioning)


def _works(vae, x, context, path) -> None:
    """Trains, evaluates, saves, loads and samples a model."""
    history = vae.fit(x, context, batch_size=BATCH, epochs=2, verbose=0).history
    assert {"loss", "elbo", "distortion", "rate"} <= set(history)
    assert all(np.isfinite(values).all() for values in history.values())
    np.testing.assert_allclose(
        history["elbo"], -np.add(history["distortion"], history["rate"]), rtol=1e-4, atol=1e-3
    )
    some, label = x[:4], None if context is None else context[:4]
    elbo = vae.elbo(some, samples=2, seed=1, context=label).numpy()
    log_prob = vae.log_prob(some, samples=4, chunk=3, seed=1, context=label).numpy()
    assert elbo.shape == log_prob.shape == (4,)
    assert np.isfinite(elbo).all()
    assert np.isfinite(log_prob).all()
    draws = vae.sample(4, seed=1, context=label).numpy()
    assert draws.shape == some.shape
    assert np.isfinite(draws).all()
    vae.save(path)
    same = tfvae.load(path)
    again = same.elbo(some, samples=2, seed=1, context=label).numpy()
    np.testing.assert_allclose(again, elbo, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(same.sample(4, seed=1, context=label).numpy(), draws)
    # What was saved trains on from the same step.
    assert int(same.optimizer.iterations) == int(vae.optimizer.iterations)
    logs = same.evaluate(x, context, batch_size=BATCH, verbose=0, return_dict=True)
    assert np.isfinite(logs["elbo"])


@pytest.mark.slow
@pytest.mark.parametrize("composition", _draw(True, 16), ids="-".join)
def test_a_valid_composition_works(composition, tmp_path):
    vae, x, context = _build(*composition)
    _works(vae, x, context, tmp_path / "m.keras")


@pytest.mark.parametrize("composition", _draw(False, 10)[:14], ids="-".join)
def test_an_invalid_composition_is_refused_when_it_is_built(composition):
    vae, x, context = _build(*composition)
    with pytest.raises(tfvae.UserError, match=f"(?i){_refused(*composition)}"):
        vae.fit(x, context, batch_size=BATCH, epochs=1, verbose=0)
    assert vae.step == 0


def _structured(structure: str, objective: str):
    keras.utils.set_random_seed(0)
    parts = recipes.get(structure)((8, 8, 1), **STRUCTURES[structure])
    vae = tfvae.VAE(parts.encoder, parts.decoder, parts.prior_layer, OBJECTIVES[objective]())
    vae.compile(keras.optimizers.Adam(1e-3))
    return vae


@pytest.mark.slow
@pytest.mark.parametrize(
    ("structure", "objective"),
    [
        *itertools.product(STRUCTURES, ["elbo", "free_bits"]),
        *itertools.product(["two_layer_vae", "ladder_vae", "vdvae"], ["iwae"]),
    ],
)
def test_a_structure_works_with_an_objective(structure, objective, tmp_path):
    x, _ = _data("binary", event=(8, 8, 1))
    _works(_structured(structure, objective), x, None, tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("structure", "objective", "reason"),
    [
        *[(s, "dreg", "group") for s in ("two_layer_vae", "ladder_vae", "vdvae")],
        *[(s, "beta_tcvae", "group") for s in ("two_layer_vae", "ladder_vae", "vdvae")],
        *[("vq_vae", o, "deterministic|density") for o in ("iwae", "dreg", "beta_tcvae")],
    ],
)
def test_what_a_structure_cannot_have_is_refused(structure, objective, reason):
    x, _ = _data("binary", event=(8, 8, 1))
    with pytest.raises(tfvae.UserError, match=f"(?i){reason}"):
        _structured(structure, objective).fit(x, batch_size=BATCH, epochs=1, verbose=0)


def test_the_axes_name_every_part():
    """A part that is added to an axis has to be composed here as well."""
    made = [make() for make in (*PRIORS.values(), *OBJECTIVES.values())]
    structural = {
        type(recipes.get(name)((8, 8, 1), **options).prior_layer)
        for name, options in STRUCTURES.items()
    }
    here = {type(part) for part in made} | structural
    for module, base in [(priors, priors.Prior), (objectives, objectives.Objective)]:
        parts = {
            part
            for part in vars(module).values()
            if isinstance(part, type) and issubclass(part, base) and not part.__subclasses__()
        }
        assert parts <= here, sorted(part.__name__ for part in parts - here)
