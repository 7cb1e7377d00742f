import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import ELBO, FactorVAE
from tfvae.objectives.factor_vae import permute_dimensions
from tfvae.schedules import Linear

tfd = tfp.distributions


def small(gamma=5.0, **kwargs):
    return FactorVAE(gamma, units=(8,), **{"optimizer": keras.optimizers.SGD(0.5), **kwargs})


def of_draws(z):
    """An output with these draws of q(z), [batch, D]."""
    q = tfd.Independent(tfd.Normal(tf.zeros_like(z), 1.0), 1)
    return tfvae.VAEOutput((tfvae.Latent(z, q, q),), q)


def test_permuted_dimensions():
    z = np.arange(60, dtype=np.float32).reshape(20, 3)
    shuffled = permute_dimensions(z, tf.constant([0, 1])).numpy()
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), z)
    order = (shuffled - np.arange(3)) / 3  # of each column, the rows it came from
    assert not np.array_equal(order[:, 0], order[:, 1])
    assert not np.array_equal(order[:, 1], order[:, 2])
    np.testing.assert_array_equal(permute_dimensions(z, tf.constant([0, 1])), shuffled)
    assert not np.array_equal(permute_dimensions(z, tf.constant([0, 2])), shuffled)


def test_weighted_dimensions_are_resampled_in_proportion():
    z = np.arange(12, dtype=np.float32).reshape(6, 2)
    weights = tf.constant([2.0, 0.0, 1.0, 1.0, 0.0, 2.0])
    for seed in range(5):
        shuffled = permute_dimensions(z, tf.constant([0, seed]), weights=weights).numpy()
        for column in range(2):
            counts = [(shuffled[:, column] == value).sum() for value in z[:, column]]
            assert counts == [2, 0, 1, 1, 0, 2]
    same = permute_dimensions(z, tf.constant([0, 3]), weights=tf.fill([6], 0.7))
    np.testing.assert_array_equal(same, permute_dimensions(z, tf.constant([0, 3])))
    # Of fractions: as often as their share says, in the mean over seeds.
    weights = np.float32([0.5, 1.5, 1.0, 0.2, 1.8, 1.0])
    draws = [
        permute_dimensions(z, tf.constant([1, seed]), weights=weights).numpy()[:, 0]
        for seed in range(400)
    ]
    found = np.array([[(d == value).sum() for value in z[:, 0]] for d in draws]).mean(0)
    np.testing.assert_allclose(found, weights, atol=4 * 0.5 / 20)


