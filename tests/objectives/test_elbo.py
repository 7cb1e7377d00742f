import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import ELBO
from tfvae.objectives.balancing import balance_weights
from tfvae.schedules import Linear

tfd = tfp.distributions


@pytest.fixture
def batch():
    """Data and an output of four examples whose rates are known: mean 1.25 nats, one below 1."""
    shift = np.float32([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 2.0]])  # rate = shift²/2

    def make(samples=None, shift=shift):
        shift = tf.convert_to_tensor(shift)
        q = tfd.Independent(tfd.Normal(shift, tf.ones_like(shift)), 1)
        p = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
        z = q.sample(() if samples is None else (samples,), seed=(0, 1))
        likelihood = tfd.Independent(tfd.Normal(z, 0.5), 1)
        x = np.float32([[1, 2], [3, 4], [5, 6], [7, 8]])
        return x, tfvae.VAEOutput((tfvae.Latent(z, q, p),), likelihood)

    return make


RATES = np.float32([0.0, 0.5, 2.0, 2.5])


def test_terms(batch):
    x, output = batch()
    loss, terms = ELBO()(x, output)
    assert set(terms) == {"elbo", "distortion", "rate"}
    assert all(value.shape == [4] for value in (loss, *terms.values()))
    np.testing.assert_allclose(terms["distortion"], -output.likelihood.log_prob(x))
    np.testing.assert_allclose(terms["rate"], RATES, rtol=1e-6)
    np.testing.assert_allclose(terms["elbo"], -terms["distortion"] - terms["rate"], rtol=1e-6)
    np.testing.assert_allclose(loss, -terms["elbo"], rtol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0, Linear(0.0, 8.0, 100)])
def test_beta_weighs_the_rate_and_leaves_the_elbo(batch, beta):
    x, output = batch()
    loss, terms = ELBO(beta)(x, output, step=50)
    plain = ELBO()(x, output).terms
    beta = 4.0 if isinstance(beta, Linear) else beta
    np.testing.assert_allclose(loss, terms["distortion"] + beta * RATES, rtol=1e-6)
    for name, value in plain.items():
        np.testing.assert_array_equal(terms[name], value)


def test_beta_zero_is_the_distortion_alone(batch):
    x, output = batch()
    loss, terms = ELBO(0.0)(x, output)
    np.testing.assert_array_equal(loss, terms["distortion"])


def test_samples_are_averaged(batch):
    x, output = batch(samples=6)
    loss, terms = ELBO(samples=6)(x, output)
    assert loss.shape == [4]
    np.testing.assert_allclose(
        terms["distortion"], -tf.reduce_mean(output.likelihood.log_prob(x), 0), rtol=1e-6
    )
    np.testing.assert_allclose(terms["rate"], RATES, rtol=1e-6)


def test_the_model_draws_as_many_samples_as_the_objective_takes(make_vae, binary):
    seen = []

    class Spy(ELBO):
        def call(self, x, output, *, step=0):
            seen.append(tuple(output.latents[0].z.shape))
            return super().call(x, output, step=step)

    for samples in (1, 4):
        vae = make_vae(objective=Spy(samples=samples))
        vae.compile("sgd", run_eagerly=True)
        vae.fit(binary, verbose=0)
    assert set(seen[-2:]) == {(4, 32, 2), (4, 8, 2)}
    assert (32, 2) in seen


def test_monte_carlo_rate_is_the_one_of_the_draw(batch):
    x, output = batch()
    latent = output.latents[0]
    rate = ELBO(kl="monte_carlo")(x, output).terms["rate"]
    truth = latent.posterior.log_prob(latent.z) - latent.prior.log_prob(latent.z)
    np.testing.assert_array_equal(rate, truth)
    assert np.abs(rate - RATES).max() > 0.01


# Free bits.


@pytest.mark.parametrize("floor", [0.0, 1.0, 1.2499, 1.2501, 3.0])
def test_free_bits_take_the_larger_of_floor_and_mean_rate(batch, floor):
    x, output = batch()
    loss, terms = ELBO(free_bits=floor)(x, output)
    penalty = np.mean(loss - terms["distortion"])
    assert penalty == pytest.approx(max(floor, RATES.mean()), rel=1e-5)
    np.testing.assert_allclose(terms["rate"], RATES, rtol=1e-6)
    np.testing.assert_allclose(terms["elbo"], -terms["distortion"] - RATES, rtol=1e-6)


