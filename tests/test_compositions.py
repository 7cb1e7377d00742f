"""Where two parts can be composed, they are.

Of all (latent structure, posterior, prior, likelihood, objective, conditioning), some are drawn
that have every pair of parts between them which see each other.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import latents, layers, networks, objectives, priors, recipes
from tfvae.schedules import Linear

tfd = tfp.distributions

EVENT, LATENT, LEVELS, CLASSES, BATCH = (4, 4, 3), 3, 5, 4, 8

POSTERIORS = {
    "normal": lambda: layers.IndependentNormal(LATENT),
    "full_covariance": lambda: layers.MultivariateNormalTriL(LATENT),
    "iaf": lambda: layers.InverseAutoregressiveFlow(LATENT, steps=2, hidden=[8], context_size=4),
    "spline": lambda: layers.SplineCouplingFlow(LATENT, steps=2, hidden=[8]),
    "sylvester": lambda: layers.SylvesterFlow(LATENT, steps=2),
    "sphere": lambda: layers.PowerSpherical(LATENT),
}
PRIORS = {
    "standard_normal": lambda: priors.StandardNormal(),
    "mixture": lambda: priors.MixtureOfNormals(3),
    "vamp": lambda: priors.VampPrior(4, low=None, high=None),
    "nvp": lambda: priors.RealNVP(2, [8]),
    "maf": lambda: priors.MaskedAutoregressiveFlow(2, [8]),
    "fixed": lambda: priors.Fixed(tfd.Sample(tfd.Logistic(0.0, 1.0), LATENT)),
    "sphere": lambda: priors.SphericalUniform(),
    "conditional": lambda: priors.ConditionalNormal(CONDITIONING["labels"]()),
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
    "piwae": lambda: objectives.PIWAE(2, 2),
    "rae": lambda: objectives.RegularizedAutoencoder(gradient=0.1, decay=0.1),
    "geco": lambda: objectives.GECO(0.1),
    "dip_vae": lambda: objectives.DipVAE(kind="ii"),
    "info_vae": lambda: objectives.InfoVAE(kernel="imq", draws=16),
    "beta_tcvae": lambda: objectives.BetaTCVAE(4.0),
    "aae": lambda: objectives.AdversarialAutoencoder(4.0, units=[8]),
    "vae_gan": lambda: objectives.VaeGan(1.0, units=[8]),
    "intro_vae": lambda: objectives.SoftIntroVAE(),
    "factor_vae": lambda: objectives.FactorVAE(4.0, units=[8]),
}
CONDITIONING = {
    "none": lambda: None,
    "labels": lambda: keras.layers.CategoryEncoding(CLASSES, output_mode="one_hot"),
    "vectors": lambda: keras.layers.Reshape((2,)),
}
# Structures with a posterior and a prior of their own: a recipe and its arguments.
OWN = {
    "two_layer": ("two_layer_vae", {"hidden": [8], "upper_hidden": [8]}),
    "ladder": ("ladder_vae", {"hidden": [8], "levels": 2}),
    "vdvae": ("vdvae", {"decoder": "2x1,1x1", "encoder": "4d2,2d2,1x1", "filters": 4}),
    "vq": ("vq_vae", {"hidden": [8], "network": "mlp", "pieces": 2, "codes": 4,
                      "code_prior": "categorical"}),
    "vq_transformer": ("vq_vae", {"hidden": [8], "network": "mlp", "pieces": 2, "codes": 4,
                                  "prior_steps": 2}),
}  # fmt: skip
FLOWS = ("iaf", "spline", "sylvester")
HIERARCHIES = ("two_layer", "ladder", "vdvae")
SEVERAL_SAMPLES = {name for name, make in OBJECTIVES.items() if make().samples}
OF_ONE_GROUP = (
    "dreg",
    "piwae",
    "beta_tcvae",
    "factor_vae",
    "dip_vae",
    "info_vae",
    "rae",
    "aae",
    "vae_gan",
    "intro_vae",
)


class Composition(NamedTuple):
    """One part of each axis, by name; posterior and prior are `"own"` beside a structure."""

    structure: str
    posterior: str
    prior: str
    likelihood: str
    objective: str
    conditioning: str


def _every() -> list[Composition]:
    latents = [
        *itertools.product(["flat"], POSTERIORS, PRIORS),
        *itertools.product(OWN, ["own"], ["own"]),
    ]
    product = itertools.product(latents, LIKELIHOODS, OBJECTIVES, CONDITIONING)
    return [Composition(*latent, *rest) for latent, *rest in product]


def _reason(c: Composition) -> str | None:
    """Part of the reason why a composition has to be refused; None where it is valid."""
    codes = c.structure in ("vq", "vq_transformer")
    flow = c.posterior in FLOWS
    if c.prior == "conditional" and c.conditioning == "none":
        return "has a conditioner but got no context"
    if (c.posterior == "sphere") != (c.prior == "sphere") and c.prior != "vamp":
        return "on the unit sphere"
    if codes and c.objective in SEVERAL_SAMPLES:
        return "the code of a vector quantizer is deterministic"
    if c.structure == "vq" and c.conditioning == "vectors":
        return "not the class of an example in one-hot form"
    if codes and c.objective in ("beta_tcvae", "factor_vae", "aae"):
        return "density" if c.objective == "beta_tcvae" else "values of type int32"
    if c.structure in HIERARCHIES and c.objective in OF_ONE_GROUP:
        return "one group of latent variables"
    if c.objective == "beta_tcvae" and (flow or c.posterior == "sphere"):
        return "take a factorized posterior"
    if c.objective == "dip_vae" and (flow or codes):
        return "not known in closed form"
    if c.objective in ("info_vae", "rae", "vae_gan", "intro_vae") and codes:
        return "pass none on"
    if (
        c.objective in ("info_vae", "aae")
        and c.conditioning != "none"
        and c.prior in ("conditional", "vamp")
    ):
        return "another one for each context"
    known = c.posterior in ("normal", "full_covariance")
    known &= c.prior in ("standard_normal", "conditional")
    known |= c.posterior == "sphere" == c.prior
    if c.objective == "analytic" and not (known or c.structure in ("ladder", "vdvae", "vq")):
        return "no closed form"
    return None


def _cover(compositions: list[Composition], features: Callable) -> list[Composition]:
    """A few of the compositions that have every feature between them; the same ones each time."""
    rng, chosen = random.Random(7), []
    having = {}
    for composition in compositions:
        for feature in features(composition):
            having.setdefault(feature, []).append(composition)
    missing = dict.fromkeys(sorted(having))
    while missing:
        candidates = having[next(iter(missing))]
        candidates = rng.sample(candidates, min(80, len(candidates)))
        best = max(candidates, key=lambda c: sum(f in missing for f in features(c)))
        chosen.append(best)
        for feature in features(best):
            missing.pop(feature, None)
    return chosen


# Objectives of the same draws and densities as "elbo", "elbo_k3" or "iwae", and a flow as prior
# beside another one: for each of them, the parts of the other axes do the same.
LIKE_ANOTHER = ("capacity", "geco", "stl", "rae", "aae", "vae_gan", "intro_vae")


def _pairs(composition: Composition) -> list:
    """All pairs of its parts that see each other, and each part.

    An objective reads the likelihood by its density alone, of which the contracts have the value.
    """
    objective = Composition._fields.index("objective")
    likelihood = Composition._fields.index("likelihood")
    alone = {likelihood}
    if composition.objective in LIKE_ANOTHER or composition.prior == "maf":
        alone = {*range(len(composition))}
    pairs = [
        ((i, one), (j, other))
        for (i, one), (j, other) in itertools.combinations(enumerate(composition), 2)
        if objective not in (i, j) or not alone & ({i, j} - {objective})
    ]
    return pairs + [((i, one), (i, one)) for i, one in enumerate(composition)]


def _causes(composition: Composition) -> list:
    """The reason with the latent structure, and with the objective where it lies in that."""
    flat = (composition.posterior, composition.prior)
    causes = [("latent", composition.structure, *flat, _reason(composition))]
    if "context" not in causes[0][-1] and "one-hot" not in causes[0][-1]:
        causes.append(("objective", composition.objective, _reason(composition)))
    return causes


def _parts(composition: Composition) -> list:
    """What a few compositions have between them: each part."""
    return [*composition._asdict().items()]


VALID = _cover([c for c in _every() if _reason(c) is None], _pairs)
FEW = _cover(VALID, _parts)
INVALID = _cover([c for c in _every() if _reason(c)], _causes)
FEW_INVALID = _cover(INVALID, lambda composition: [_reason(composition)])


def _cases(compositions: list[Composition], few: list[Composition]) -> list:
    return [pytest.param(c, marks=() if c in few else pytest.mark.exhaustive) for c in compositions]


def _data(c: Composition):
    rng = np.random.default_rng(0)
    x = {
        "binary": rng.integers(0, 2, (2 * BATCH, *EVENT)),
        "unit": rng.random((2 * BATCH, *EVENT)),
        "levels": rng.integers(0, LEVELS, (2 * BATCH, *EVENT)),
    }[LIKELIHOODS[c.likelihood][1]].astype(np.float32)
    labels = rng.integers(0, CLASSES, 2 * BATCH)
    vectors = rng.normal(size=(2 * BATCH, 2)).astype(np.float32)
    return x, {"none": None, "labels": labels, "vectors": vectors}[c.conditioning]


def _build(c: Composition) -> tfvae.VAE:
    """The model of a composition, with its weights."""
    keras.utils.set_random_seed(0)
    conditioner, head = CONDITIONING[c.conditioning](), LIKELIHOODS[c.likelihood][0]
    if c.structure == "flat":
        posterior, up = POSTERIORS[c.posterior](), networks.MLP([8])
        encoder = networks.Encoder(networks.MLP([8]), posterior, conditioner=conditioner)
        prior = PRIORS[c.prior]()
        if conditioner is not None and c.prior == "conditional":
            prior = priors.ConditionalNormal(conditioner)
        structure = latents.OneGroup(prior)
    else:
        recipe, options = OWN[c.structure]
        made = recipes.get(recipe)(EVENT, LATENT, conditioner=conditioner, **options)
        encoder, up, structure = made.encoder, made.decoder.trunk, made.latents
    decoder = networks.Decoder(up, head(), conditioner=conditioner)
    objective = OBJECTIVES[c.objective]()
    vae = tfvae.VAE(encoder, decoder, objective=objective, latents=structure)
    x, context = _data(c)
    vae.build(x.shape, None if context is None else context.shape)
    return vae


@pytest.fixture
def eager():
    """Operation by operation: of these models, sooner done than compiled."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("composition", _cases(VALID, FEW), ids="-".join)