def test_the_discriminator_sees_the_weighted_data(make_vae, binary):
    objective = small()
    z = tf.constant(np.random.default_rng(0).normal(size=(6, 2)), tf.float32)
    objective(z, of_draws(z))
    weights = tf.constant([1.0, 0.0, 3.0, 0.0, 2.0, 0.0])
    seed = tf.constant([0, 1])
    terms = objective.own_terms(z, of_draws(z), seed=seed, weights=weights)
    fake = objective.log_ratio(permute_dimensions(z, seed, weights=weights))
    truth = 0.5 * (tf.nn.softplus(-objective.log_ratio(z)) + tf.nn.softplus(fake))
    np.testing.assert_allclose(terms["discriminator_loss"], truth, rtol=1e-5)
    before = [w.numpy() for w in objective.own_weights]
    with tf.GradientTape() as tape:
        terms = objective.own_terms(z, of_draws(z), seed=seed, weights=weights)
        loss = tf.reduce_sum(weights * terms["discriminator_loss"]) / 6
    gradients = tape.gradient(loss, objective.own_weights)
    objective.update(z, of_draws(z), seed=seed, weights=weights)
    for weight, old, gradient in zip(objective.own_weights, before, gradients, strict=True):
        np.testing.assert_allclose(weight, old - 0.5 * gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_discriminator_finds_the_total_correlation_of_a_gaussian(correlation):
    covariance = np.float32([[1, correlation], [correlation, 1]])
    truth = -0.5 * np.log(np.linalg.det(covariance))
    root = np.float32(np.linalg.cholesky(covariance))
    objective = FactorVAE(units=(64, 64), optimizer=keras.optimizers.Adam(2e-3))
    x = tf.zeros([512, 2])

    def draws(n, seed):
        return tf.random.stateless_normal([n, 2], [7, seed]) @ root.T

    objective(x, of_draws(draws(512, 0)))

    @tf.function
    def train(steps):
        for step in tf.range(steps):
            seed = tf.stack([1, step])
            objective.update(x, of_draws(draws(512, step)), step=step, seed=seed)

    before = float(tf.reduce_mean(objective.log_ratio(draws(20_000, -1))))
    train(500)
    found = objective.log_ratio(draws(20_000, -1)).numpy()
    assert found.mean() == pytest.approx(truth, abs=0.05)
    if correlation:
        assert abs(before - truth) > 0.3
        # Not the mean alone: the ratio at every point.
        z = draws(20_000, -1).numpy()
        exact = tfd.MultivariateNormalTriL(np.zeros(2, np.float32), root).log_prob(z)
        exact -= tfd.MultivariateNormalDiag(np.zeros(2, np.float32)).log_prob(z)
        assert np.corrcoef(found, exact)[0, 1] > 0.97


def test_value(make_vae, binary):
    vae = make_vae(objective=small(7.0))
    output = vae(binary, seed=1)
    loss, terms = vae.objective(binary, output)
    elbo = ELBO()(binary, output)
    np.testing.assert_allclose(loss, elbo.loss + 7.0 * terms["total_correlation"], rtol=1e-5)
    np.testing.assert_array_equal(
        terms["total_correlation"], vae.objective.log_ratio(output.latents[0].z)
    )
    assert set(terms) == {*elbo.terms, "total_correlation"}
    assert np.abs(terms["total_correlation"]).min() > 1e-4


def test_gamma_can_follow_a_schedule(make_vae, binary):
    vae = make_vae(objective=small(Linear(0.0, 10.0, 10)))
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert logs["gamma"] == [2.0]


# Two players.


def snapshot(vae):
    own = {id(w) for w in vae.objective.own_weights}
    parts = {True: [], False: []}
    for w in vae.weights:
        parts[id(w) in own].append(w.numpy())
    return parts[False], parts[True]


def moved(before, after):
    return max(np.abs(a - b).max() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("still", ["model", "discriminator"])
def test_neither_step_reaches_the_weights_of_the_other(make_vae, binary, still):
    rates = {"model": 0.5, "discriminator": 0.5, still: 0.0}
    sgd = keras.optimizers.SGD(rates["discriminator"])
    vae = make_vae(objective=small(optimizer=sgd))
    vae.compile(keras.optimizers.SGD(rates["model"]))
    model, own = snapshot(vae)
    vae.fit(binary, batch_size=20, verbose=0)
    after_model, after_own = snapshot(vae)
    assert (moved(model, after_model) > 1e-3) == (still != "model")
    assert (moved(own, after_own) > 1e-4) == (still != "discriminator")
    assert (moved(model, after_model) == 0) == (still == "model")
    assert (moved(own, after_own) == 0) == (still == "discriminator")


def test_the_steps_are_those_of_the_two_losses(make_vae, binary):
    vae = make_vae(objective=small(), seed=4)
    x, objective = binary[:10], vae.objective
    common = tfvae.distribute.fold_in(tfvae.distribute.replica_seed(4, 0), 1)
    with tf.GradientTape(persistent=True) as tape:
        output = vae(x, seed=tfvae.distribute.replica_seed(4, 0))
        z = output.latents[0].z
        loss = tf.reduce_mean(ELBO()(x, output).loss) + 5.0 * tf.reduce_mean(objective.log_ratio(z))
        still = tf.stop_gradient(z)
        d = tf.sigmoid(objective.log_ratio(still))
        permuted = tf.sigmoid(objective.log_ratio(permute_dimensions(still, common)))
        own = -0.5 * tf.reduce_mean(tf.math.log(d) + tf.math.log(1 - permuted))
    truth = {}
    for value, weights in [(loss, vae.trainable_weights), (own, objective.own_weights)]:
        for w, g in zip(weights, tape.gradient(value, weights), strict=True):
            truth[w.path] = w.numpy() - 0.5 * g.numpy()
    assert len(truth) == len(vae.trainable_weights) + 4
    vae.compile(keras.optimizers.SGD(0.5))
    evaluated = vae.evaluate(x, batch_size=10, verbose=0, return_dict=True)
    logs = vae.fit(x, batch_size=10, shuffle=False, verbose=0).history
    assert logs["discriminator_loss"] == pytest.approx([float(own)], rel=1e-4)
    # The same permutation, other noise in z.
    assert evaluated["discriminator_loss"] == pytest.approx(float(own), abs=0.2)
    for w in vae.trainable_weights + objective.own_weights:
        np.testing.assert_allclose(w, truth[w.path], rtol=1e-4, atol=1e-6, err_msg=w.path)


def test_the_models_optimizer_has_no_slots_for_the_discriminator(make_vae, binary):
    vae = make_vae(objective=FactorVAE(units=(8,)))
    own = {w.path for w in vae.objective.own_weights}
    assert len(own) == 4
    assert own.isdisjoint(w.path for w in vae.trainable_weights)
    assert own.isdisjoint(w.path for w in vae.trainable_variables)
    assert own <= {w.path for w in vae.weights}
    vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(binary, verbose=0)
    assert len(vae.optimizer.variables) == 2 + 2 * len(vae.trainable_weights)
    assert len(vae.objective.optimizer.variables) == 2 + 2 * 4
    assert int(vae.objective.optimizer.iterations) == int(vae.step) == 2


def test_evaluation_trains_nothing(make_vae, binary):
    vae = make_vae(objective=small())
    vae.compile("sgd")
    before = snapshot(vae)
    vae.evaluate(binary, verbose=0)
    assert moved(before[1], snapshot(vae)[1]) == 0


def test_a_resumed_run_is_the_uninterrupted_one(make_vae, binary, assert_same_weights, tmp_path):
    data = tf.data.Dataset.from_tensor_slices(binary).batch(10)
    runs = []
    for cut in (False, True):
        keras.utils.set_random_seed(0)
        vae = make_vae(objective=FactorVAE(5.0, units=(8, 8)), seed=2)
        vae.compile(keras.optimizers.Adam(0.01))
        vae.fit(data, verbose=0)
        if cut:
            vae.save(tmp_path / "m.keras")
            vae = tfvae.load(tmp_path / "m.keras")
        vae.fit(data, verbose=0)
        runs.append(vae)
    whole, resumed = runs
    assert_same_weights(whole, resumed)
    slots = [vae.objective.optimizer.variables for vae in runs]
    assert len(slots[0]) == len(slots[1]) == 2 + 2 * 6
    for a, b in zip(*slots, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    assert int(resumed.objective.optimizer.iterations) == 8
    assert resumed.objective.get_config()["units"] == [8, 8]


def test_the_optimizer_is_the_one_of_the_paper_or_the_given_one():
    adam = FactorVAE().get_config()["optimizer"]
    assert adam["class_name"] == "Adam"
    wanted = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9}
    for name, value in wanted.items():
        assert adam["config"][name] == pytest.approx(value)
    objective = FactorVAE(3.0, units=[16, 4], optimizer="rmsprop", kl="monte_carlo")
    same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert same.get_config() == objective.get_config()
    assert same.get_config()["units"] == [16, 4]
    assert same.get_config()["optimizer"]["class_name"] == "RMSprop"


def test_a_replica_without_an_example_takes_part(
    same_noise_everywhere, mirrored, binary, assert_same_weights
):
    """The steps of one device; batches of several examples are in the contract test."""
    data = tf.data.Dataset.from_tensor_slices(binary[:2]).batch(1)
    one = same_noise_everywhere(small)
    start = snapshot(one)
    with mirrored.scope():
        two = same_noise_everywhere(small)
    logs = [vae.fit(data, epochs=2, verbose=0).history for vae in (one, two)]
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    assert min(moved(a, b) for a, b in zip(start, snapshot(one), strict=True)) > 1e-4
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-5, err_msg=name)


def test_an_optimizer_made_outside_of_the_strategy_follows_the_models(
    same_noise_everywhere, mirrored, binary
):
    objective = small()
    with mirrored.scope():
        vae = same_noise_everywhere(lambda: objective)
    data = tf.data.Dataset.from_tensor_slices(binary).batch(8)
    vae.fit(data, verbose=0)
    for weight in objective.own_weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b)