def test_free_bits_weigh_with_beta(batch):
    x, output = batch()
    loss, terms = ELBO(3.0, free_bits=2.0)(x, output)
    assert np.mean(loss - terms["distortion"]) == pytest.approx(6.0, rel=1e-5)


@pytest.mark.parametrize(("floor", "pressed"), [(1.2, True), (1.3, False)])
def test_free_bits_press_only_above_the_floor(batch, floor, pressed):
    shift = tf.constant([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(shift)
        x, output = batch(shift=shift)
        loss, terms = ELBO(free_bits=floor)(x, output)
        penalty = tf.reduce_mean(loss - terms["distortion"])
    gradient = tape.gradient(penalty, shift, unconnected_gradients="zero")
    # d/dm of m²/2, in the mean over four.
    truth = shift / 4 if pressed else tf.zeros_like(shift)
    np.testing.assert_allclose(gradient, truth, atol=1e-6)


def test_free_bits_are_counted_for_each_group(batch):
    x, output = batch()
    high = output.latents[0]
    same = tfd.Independent(tfd.Normal(tf.zeros([4, 2]), 1.0), 1)
    low = tfvae.Latent(high.z, same, high.prior)  # a rate of 0
    output = tfvae.VAEOutput((high, low), output.likelihood)
    loss, terms = ELBO(free_bits=1.0)(x, output)
    assert np.mean(loss - terms["distortion"]) == pytest.approx(1.25 + 1.0, rel=1e-5)
    np.testing.assert_allclose(terms["rate"], RATES, rtol=1e-6)


def test_free_bits_can_follow_a_schedule(batch):
    x, output = batch()
    objective = ELBO(free_bits=Linear(5.0, 0.0, 10))
    for step, penalty in [(0, 5.0), (5, 2.5), (10, 1.25)]:
        loss, terms = objective(x, output, step=step)
        assert np.mean(loss - terms["distortion"]) == pytest.approx(penalty, rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "mean"), [([2, 1, 1, 0], 0.625), ([0, 0, 3, 1], 2.125), ([1, 1, 1, 1], 1.25)]
)
def test_with_sample_weights_the_mean_rate_is_the_weighted_one(batch, weights, mean):
    x, output = batch()
    weights = np.float32(weights)
    plain = ELBO()(x, output).terms["distortion"]
    for kwargs, penalty in [
        ({"free_bits": 1.0}, max(1.0, mean)),
        ({"capacity": 1.0, "beta": 3.0}, 3.0 * abs(mean - 1.0)),
    ]:
        loss, terms = ELBO(**kwargs)(x, output, weights=weights)
        found = np.average(loss - plain, weights=weights)
        assert found == pytest.approx(penalty, rel=1e-4, abs=1e-5)
        np.testing.assert_allclose(terms["rate"], RATES, rtol=1e-6)


def test_examples_without_any_weight_have_a_finite_loss(batch):
    x, output = batch()
    for kwargs in ({"free_bits": 1.0}, {"capacity": 1.0}):
        assert np.isfinite(ELBO(**kwargs)(x, output, weights=tf.zeros(4)).loss).all()


@pytest.mark.parametrize("kwargs", [{"free_bits": 1.9}, {"capacity": 1.9}], ids=str)
def test_fit_hands_the_weights_to_the_objective(make_vae, binary, kwargs):
    """The floor lies between the weighted mean rate and the plain one, so that it shows."""
    vae = make_vae(objective=ELBO(**kwargs), seed=5)
    vae.compile(keras.optimizers.SGD(0.0))
    rates = ELBO()(binary, vae(binary)).terms["rate"].numpy()
    order = np.argsort(rates)
    weights = np.zeros(40, np.float32)
    weights[order[20:]] = 2.0
    floor = float(rates.mean() + np.average(rates, weights=weights)) / 2
    for name in kwargs:
        setattr(vae.objective, name, tfvae.schedules.get(floor))
    given = {"sample_weight": weights, "batch_size": 40, "verbose": 0}
    for logs in (vae.fit(binary, **given).history, vae.evaluate(binary, return_dict=True, **given)):
        loss, distortion, rate = (np.squeeze(logs[n]) for n in ("loss", "distortion", "rate"))
        penalty = rate if "free_bits" in kwargs else rate - floor
        assert rate > floor
        assert loss == pytest.approx(distortion + penalty, rel=1e-4)


# Capacity.


@pytest.mark.parametrize("capacity", [0.0, 1.0, 1.25, 4.0])
def test_capacity_holds_the_mean_rate(batch, capacity):
    x, output = batch()
    loss, terms = ELBO(10.0, capacity=capacity)(x, output)
    truth = 10 * abs(RATES.mean() - capacity)
    assert np.mean(loss - terms["distortion"]) == pytest.approx(truth, rel=1e-4, abs=1e-5)
    np.testing.assert_allclose(terms["elbo"], -terms["distortion"] - RATES, rtol=1e-6)


@pytest.mark.parametrize(("capacity", "sign"), [(1.0, 1.0), (2.0, -1.0)])
def test_capacity_presses_towards_the_target(batch, capacity, sign):
    shift = tf.constant([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(shift)
        x, output = batch(shift=shift)
        loss, terms = ELBO(2.0, capacity=capacity)(x, output)
        penalty = tf.reduce_mean(loss - terms["distortion"])
    np.testing.assert_allclose(tape.gradient(penalty, shift), sign * 2.0 * shift / 4, atol=1e-6)


def test_capacity_follows_a_schedule(batch):
    x, output = batch()
    objective = ELBO(capacity=Linear(0.0, 10.0, 10))
    for step, penalty in [(0, 1.25), (5, 3.75), (20, 8.75)]:
        loss, terms = objective(x, output, step=step)
        assert np.mean(loss - terms["distortion"]) == pytest.approx(penalty, rel=1e-4)


# In training.


def test_the_scheduled_numbers_are_named():
    objective = ELBO(Linear(0.0, 1.0, 10), capacity=Linear(0.0, 20.0, 10))
    numbers = {name: float(value) for name, value in objective.scheduled(5).items()}
    assert numbers == {"beta": 0.5, "capacity": 10.0}
    assert set(ELBO().scheduled(0)) == {"beta"}
    assert set(ELBO(free_bits=1.0).scheduled(0)) == {"beta", "free_bits"}


@pytest.mark.parametrize(
    "options", [{}, {"steps_per_execution": 3}, {"jit_compile": True}], ids=str
)
def test_beta_changes_from_step_to_step_inside_fit(make_vae, binary, options):
    vae = make_vae(objective=ELBO(Linear(0.0, 4.0, 8)))
    vae.compile(keras.optimizers.SGD(0.0), **options)
    # One step an epoch; then three with one trace.
    logs = vae.fit(binary, epochs=4, batch_size=40, verbose=0).history
    used = (np.array(logs["loss"]) - logs["distortion"]) / logs["rate"]
    np.testing.assert_allclose(used, [0.0, 0.5, 1.0, 1.5], atol=1e-4)
    # The log has the number that the next step takes.
    np.testing.assert_allclose(logs["beta"], [0.5, 1.0, 1.5, 2.0], atol=1e-6)
    repeated = tf.data.Dataset.from_tensors(binary).repeat(3)
    logs = vae.fit(repeated, verbose=0).history
    mean_of_three = (logs["loss"][0] - logs["distortion"][0]) / logs["rate"][0]
    np.testing.assert_allclose(mean_of_three, (2.0 + 2.5 + 3.0) / 3, atol=1e-4)
    np.testing.assert_allclose(logs["beta"], [3.5], atol=1e-6)


def test_evaluation_takes_the_beta_of_the_present_step(make_vae, binary):
    vae = make_vae(objective=ELBO(Linear(0.0, 4.0, 4)))
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(binary, batch_size=20, validation_data=binary, verbose=0).history
    assert logs["val_beta"] == [2.0]
    used = (logs["val_loss"][0] - logs["val_distortion"][0]) / logs["val_rate"][0]
    assert used == pytest.approx(2.0, rel=1e-4)


def test_without_beta_the_step_is_the_one_of_the_distortion(make_vae, binary):
    rate = 0.5
    free = make_vae(objective=ELBO(0.0), seed=5)
    free.compile(keras.optimizers.SGD(rate))
    before = [w.numpy() for w in free.trainable_weights]
    seed = tfvae.distribute.replica_seed(5, tf.constant(0))
    with tf.GradientTape() as tape:
        distortion = tf.reduce_mean(-free(binary, seed=seed).likelihood.log_prob(binary))
    gradients = tape.gradient(distortion, free.trainable_weights)
    logs = free.fit(binary, batch_size=40, shuffle=False, verbose=0).history
    assert logs["loss"] == logs["distortion"]
    assert logs["loss"][0] == pytest.approx(float(distortion), rel=1e-5)
    assert logs["rate"][0] > 0
    for weight, old, gradient in zip(free.trainable_weights, before, gradients, strict=True):
        np.testing.assert_allclose(weight, old - rate * gradient, atol=1e-6, err_msg=weight.path)

    # The same seed and batch with the rate: the same distortion, another step of the encoder.
    bound = make_vae(objective=ELBO(1.0), seed=5)
    bound.compile(keras.optimizers.SGD(rate))
    with_rate = bound.fit(binary, batch_size=40, shuffle=False, verbose=0).history
    assert with_rate["distortion"] == logs["distortion"]
    assert with_rate["rate"] == logs["rate"]
    assert with_rate["loss"][0] == pytest.approx(logs["loss"][0] + logs["rate"][0], rel=1e-5)
    for a, b in zip(free.encoder.weights, bound.encoder.weights, strict=True):
        assert np.abs(a - b).max() > 1e-5
    for a, b in zip(free.decoder.weights, bound.decoder.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_free_bits_keep_a_posterior_from_collapsing(make_vae, binary):
    rates = {}
    for floor in (None, 3.0):
        vae = make_vae(objective=ELBO(free_bits=floor))
        vae.compile(keras.optimizers.Adam(0.03))
        vae.fit(tf.data.Dataset.from_tensors(binary).repeat(100), verbose=0)
        rates[floor] = float(tf.reduce_mean(vae.objective(binary, vae(binary)).terms["rate"]))
    assert rates[None] < 1.0
    assert rates[3.0] > 2.0


# Configuration.


@pytest.mark.parametrize(
    "objective",
    [
        lambda: ELBO(4.0, samples=3, kl="monte_carlo"),
        lambda: ELBO(Linear(0.0, 1.0, 10), free_bits=2.0),
        lambda: ELBO(capacity=Linear(0.0, 25.0, 10)),
    ],
)
def test_config_round_trip(batch, objective):
    objective = objective()
    same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert same.get_config() == objective.get_config()
    assert same.samples == objective.samples
    x, output = batch(samples=objective.samples)
    for step in (0, 5, 20):
        np.testing.assert_array_equal(
            same(x, output, step=step).loss, objective(x, output, step=step).loss
        )


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"free_bits": 1.0, "capacity": 1.0}, "exclude each other"),
        ({"beta": -1.0}, "beta takes a number from 0, got -1.0"),
        ({"beta": np.float32(-1.0)}, "beta takes a number from 0"),
        ({"free_bits": -1}, "free_bits takes a number from 0"),
        ({"capacity": -2.0}, "capacity takes a number from 0"),
        ({"samples": 0}, "samples takes an integer from 1, got 0"),
        ({"samples": 2.5}, "samples takes an integer from 1, got 2.5"),
        ({"kl": "analytical"}, "unknown kl 'analytical': did you mean 'analytic'"),
        ({"gradient": "slt"}, "unknown gradient 'slt': did you mean 'stl'"),
        ({"gradient": "stl", "kl": "analytic"}, "leave out kl='analytic'"),
        (
            {"beta": "warm-up"},
            "beta takes a number, a schedule of tfvae.schedules or of Keras, or a function",
        ),
    ],
    ids=str,
)
def test_refusals(kwargs, words):
    with pytest.raises(tfvae.UserError) as refusal:
        ELBO(**kwargs)
    assert words in str(refusal.value)


