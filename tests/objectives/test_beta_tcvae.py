import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import ELBO, BetaTCVAE
from tfvae.objectives.total_correlation import log_aggregate_posterior
from tfvae.schedules import Linear

tfd = tfp.distributions


def test_with_weights_of_one_it_is_the_elbo(make_vae, binary):
    vae = make_vae()
    output = vae(binary, seed=1)
    loss, terms = BetaTCVAE(1.0, examples=1000)(binary, output)
    elbo = ELBO()(binary, output)
    np.testing.assert_allclose(loss, elbo.loss, rtol=1e-6)
    for name, value in elbo.terms.items():
        np.testing.assert_array_equal(terms[name], value)
    parts = ("mutual_information", "total_correlation", "dimension_wise_kl")
    assert set(terms) == {*elbo.terms, *parts}
    np.testing.assert_allclose(sum(terms[p] for p in parts), terms["rate"], atol=1e-5)
    assert min(np.abs(terms[p]).max() for p in parts) > 0.01


@pytest.mark.parametrize("weights", [(1.0, 6.0, 1.0), (0.0, 2.0, 3.0), (2.0, 0.0, 0.5)])
def test_each_part_has_its_weight(make_vae, binary, weights):
    alpha, beta, gamma = weights
    vae = make_vae()
    output = vae(binary, seed=1)
    loss, terms = BetaTCVAE(beta, alpha=alpha, gamma=gamma, examples=1000)(binary, output)
    latent = output.latents[0]
    joint, marginals = log_aggregate_posterior(latent.z, latent.posterior, 1000)
    prior = latent.prior.log_prob(latent.z)
    np.testing.assert_allclose(terms["total_correlation"], joint - marginals, atol=1e-5)
    np.testing.assert_allclose(terms["dimension_wise_kl"], marginals - prior, atol=1e-5)
    truth = terms["distortion"] + beta * (joint - marginals) + gamma * (marginals - prior)
    truth += alpha * (terms["rate"] - joint + prior)
    np.testing.assert_allclose(loss, truth, rtol=1e-5)


def test_the_size_of_the_data_set_counts(make_vae, binary):
    vae = make_vae()
    output = vae(binary, seed=1)
    small, large = (BetaTCVAE(examples=n)(binary, output).loss for n in (40, 4000))
    assert np.abs(small - large).max() > 0.1


def test_it_presses_on_the_total_correlation_alone():
    """Codes that depend on each other, and no decoder: beta makes them independent."""
    rng = np.random.default_rng(0)
    start = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 128)
    loc = tf.Variable(start, dtype=tf.float32)
    x = np.zeros((128, 2), np.float32)
    found = {}

    def run(beta, step):
        q = tfd.Independent(tfd.Normal(loc, 0.3), 1)
        z = q.sample(seed=(0, step))
        nothing = tfd.Independent(tfd.Normal(tf.zeros([128, 2]), 1.0), 1)
        prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
        output = tfvae.VAEOutput((tfvae.Latent(z, q, prior),), nothing)
        return BetaTCVAE(beta, alpha=0.0, gamma=0.0)(x, output)

    for beta in (0.0, 1.0):
        loc.assign(start)
        for step in range(60):
            with tf.GradientTape() as tape:
                loss = run(beta, step).loss
            gradient = tape.gradient(loss, loc, unconnected_gradients="zero")
            loc.assign_sub(10.0 / 128 * gradient)
        found[beta] = float(tf.reduce_mean(run(beta, 1000).terms["total_correlation"]))
    np.testing.assert_allclose(np.corrcoef(start.T)[0, 1], 0.9, atol=0.05)
    assert found[0.0] > 0.4
    assert found[1.0] < 0.25 * found[0.0]


# In training.


def test_fit_sets_the_number_of_examples_and_the_file_keeps_it(make_vae, binary, tmp_path):
    vae = make_vae(objective=BetaTCVAE(Linear(1.0, 6.0, 10)))
    vae.compile(keras.optimizers.Adam(0.01))
    assert vae.objective.examples is None
    vae.save(tmp_path / "new.keras")
    assert tfvae.load(tmp_path / "new.keras").objective.examples is None
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert vae.objective.examples == 40
    assert logs["beta"] == [2.0]
    assert {"alpha", "gamma", "mutual_information"} <= set(logs)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert same.objective.examples == 40
    assert same.objective.get_config() == vae.objective.get_config()
    again = [m.evaluate(binary, verbose=0, return_dict=True) for m in (vae, same)]
    assert again[0] == again[1]