def test_a_grid_of_latent_variables(make_vae, binary):
    vae = make_vae(latent=tfvae.layers.IndependentNormal((2, 1)), objective=small())
    vae.compile("sgd")
    vae.fit(binary, verbose=0)
    assert vae.objective.own_weights[0].shape == (2, 8)


def test_mixed_precision_keeps_the_discriminator_in_float32(policy, make_vae, binary):
    policy("mixed_bfloat16")
    vae = make_vae(objective=small())
    vae.compile(keras.optimizers.Adam(0.01))
    logs = vae.fit(binary, batch_size=20, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    z = tf.constant(np.random.default_rng(0).normal(size=(9, 2)), tf.float32)
    ratio = vae.objective.log_ratio(z)
    assert ratio.dtype == tf.float32
    kernel, bias, last, shift = (w.numpy() for w in vae.objective.own_weights)
    hidden = z.numpy() @ kernel + bias
    truth = np.where(hidden > 0, hidden, 0.2 * hidden) @ last + shift
    np.testing.assert_allclose(ratio, truth[:, 0], rtol=1e-4, atol=1e-6)


# What is refused.


def test_several_groups_are_refused():
    output = of_draws(tf.zeros([4, 2]))
    output = tfvae.VAEOutput(output.latents * 2, output.likelihood)
    with pytest.raises(tfvae.UserError, match="FactorVAE takes one group of latent variables"):
        FactorVAE()(tf.zeros([4, 2]), output)


def test_draws_of_integers_are_refused():
    q = tfd.Independent(tfd.Categorical(tf.zeros([4, 2, 3])), 1)
    output = tfvae.VAEOutput((tfvae.Latent(q.sample(seed=(0, 0)), q, q),), q)
    with pytest.raises(tfvae.UserError, match="draws values of type int32"):
        FactorVAE()(tf.zeros([4, 2]), output)


def test_the_recipe_takes_the_discriminators_optimizer():
    rate = {"learning_rate": 0.02}
    for options, name, beta_1 in [
        (rate, "Adam", 0.5),
        ({**rate, "optimizer": "rmsprop"}, "RMSprop", None),
        ({**rate, "optimizer": "sgd"}, "SGD", None),
    ]:
        optimizer = tfvae.recipes.factor_vae((3, 2, 1), **options).objective.get_config()[
            "optimizer"
        ]
        assert optimizer["class_name"] == name
        assert optimizer["config"]["learning_rate"] == pytest.approx(0.02)
        assert optimizer["config"].get("beta_1") == beta_1
    with pytest.raises(tfvae.UserError, match=r"unknown optimizer 'adm': did you mean .*'adam'"):
        tfvae.recipes.factor_vae((3, 2, 1), optimizer="adm")


@pytest.mark.parametrize("units", [(), (0,), (8, 2.5)])
def test_refused_units(units):
    with pytest.raises(tfvae.UserError, match="units takes positive whole numbers"):
        FactorVAE(units=units)
