"""Every recipe has a conditional form, `conditioner=`, or says why not.

The recipes are found by themselves. Of those whose parts are of the same kinds, which differ in
the objective or in numbers, one is called: a context reaches no objective.
"""

import functools

import keras
import numpy as np
import pytest

from tfvae import options, recipes
from tfvae.errors import UserError

SHAPE, N = (4, 4, 1), 6
X = (np.random.default_rng(0).random((N, *SHAPE)) < 0.4).astype(np.float32)
LABELS, OTHERS = np.arange(N) % 3, np.where(np.arange(N) < 3, np.arange(N), 0) % 3
# They take the label by themselves.
BY_THEMSELVES = {"conditional_vae", "m2", "m1_m2"}
# Where the defaults are large, or do not suit a small image.
SMALL = {
    "vdvae": {"filters": 4},
    "vq_vae": {"network": "mlp", "code_prior": "categorical", "codes": 4, "pieces": 2},
    "vamp_vae": {"pseudo_inputs": 3},
}
# Its exemplars are encoded without a context.
WITHOUT = {"exemplar_vae"}
NAMES = [name for name in recipes.names() if name not in BY_THEMSELVES | WITHOUT]


@functools.cache
def conditional(name):
    keras.utils.set_random_seed(0)
    conditioner = keras.layers.CategoryEncoding(3, output_mode="one_hot")
    known = options.find("recipe", name).arguments
    small = {"hidden": (6,), "upper_hidden": (6,), "flow_hidden": (6,), "flow_steps": 1}
    given = {k: v for k, v in {**small, **SMALL.get(name, {})}.items() if k in known}
    return recipes.get(name)(SHAPE, 2, conditioner=conditioner, **given)


def kinds(vae):
    """The kinds of its parts, but for the objective."""
    heads = [getattr(network, "head", network) for network in (vae.encoder, vae.decoder)]
    return tuple(type(part) for part in (*heads, vae.latents, vae.prior))


@functools.cache
def representatives():
    return {kinds(conditional(name)): name for name in reversed(NAMES)}


@pytest.mark.parametrize("name", NAMES)
def test_the_label_reaches_every_part(name):
    vae = conditional(name)
    conditioners = {vae.encoder.conditioner, vae.decoder.conditioner}
    assert len(conditioners) == 1
    assert conditioners != {None}
    if representatives()[kinds(vae)] != name:
        return
    vae.build(X.shape, LABELS.shape)
    one, other = (vae(X, context=labels, seed=0) for labels in (LABELS, OTHERS))
    differs = LABELS != OTHERS
    moved = np.abs(one.likelihood.log_prob(X) - other.likelihood.log_prob(X))
    np.testing.assert_array_equal(moved > 1e-6, differs)
    draws = vae.sample(N, context=LABELS, seed=0)
    assert draws.shape == X.shape
    assert np.isfinite(draws).all()
    with pytest.raises(UserError, match="got no context"):
        vae(X)


def test_those_that_take_the_label_by_themselves_say_so():
    for name in BY_THEMSELVES | WITHOUT:
        assert recipes.takes_labels(name) == (name in BY_THEMSELVES)
        with pytest.raises(UserError, match=f"conditioner: {name} has its own"):
            recipes.get(name)(SHAPE, 2, conditioner=keras.layers.Reshape((2,)))