def test_analytic_is_refused_before_training_starts(make_vae, binary):
    class Humps(tfvae.priors.Prior):
        def call(self, context=None):
            return tfd.MixtureSameFamily(
                tfd.Categorical(probs=[0.5, 0.5]),
                tfd.MultivariateNormalDiag([[-1.0] * 2, [1.0] * 2]),
            )

    vae = make_vae(prior=Humps(), objective=ELBO(kl="analytic"), built=False)
    vae.compile("sgd")
    with pytest.raises(tfvae.UserError, match="no closed form of KL") as refusal:
        vae.fit(binary, verbose=0)
    assert "\n" not in str(refusal.value)


def test_the_base_says_what_is_missing(batch):
    with pytest.raises(NotImplementedError, match="has to define call"):
        tfvae.objectives.Objective()(*batch())


# KL balancing.


def two_groups(rates, sizes=(2, 1)):
    """Groups of these rates, [batch] each, of z of these sizes."""
    latents = []
    for rate, size in zip(rates, sizes, strict=True):
        loc = np.sqrt(2 * np.float32(rate) / size)[:, None] * np.ones(size, np.float32)
        q = tfd.Independent(tfd.Normal(tf.constant(loc), 1.0), 1)
        p = tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), 1)
        latents.append(tfvae.Latent(q.mean(), q, p))
    x = tf.zeros([len(rates[0]), 1])
    return x, tfvae.VAEOutput(tuple(latents), tfd.Independent(tfd.Normal(x, 1.0), 1))