def test_a_valid_composition_trains_saves_loads_samples_and_evaluates(composition, tmp_path, eager):
    vae, (x, context) = _build(composition), _data(composition)
    vae.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    history = vae.fit(x, context, batch_size=BATCH, verbose=0).history
    assert {"loss", "elbo", "distortion", "rate", *vae.objective.scheduled(0)} <= set(history)
    assert all(np.isfinite(values).all() for values in history.values())
    np.testing.assert_allclose(
        history["elbo"], -np.add(history["distortion"], history["rate"]), rtol=1e-4, atol=1e-3
    )
    data = x if context is None else (x, context)
    vae.latents.finish(vae, tf.data.Dataset.from_tensors(data))
    some, label = x[:4], None if context is None else context[:4]
    elbo = vae.elbo(some, samples=2, seed=1, context=label).numpy()
    log_prob = vae.log_prob(some, samples=4, chunk=2, seed=1, context=label).numpy()
    assert elbo.shape == log_prob.shape == (4,)
    assert np.isfinite(elbo).all()
    assert np.isfinite(log_prob).all()
    draws = vae.sample(4, seed=1, context=label).numpy()
    assert draws.shape == some.shape
    assert np.isfinite(draws).all()
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    again = same.elbo(some, samples=2, seed=1, context=label).numpy()
    np.testing.assert_allclose(again, elbo, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(same.sample(4, seed=1, context=label).numpy(), draws)
    # What was saved trains on from the same step.
    assert int(same.optimizer.iterations) == int(vae.optimizer.iterations) == 2
    logs = same.evaluate(x, context, batch_size=BATCH, verbose=0, return_dict=True)
    assert np.isfinite(logs["elbo"])


@pytest.mark.parametrize("composition", _cases(INVALID, FEW_INVALID), ids="-".join)
def test_an_invalid_composition_is_refused_when_it_is_built(composition):
    with pytest.raises(tfvae.UserError, match=_reason(composition)):
        _build(composition)


def test_every_pair_of_parts_is_drawn_that_can_be():
    possible = {pair for c in _every() if _reason(c) is None for pair in _pairs(c)}
    assert {pair for c in VALID for pair in _pairs(c)} == possible
    assert {_reason(c) for c in INVALID} == {_reason(c) for c in _every()} - {None}


def test_the_axes_name_every_part():
    """A part that is added to an axis has to be composed here as well.

    Of objectives that see the model by one and the same `call`, one is enough.
    """
    made = [make() for make in (*PRIORS.values(), *OBJECTIVES.values())]
    structural = {
        type(recipes.get(name)(EVENT, **options).latents) for name, options in OWN.values()
    }
    here = {type(part) for part in made} | structural | {latents.OneGroup}
    for module, base in [
        (priors, priors.Prior),
        (latents, latents.LatentStructure),
        (objectives, objectives.Objective),
    ]:
        parts = {
            part
            for part in vars(module).values()
            if isinstance(part, type) and issubclass(part, base) and not part.__subclasses__()
        }
        if base is objectives.Objective:
            calls = {part.call for part in here}
            parts = {part for part in parts if part.call not in calls}
        # No posterior above is on the ball; recipes.poincare_vae has both.
        parts.discard(priors.WrappedNormal)
        # It takes labels, and hands all else on to the objective beside it.
        parts.discard(objectives.Supervised)
        # With labels of which some are missing: tests/latents/test_semi_supervised.py.
        parts -= {latents.SemiSupervised, latents.StackedSemiSupervised}
        # The quantizer of one rule, which the recipes give by name.
        parts.discard(latents.VectorQuantizer)
        # What they see of a model is one density; tests/latents has them with what differs.
        parts -= {latents.Hamiltonian, latents.Riemannian}
        # One has draws alone; to the other parts, three more are what "mixture" and "maf" are.
        parts -= {priors.RiemannianUniform, priors.SecondStage}
        parts -= {priors.Standardized, priors.UniformDirection}
        parts -= {priors.ExemplarPrior}  # as "vamp"
        parts -= {priors.ProductPrior}  # of the parts above, for a product of posteriors
        # Of a product of posteriors alone: tests/objectives/test_joint_capacity.py.
        parts.discard(objectives.JointCapacity)
        assert parts <= here, sorted(part.__name__ for part in parts - here)
