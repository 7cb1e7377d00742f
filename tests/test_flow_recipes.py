"""The recipes of flexible priors and posteriors: what they are made of, and that they train."""

import numpy as np
import pytest

from tfvae import layers, priors, recipes
from tfvae.errors import UserError
from tfvae.runs.build import build_model, load_data
from tfvae.runs.config import check_config, default_config

EVENT = (4, 4, 1)


def test_arguments_reach_the_parts():
    prior = recipes.vamp_vae(EVENT, 3, pseudo_inputs=7).prior
    assert (type(prior), prior.pseudo_inputs) == (priors.VampPrior, 7)
    prior = recipes.nvp_vae(EVENT, 3, couplings=2, flow_hidden=(5,)).prior
    assert (type(prior), prior.couplings, prior.hidden) == (priors.RealNVP, 2, [5])
    head = recipes.iaf_vae(EVENT, 3, flow_steps=2, flow_hidden=(5,), flow_context=6).encoder.head
    assert type(head) is layers.InverseAutoregressiveFlow
    assert (head.event_size, head.steps, head.hidden, head.context_size) == (3, 2, [5], 6)
    head = recipes.planar_vae(EVENT, 3, flow_steps=2).encoder.head
    assert (type(head), head.event_size, head.steps) == (layers.PlanarFlow, 3, 2)
    assert type(recipes.planar_vae(EVENT, 3, flow="radial").encoder.head) is layers.RadialFlow
    head = recipes.sylvester_vae(EVENT, 3, rotation="householder", flow_steps=2).encoder.head
    assert (type(head), head.rotation, head.steps) == (layers.SylvesterFlow, "householder", 2)
    head = recipes.spline_vae(EVENT, 3, flow_hidden=(5,), flow_context=6, bins=4).encoder.head
    assert (head.hidden, head.context_size, head.bins) == ([5], 6, 4)
    vae = recipes.hyperspherical_vae(EVENT, 3, family="power_spherical")
    assert type(vae.encoder.head) is layers.PowerSpherical
    assert type(vae.prior) is priors.SphericalUniform
    assert [float(vae.objective.beta(step)) for step in (0, 500, 1000)] == [0.0, 0.5, 1.0]
    assert type(recipes.sigma_vae(EVENT).decoder.head) is layers.OptimalScaleNormal
    assert recipes.logcosh_vae(EVENT, scale=0.2).decoder.head.scale == 0.2
    vae = recipes.conditional_vae(EVENT, classes=4)
    assert vae.encoder.conditioner.num_tokens == vae.decoder.conditioner.num_tokens == 4
    assert type(vae.prior) is priors.ConditionalNormal
    vae = recipes.conditional_vae(EVENT, conditional_prior=False)
    assert type(vae.prior) is priors.StandardNormal


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("vamp_vae", {"pseudo_inputs": 6}),
        ("nvp_vae", {"couplings": 2}),
        ("iaf_vae", {"flow_steps": 2}),
        ("conditional_vae", {}),
    ],
)
def test_a_few_epochs_raise_the_bound(recipe, options):
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=256)
    grey = rng.random((10, *EVENT)).round() * 0.8 + 0.1
    x = (rng.random((256, *EVENT)) < grey[labels]).astype("float32")
    vae = recipes.get(recipe)(EVENT, 2, hidden=(32,), **options)
    vae.compile("adam")
    data = (x, labels) if recipes.takes_labels(recipe) else (x,)
    elbo = vae.fit(*data, batch_size=32, epochs=8, verbose=0).history["elbo"]
    assert elbo[-1] > elbo[0] + 0.2


@pytest.mark.parametrize(
    ("recipe", "options", "nearest"),
    [
        ("planar_vae", {"flow": "planr"}, "planar"),
        ("sylvester_vae", {"rotation": "triangle"}, "triangular"),
        ("hyperspherical_vae", {"family": "power_sphere"}, "power_spherical"),
    ],
)
def test_an_unknown_form_is_refused_with_the_nearest(recipe, options, nearest):
    with pytest.raises(UserError, match=f"did you mean '{nearest}'"):
        recipes.get(recipe)(EVENT, 3, **options)


@pytest.mark.parametrize("recipe", ["sigma_vae", "logcosh_vae"])
def test_data_are_those_of_the_likelihood_that_a_recipe_fixes(recipe):
    """Grey values, though the configuration's likelihood stays at Bernoulli."""
    config = default_config()
    config.recipe, config.batch_size = recipe, 16
    assert len(np.unique(next(iter(load_data(config, "test"))))) > 2
    config.binarization = "dynamic"
    with pytest.raises(UserError, match="binarization"):
        check_config(config)


@pytest.mark.parametrize("recipe", ["vae", "vamp_vae", "conditional_vae"])
def test_from_a_configuration(recipe):
    config = default_config()
    config.recipe, config.hidden, config.batch_size = recipe, (8,), 16
    config.vamp_vae.pseudo_inputs = 24
    labelled = recipe == "conditional_vae"
    assert recipes.takes_labels(recipe) == labelled
    batch = next(iter(load_data(config, "test")))
    assert isinstance(batch, tuple) == labelled
    vae = build_model(config)
    if labelled:
        assert vae.encoder.conditioner.num_tokens == 10
    if recipe == "vamp_vae":  # it starts at the data
        inputs = vae.prior.inputs().numpy().round(4)
        assert set(np.unique(inputs)) == {np.float32(0.05), np.float32(0.95)}