@pytest.mark.parametrize("weights", [None, [2.0, 0.0, 1.0]])
@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_a_groups_rate_weighs_as_its_share_for_each_variable(weights, share):
    rates = np.array([[6.0, 1.0, 2.0], [0.3, 0.9, 0.3]])
    x, output = two_groups(rates)
    each = np.average(rates, axis=1, weights=weights) / [2, 1]
    factors = 1 - share + share * 2 * each / each.sum()
    given = None if weights is None else tf.constant(weights)
    loss, terms = ELBO(3.0, balance=share)(x, output, weights=given)
    np.testing.assert_allclose(loss - terms["distortion"], 3.0 * factors @ rates, rtol=1e-5)
    np.testing.assert_allclose(terms["rate"], rates.sum(0), rtol=1e-5)
    floored, _ = ELBO(3.0, balance=share, free_bits=4.0)(x, output, weights=given)
    truth = (
        3.0 * factors @ np.where(np.average(rates, axis=1, weights=weights)[:, None] > 4, rates, 4)
    )
    np.testing.assert_allclose(floored - terms["distortion"], truth, rtol=1e-5)


def test_balance_is_no_part_of_the_gradient_and_groups_without_rates_weigh_alike():
    x, output = two_groups(np.zeros([2, 3]))
    assert np.isfinite(ELBO(balance=1.0)(x, output).loss).all()
    rates = tf.Variable([3.0, 1.0])
    with tf.GradientTape() as tape:
        weights = balance_weights(tf.unstack(rates), [1, 1])
    assert tape.gradient(weights, rates) is None
    assert [float(w) for w in balance_weights([tf.zeros([])] * 2, [1, 5])] == [1.0, 1.0]


def test_balance_and_capacity_exclude_each_other():
    x, output = two_groups(np.ones([2, 3]))
    with pytest.raises(tfvae.UserError, match="balance weighs the rates of the groups, and capac"):
        ELBO(balance=1.0, capacity=2.0)(x, output)
    with pytest.raises(tfvae.UserError, match="balance takes a number up to 1, got 2"):
        ELBO(balance=2)


def test_the_recipes_of_hierarchies_hand_it_on():
    vae = tfvae.recipes.ladder_vae((8, 8, 1), 4, hidden=(8,), balance=Linear(1.0, 0.0, 10))
    assert float(vae.objective.balance(5)) == 0.5
    assert float(vae.objective.beta(0)) == 0.0
    with pytest.raises(tfvae.UserError, match="balance: IWAE does not take it"):
        tfvae.recipes.two_layer_vae((8, 8, 1), 4, objective="iwae", balance=1.0)
