import functools
import inspect

import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import layers, options, priors, recipes
from tfvae.errors import UserError
from tfvae.schedules import Linear

SHAPE = (8, 8, 1)


NETWORKS = options.names("network")


def images(likelihood, shape=SHAPE):
    rng = np.random.default_rng(0)
    if likelihood == "categorical":
        return rng.integers(0, 16, (12, *shape)).astype(np.float32)
    x = rng.random((12, *shape)).astype(np.float32)
    return (x < 0.5).astype(np.float32) if likelihood == "bernoulli" else x


def step(vae, x):
    vae.compile("adam", run_eagerly=True)
    return vae.fit(tf.data.Dataset.from_tensors(x), verbose=0).history


def small(network):
    return {
        "hidden": (8,),
        "network": network,
        "network_options": None if network == "mlp" else {"filters": (4, 8), "units": 8},
    }


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_public_and_heeds_its_size(name):
    """That it trains, is saved and loaded, is seen by `tests/runs/test_every_recipe.py`."""
    recipe = recipes.get(name)
    assert recipe.__name__ == name
    assert recipe is getattr(recipes, name)
    assert name in recipes.__all__
    assert "References:" in inspect.getdoc(recipe)
    given = {"hidden": (8,)} if "hidden" in options.find("recipe", name).arguments else {}
    # The number of latent variables is heeded, whatever shape z has.
    made = [recipe(SHAPE, latent_dim=n, **given) for n in (3, 4)]
    for vae in made:
        assert not vae.compiled
        vae.build((None, *SHAPE), (None,) if recipes.takes_labels(name) else None)
    shapes = [[tuple(w.shape) for w in vae.weights] for vae in made]
    assert shapes[0] != shapes[1]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("likelihood", "posterior"),
    [("categorical", "normal"), ("normal", "inverse_autoregressive_flow")],
)
def test_networks_with_heads_of_both_forms(network, likelihood, posterior):
    """Parameters in place and flat; levels and real numbers."""
    made = likelihood
    if likelihood == "categorical":
        made = functools.partial(layers.IndependentCategorical, levels=16)
    vae = recipes.vae(SHAPE, 2, likelihood=made, posterior=posterior, **small(network))
    x = images(likelihood)
    history = step(vae, x)
    assert np.isfinite(history["loss"]).all()
    assert vae.reconstruct(x).shape == x.shape
    assert isinstance(vae.encoder.head, options.find("posterior", posterior).load())
    assert isinstance(vae.decoder.head, options.find("likelihood", likelihood).load())
    draws = vae.sample(50, seed=0).numpy()
    assert draws.shape == (50, *SHAPE)
    if likelihood == "categorical":
        assert set(np.unique(draws)) <= set(range(16))


@pytest.mark.parametrize("shape", [(7, 5, 3), (9, 16, 1)])
@pytest.mark.parametrize("network", NETWORKS)
def test_grids_of_any_size(network, shape):
    vae = recipes.vae(shape, 2, likelihood="normal", **small(network))
    x = images("normal", shape)
    step(vae, x)
    assert vae.reconstruct(x).shape == x.shape


def test_the_encoder_sees_levels_around_zero():
    vae = recipes.vae(SHAPE, 2, likelihood=layers.IndependentCategorical(SHAPE, levels=16))
    rescaled = vae.encoder.trunk.layers[0](tf.constant([0.0, 7.5, 15.0]))
    np.testing.assert_allclose(rescaled, [-1.0, 0.0, 1.0], atol=1e-6)


def test_the_objective_gets_the_numbers():
    vae = recipes.vae(SHAPE, beta=Linear(0.0, 3.0, 10), free_bits=0.5, samples=4, seed=7)
    assert float(vae.objective.beta(5)) == 1.5
    assert float(vae.objective.free_bits(0)) == 0.5
    assert vae.objective.samples == 4
    assert vae.seed == 7
    assert float(recipes.vae(SHAPE).objective.beta(0)) == 1.0
    assert float(recipes.beta_vae(SHAPE).objective.beta(0)) == 4.0
    assert float(recipes.beta_vae(SHAPE, beta=2.0).objective.beta(0)) == 2.0
    assert float(recipes.vae(SHAPE, capacity=9.0).objective.capacity(0)) == 9.0


