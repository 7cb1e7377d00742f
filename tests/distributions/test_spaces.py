"""Posterior and prior on one space, issue 11: a pair of two spaces has no ELBO."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.spaces import check_same_space, space_of
from tfvae.errors import UserError

tfb = tfp.bijectors
tfd = tfp.distributions
ZEROS, ONES = np.zeros(3, np.float32), np.ones(3, np.float32)
NORMAL = tfd.Independent(tfd.Normal(ZEROS, 1.0), 1)


class Onto(tfb.Bijector):
    """A bijector of one's own, whose image tfp does not tell."""

    onto_all = True

    def __init__(self):
        super().__init__(forward_min_event_ndims=0)

    def _forward(self, x):
        return x**3


UNKNOWN = tfb.Inline(tf.exp, tf.math.log, forward_min_event_ndims=0)

SPACES = {
    "all real numbers": [
        NORMAL,
        tfd.MultivariateNormalTriL(ZEROS, tf.eye(3)),
        tfd.MultivariateNormalDiag(ZEROS, ONES),
        tfd.Sample(tfd.StudentT(3.0, 0.0, 1.0), [3]),
        tfd.Sample(tfd.Gumbel(0.0, 1.0), [3]),
        tfd.MixtureSameFamily(tfd.Categorical(logits=[0.0]), tfd.BatchReshape(NORMAL, [1])),
        tfd.TransformedDistribution(
            NORMAL, tfb.RealNVP(1, shift_and_log_scale_fn=lambda x, n: (x, x))
        ),
        tfd.TransformedDistribution(NORMAL, tfb.Chain([tfb.Shift(1.0), tfb.Permute([2, 1, 0])])),
        tfd.TransformedDistribution(NORMAL, Onto()),
        Unfolded(tfd.BatchReshape(NORMAL, [1]), tf.constant([1, 1])),
    ],
    "the unit sphere": [
        tfd.SphericalUniform(3),
        tfd.VonMisesFisher([1.0, 0.0, 0.0], 1.0),
        tfvae.layers.PowerSpherical(3)(tf.ones([2, 4])),
    ],
    "the simplex": [
        tfd.Dirichlet(ONES),
        tfvae.layers.RelaxedOneHotCategorical(3)(tf.zeros([2, 3])),
        tfvae.layers.RelaxedOneHotCategorical((2, 3))(tf.zeros([2, 6])),
    ],
    "one-hot vectors": [
        tfd.OneHotCategorical(ZEROS),
        tfvae.layers.RelaxedOneHotCategorical(3, straight_through=True)(tf.zeros([2, 3])),
    ],
    "the numbers from 0 to 1": [
        tfd.RelaxedBernoulli(0.5, 0.0),
        tfd.Beta(1.0, 2.0),
        tfd.Uniform(),
        tfd.TransformedDistribution(NORMAL, tfb.Sigmoid()),
    ],
    "the numbers from -1 to 2": [tfd.Uniform(-1.0, 2.0), tfd.TruncatedNormal(0.0, 1.0, -1.0, 2.0)],
    "an interval": [tfd.Uniform([0.0, -1.0], [1.0, 2.0])],
    "the numbers above 0": [tfd.Gamma(1.0, 2.0), tfd.LogNormal(0.0, 1.0), tfd.HalfNormal(1.0)],
    "discrete values": [tfd.Bernoulli(0.0), tfd.Poisson(1.0), tfd.Categorical(ZEROS)],
    "None": [
        tfd.Deterministic(0.0),
        tfd.TransformedDistribution(NORMAL, UNKNOWN),
        tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0), tfd.Gamma(1.0, 2.0)]),
    ],
}


@pytest.mark.parametrize("name", SPACES)
def test_the_space_is_known(name):
    assert [str(space_of(distribution)) for distribution in SPACES[name]] == [name] * len(
        SPACES[name]
    )


def test_pairs_of_one_space_pass_and_others_do_not():
    for own, ours in SPACES.items():
        for other, theirs in SPACES.items():
            unknown = "None" in (own, other)
            bounds = {own, other} in (
                {"an interval", f"the numbers from {s}"} for s in ("0 to 1", "-1 to 2")
            )
            if own == other or unknown or bounds:
                check_same_space(ours[0], theirs[-1])
            else:
                with pytest.raises(UserError, match=r"is on .* the ELBO of the two means nothing"):
                    check_same_space(ours[0], theirs[-1])


X = (np.random.default_rng(0).random((4, 5)) < 0.5).astype("float32")


def model(posterior, prior=None):
    return tfvae.VAE(
        tfvae.networks.Encoder(tfvae.networks.MLP([4]), posterior),
        tfvae.networks.Decoder(tfvae.networks.MLP([4]), tfvae.layers.IndependentBernoulli(5)),
        prior=prior,
    )


POSTERIORS = {
    "relaxed": lambda: tfvae.layers.RelaxedOneHotCategorical(3),
    "pieces": lambda: tfvae.layers.RelaxedOneHotCategorical((2, 3)),
    "straight through": lambda: tfvae.layers.RelaxedOneHotCategorical(3, straight_through=True),
    "relaxed 0 and 1": lambda: tfvae.layers.RelaxedBernoulli(3),
    "sphere": lambda: tfvae.layers.PowerSpherical(3),
    "0 and 1": lambda: tfvae.layers.IndependentBernoulli(3),
    "above 0": lambda: tfvae.layers.TransformedDistribution(
        tfvae.layers.IndependentNormal(3), tfb.Exp()
    ),
    "unit": lambda: tfvae.layers.IndependentContinuousBernoulli(3),
}


@pytest.mark.parametrize("name", POSTERIORS)
def test_a_model_is_refused_and_the_remedy_helps(name):
    with pytest.raises(UserError, match=r"means nothing\. Give both the same support") as error:
        model(POSTERIORS[name]()).build((None, 5))
    assert "\n" not in str(error.value)
    remedy = str(error.value).rpartition("prior=")[2].removesuffix(" for 0 and 1")
    vae = model(POSTERIORS[name](), eval(remedy, {"tfd": tfd, "tf": tf, "tfvae": tfvae}))
    elbo = vae.elbo(X, samples=50, seed=0).numpy()
    assert np.isfinite(elbo).all()
    # The bound holds: the two differ by KL(q(z|x) | p(z|x)), which is not below 0.
    assert (vae.log_prob(X, samples=200, seed=0).numpy() - elbo > -0.3).all()


@pytest.mark.parametrize("options", [{}, {"straight_through": True}])
def test_the_recipe_has_a_prior_on_the_simplex(options):
    def posterior(event_size):
        return tfvae.layers.RelaxedOneHotCategorical(event_size, **options)

    posterior.event_argument = "event_size"
    vae = tfvae.recipes.vae((5,), 3, hidden=(4,), posterior=posterior)
    z = vae(X).latents[0]
    assert str(space_of(z.prior)) == ("one-hot vectors" if options else "the simplex")
    rate = tfvae.distributions.kl_divergence(z)
    if options:  # log 3 less the entropy of q
        np.testing.assert_allclose(rate, np.log(3) - z.posterior.entropy(), rtol=1e-5)