def test_every_fit_counts_its_own_training_set(make_vae, binary):
    slices = tf.data.Dataset.from_tensor_slices
    x = np.concatenate([binary] * 3)[:103]
    vae = make_vae(objective=BetaTCVAE(6.0))
    vae.compile(keras.optimizers.SGD(0.0))
    for data, options, examples in [
        (slices(x).batch(50), {}, 103),
        (slices(x).repeat(3).batch(50), {}, 103),
        (binary, {"validation_split": 0.25}, 30),
        (tfvae.data.from_arrays(x, batch_size=50), {}, 103),
        (slices(binary).batch(40), {}, 40),
    ]:
        logs = vae.fit(data, verbose=0, **options).history
        assert vae.objective.examples == examples
    # The number is that of the compiled step as well: the last data are one batch, no estimate.
    output = vae(binary, seed=tfvae.distribute.replica_seed(0, vae.step - 1))
    truth = BetaTCVAE(6.0, examples=40)(binary, output)
    other = BetaTCVAE(6.0, examples=103)(binary, output)
    assert logs["loss"][0] == pytest.approx(float(np.mean(truth.loss)), rel=1e-4)
    assert abs(np.mean(other.loss) - np.mean(truth.loss)) > 0.01


def test_a_given_number_is_kept(make_vae, binary):
    vae = make_vae(objective=BetaTCVAE(examples=12345))
    vae.compile("sgd")
    vae.fit(binary, verbose=0)
    assert vae.objective.examples == 12345


def test_a_data_set_of_unknown_length_is_refused(make_vae, binary):
    data = tf.data.Dataset.from_tensor_slices(binary).filter(lambda x: True).batch(8)
    vae = make_vae(objective=BetaTCVAE(), built=False)
    vae.compile("sgd")
    with pytest.raises(tfvae.UserError, match=r"give BetaTCVAE\(examples=\.\.\.\)") as refusal:
        vae.fit(data, verbose=0)
    assert "\n" not in str(refusal.value)
    vae = make_vae(objective=BetaTCVAE(examples=40))
    vae.compile("sgd")
    vae.fit(data, verbose=0)


def test_a_posterior_whose_marginals_are_not_known_is_refused_when_built(make_vae):
    with pytest.raises(tfvae.UserError, match="take a factorized posterior"):
        make_vae(
            latent=tfvae.layers.VonMisesFisher(3),
            prior=tfvae.priors.SphericalUniform(),
            objective=BetaTCVAE(),
        )


@pytest.mark.exhaustive
def test_a_posterior_of_full_covariance_trains(make_vae, binary):
    vae = make_vae(latent=tfvae.layers.MultivariateNormalTriL(2), objective=BetaTCVAE())
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    parts = ("mutual_information", "total_correlation", "dimension_wise_kl")
    assert sum(logs[part][0] for part in parts) == pytest.approx(logs["rate"][0], rel=1e-4)


def test_several_groups_are_refused():
    q = tfd.Independent(tfd.Normal(tf.zeros([4, 2]), 1.0), 1)
    latent = tfvae.Latent(tf.zeros([4, 2]), q, q)
    with pytest.raises(tfvae.UserError, match="BetaTCVAE takes one group of latent variables"):
        BetaTCVAE()(tf.zeros([4, 2]), tfvae.VAEOutput((latent, latent), q))


@pytest.mark.parametrize("examples", [0, -5, 2.5])
def test_refused_numbers(examples):
    with pytest.raises(tfvae.UserError, match="examples takes an integer from 1"):
        BetaTCVAE(examples=examples)


def test_a_replica_without_an_example_takes_part(
    same_noise_everywhere, mirrored, binary, assert_same_weights
):
    """The steps of one device; batches of several examples are in the contract test."""
    data = tf.data.Dataset.from_tensor_slices(binary[:2]).batch(1)
    one = same_noise_everywhere(lambda: BetaTCVAE(6.0, gamma=3.0, alpha=0.5))
    start = one.get_weights()
    with mirrored.scope():
        two = same_noise_everywhere(lambda: BetaTCVAE(6.0, gamma=3.0, alpha=0.5))
    logs = [vae.fit(data, epochs=2, verbose=0).history for vae in (one, two)]
    assert_same_weights(one, two, rtol=1e-5, atol=2e-6)
    assert max(np.abs(a - b).max() for a, b in zip(start, one.get_weights(), strict=True)) > 0.01
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_mixed_precision(policy, make_vae, binary):
    policy("mixed_bfloat16")
    vae = make_vae(objective=BetaTCVAE(6.0))
    vae.compile(keras.optimizers.Adam(0.01))
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    loss, terms = vae.objective(binary, vae(binary))
    assert {loss.dtype, *(t.dtype for t in terms.values())} == {tf.float32}