# A recipe and its arguments; the objective's class and its numbers (of schedules: at step 5).
OBJECTIVES = [
    ("ciwae", {"beta": 0.2, "samples": 3}, "CIWAE", {"beta": 0.2, "samples": 3}),
    ("piwae", {"bounds": 2, "samples": 3}, "PIWAE", {"bounds": 2, "samples": 6}),
    ("renyi_vae", {"alpha": -1.0}, "Renyi", {"alpha": -1.0, "samples": 8}),
    ("dip_vae", {"diagonal": 3.0}, "DipVAE", {"off_diagonal": 10.0, "diagonal": 3.0, "kind": "i"}),
    ("info_vae", {"strength": 7.0}, "InfoVAE", {"alpha": 0.5, "strength": 7.0, "kernel": "rbf"}),
    ("wae_mmd", {"bandwidth": 2.0}, "InfoVAE", {"alpha": 1.0, "kernel": "imq", "bandwidth": 2.0}),
    ("swae", {"projections": 9}, "SlicedWasserstein", {"strength": 10.0, "projections": 9}),
    ("intro_vae", {"sharpness": 1.0}, "SoftIntroVAE", {"strength": 1.0, "sharpness": 1.0}),
    ("vae_gan", {"strength": 2.0}, "VaeGan", {"strength": 2.0, "beta": 0.01}),
    ("aae", {"strength": 2.0}, "AdversarialAutoencoder", {"strength": 2.0}),
    ("ae", {}, "ELBO", {"beta": 0.0}),
    ("rae_l2", {"decay": 0.2}, "RegularizedAutoencoder", {"code": 0.1, "decay": 0.2}),
    ("rae_gp", {"gradient": 2.0}, "RegularizedAutoencoder", {"code": 0.1, "gradient": 2.0}),
    ("rae_sn", {"code": 0.3}, "RegularizedAutoencoder", {"code": 0.3, "gradient": 0.0}),
    ("geco_vae", {"target": 0.4}, "GECO", {"target": 0.4, "rate": 0.01}),
    ("annealed_vae", {"beta": 2.0, "period": 20}, "ELBO", {"beta": 1.0}),
    ("annealed_vae", {"beta": Linear(3.0, 4.0, 10)}, "ELBO", {"beta": 3.5}),
    ("disentangled_beta_vae", {"steps": 10}, "ELBO", {"beta": 10.0, "capacity": 12.5}),
]


@pytest.mark.parametrize(("name", "given", "objective", "numbers"), OBJECTIVES)
def test_a_recipe_hands_its_numbers_on(name, given, objective, numbers):
    found = recipes.get(name)(SHAPE, **given).objective
    assert type(found).__name__ == objective
    for attribute, number in numbers.items():
        value = getattr(found, attribute)
        assert (float(value(5)) if callable(value) else value) == pytest.approx(number)


def test_the_options_reach_the_networks():
    vae = recipes.vae(SHAPE, 2, hidden=(5, 3))
    vae.build((None, *SHAPE))
    shapes = [tuple(w.shape) for w in vae.trainable_weights if len(w.shape) == 2]
    assert shapes == [(64, 5), (5, 3), (3, 4), (2, 3), (3, 5), (5, 64)]
    plain, wide = (
        recipes.vae(SHAPE, 2, network="conv", network_options={"filters": (4, 8), "units": units})
        for units in (8, None)
    )
    for model in (plain, wide):
        model.build((None, *SHAPE))
    assert plain.encoder.trunk.units == 8
    assert wide.encoder.trunk.units is None
    assert tuple(plain.encoder.projection.kernel.shape) == (8, 4)
    assert tuple(wide.encoder.projection.kernel.shape) == (2 * 2 * 8, 4)
    blocks = recipes.vae(SHAPE, network="resnet", network_options={"filters": (4,), "blocks": 3})
    assert blocks.encoder.trunk.num_blocks == blocks.decoder.trunk.num_blocks == 3


@pytest.mark.parametrize(
    ("argument", "value", "nearest"),
    [
        ("network", "resent", "resnet"),
        ("likelihood", "continous_bernoulli", "continuous_bernoulli"),
        ("posterior", "norml", "normal"),
        ("prior", "vamp_pior", "vamp_prior"),
        ("objective", "iwea", "iwae"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(argument, value, nearest):
    with pytest.raises(UserError, match=f"unknown {argument} .*did you mean '{nearest}'"):
        recipes.vae(SHAPE, **{argument: value})
    with pytest.raises(UserError, match="did you mean 'beta_vae'"):
        recipes.get("betavae")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "vdvae",
            {"network": "conv"},
            "network: vdvae has its own, or no use for one, leave it out",
        ),
        ("vdvae", {"hidden": (8,)}, "hidden: vdvae has its own, or no use for one, leave it out"),
        ("vdvae", {"posterior": "normal"}, "posterior: vdvae has its own"),
        ("iaf_vae", {"posterior": "normal"}, "posterior: iaf_vae has its own"),
        ("vq_vae", {"prior": tfvae.priors.StandardNormal()}, "prior: vq_vae has its own"),
        ("vq_vae", {"samples": 3}, "deterministic"),
        ("vq_vae", {"code_prior": "transfomer"}, "did you mean 'transformer'"),
        ("ladder_vae", {"objective": tfvae.objectives.IWAE(2), "beta": 2.0}, "beta: the objective"),
        ("ladder_vae", {"objective": "iwae", "beta": 2.0}, "beta: IWAE does not take it"),
        ("iwae", {"beta": 2.0}, "beta: iwae has its own"),
        ("iwae", {"sample": 2}, "argument of iwae 'sample': did you mean 'samples'"),
        ("vae", {"likelihood": layers.IndependentNormal((8, 8))}, "give both the same one"),
        ("vae", {"posterior": layers.IndependentNormal(3)}, "give both the same one"),
        ("vae", {"likelihood": "von_mises_fisher"}, "VonMisesFisher takes vectors"),
        ("vae", {"likelihood": 3}, "likelihood takes a name, a class or an object, got int 3"),
        ("vae", {"prior": "conditional_normal"}, "depends on a context, and this model has none"),
        ("vae", {"network": "conv", "network_options": {"filtrs": (4,)}}, "'filtrs': conv takes"),
    ],
)
def test_what_a_structure_has_by_itself_is_refused(name, options, words):
    with pytest.raises(UserError, match=words):
        recipes.get(name)(SHAPE, **options)


@pytest.mark.parametrize(
    ("beta", "warm_up", "values"),
    [
        (None, 10, [0.0, 0.5, 1.0]),
        (3.0, 10, [0.0, 1.5, 3.0]),
        (2.0, 0, [2.0, 2.0, 2.0]),
        (Linear(4.0, 2.0, 10), 10, [4.0, 3.0, 2.0]),
    ],
)
def test_beta_rises_unless_it_is_a_schedule_of_its_own(beta, warm_up, values):
    schedule = recipes.ladder_vae(SHAPE, warm_up=warm_up, beta=beta).objective.beta
    assert [float(schedule(step)) for step in (0, 5, 10)] == values


def test_a_name_that_is_not_enough_is_refused_with_what_it_needs():
    with pytest.raises(tfvae.UserError, match=r"needs num_components .*partial"):
        recipes.vae((4, 4, 1), posterior="mixture_normal")
    mixture = functools.partial(layers.MixtureNormal, num_components=3, reparameterize=True)
    vae = recipes.vae((4, 4, 1), posterior=mixture)
    assert vae.encoder.head.num_components == 3


def test_two_objectives_are_refused():
    objective = tfvae.objectives.ELBO(beta=2.0)
    assert recipes.vae(SHAPE, objective=objective).objective is objective
    with pytest.raises(UserError, match="beta, samples"):
        recipes.vae(SHAPE, objective=objective, beta=1.0, samples=3)


def test_parts_are_taken_as_names_classes_and_objects():
    heads = [
        recipes.vae(SHAPE, likelihood=likelihood).decoder.head
        for likelihood in (
            "poisson",
            layers.IndependentPoisson,
            layers.IndependentPoisson(SHAPE),
            functools.partial(layers.IndependentPoisson, validate_args=True),
        )
    ]
    assert [type(head) for head in heads] == [layers.IndependentPoisson] * 4
    assert [head.event_shape for head in heads] == [SHAPE] * 4
    assert heads[3].validate_args
    own = priors.RealNVP(2, [4])
    made = [recipes.vae(SHAPE, prior=prior).prior for prior in ("real_nvp", own)]
    assert (type(made[0]), made[1]) == (priors.RealNVP, own)
    objective = recipes.vae(SHAPE, objective="iwae", samples=7).objective
    assert (type(objective).__name__, objective.samples) == ("IWAE", 7)
    down, up = tfvae.networks.MLP([3]), tfvae.networks.MLP([5])
    vae = recipes.vae(SHAPE, network=(down, up))
    assert (vae.encoder.trunk, vae.decoder.trunk) == (down, up)


@pytest.mark.parametrize(
    ("likelihood", "low", "high"),
    [
        ("bernoulli", 0.0, 1.0),
        ("continuous_bernoulli", 0.0, 1.0),
        (functools.partial(layers.DiscretizedLogistic, levels=16), 0.0, 15.0),
        ("normal", None, None),
        ("poisson", None, None),
    ],
)
def test_pseudo_inputs_lie_where_the_likelihood_has_its_values(likelihood, low, high):
    for vae in (
        recipes.vamp_vae(SHAPE, likelihood=likelihood, pseudo_inputs=3),
        recipes.vae(SHAPE, likelihood=likelihood, prior="vamp_prior"),
    ):
        assert (vae.prior.low, vae.prior.high) == (low, high)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_categorical_latents_are_one_hot_at_a_temperature_that_falls(network):
    vae = recipes.categorical_vae(SHAPE, 3, categories=4, cooling_steps=10, **small(network))
    assert float(vae.encoder.head.temperature(5)) == 0.75
    x = images("bernoulli")
    (latent,) = vae(x, samples=2).latents
    np.testing.assert_allclose(
        np.sort(latent.z, axis=-1), [[[[0, 0, 0, 1]] * 3] * 12] * 2, atol=1e-6
    )
    rate = tfvae.distributions.kl_divergence(latent)
    np.testing.assert_allclose(rate, 3 * np.log(4) - latent.posterior.entropy(), atol=1e-5)
    assert recipes.categorical_vae(SHAPE, 3, cooling_steps=0).encoder.head.temperature == 0.5


@pytest.mark.parametrize("posterior", ["von_mises_fisher", "power_spherical"])
def test_a_posterior_on_the_sphere_has_a_prior_on_it(posterior):
    vae = recipes.vae(SHAPE, 3, hidden=(4,), posterior=posterior)
    vae.build((None, *SHAPE))
    z = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(vae.prior().log_prob(z), -np.log(4 * np.pi), rtol=1e-5)
    assert type(recipes.vae(SHAPE, 3).prior) is priors.StandardNormal
