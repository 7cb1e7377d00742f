import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import ELBO, FactorVAE
from tfvae.runs.finite import FiniteSteps
from tfvae.schedules import Linear
from tfvae.trainer import keras_compat

tfd = tfp.distributions


class Point(keras.layers.Layer):
    """A posterior without noise: the replicas' draws are no part of the comparison."""

    def __init__(self, regularizer=None):
        super().__init__()
        self.dense = keras.layers.Dense(2, kernel_regularizer=regularizer)

    def build(self, shape):
        self.dense.build((None, 6))

    def call(self, x):
        return tfd.Independent(tfd.Deterministic(self.dense(tf.reshape(x, [-1, 6]))), 1)


class Narrow(Point):
    """A posterior with an analytic KL whose draws are the mean within float32."""

    def call(self, x):
        loc = self.dense(tf.reshape(x, [-1, 6]))
        return tfd.Independent(tfd.Normal(loc, 1e-8), 1)


class Report(ELBO):
    """Logs the moments of z, so that a test sees the noise of a step."""

    def call(self, x, output, *, step=0):
        loss, terms = super().call(x, output, step=step)
        z = tf.reduce_sum(output.latents[0].z, -1)
        return tfvae.ObjectiveOutput(loss, {**terms, "z1": z, "z2": z**2})


@pytest.fixture
def without_noise(make_vae):
    def make(objective=None, encoder=Point, regularizer=None, **options):
        decoder = make_vae(built=False).decoder
        keras.utils.set_random_seed(1)
        vae = tfvae.VAE(encoder(regularizer), decoder, objective=objective)
        vae.build((None, 3, 2, 1))
        vae.compile(keras.optimizers.SGD(0.5, **options))
        return vae

    return make


@pytest.mark.parametrize(
    ("batch", "case"),
    [
        (8, {}),
        (7, {}),  # 4 and 3
        (1, {}),  # 1 and none
        (7, {"encoder": Narrow}),
        (7, {"objective": lambda: ELBO(Linear(0.0, 4.0, 4))}),
        # The mean rate is held against the floor over both replicas together.
        (7, {"objective": lambda: ELBO(free_bits=2.0)}),
        (7, {"objective": lambda: ELBO(4.0, capacity=2.0)}),
        (7, {"regularizer": keras.regularizers.L2(0.5)}),
        (7, {"weights": True}),
        # Keras clips each replica's share and adds the shares up afterwards.
        (7, {"clipnorm": 0.3}),
        (7, {"clipvalue": 0.02}),
        (7, {"global_clipnorm": 0.3}),
        # The update is that of the mean of two batches, which is clipped and not each of them.
        (7, {"gradient_accumulation_steps": 2}),
        (7, {"gradient_accumulation_steps": 2, "global_clipnorm": 0.3, "weight_decay": 0.1}),
        (7, {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.5}),
    ],
    # No addresses in the names: processes that share the tests have to agree on them.
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
@pytest.mark.representatives(
    "8-",
    "1-",
    "7-weights",
    "7-objective0",
    "7-gradient_accumulation_steps-global_clipnorm-weight_decay",
)
def test_steps_on_two_replicas_are_the_steps_on_one(
    without_noise, mirrored, binary, assert_same_weights, batch, case
):
    case = dict(case)
    weights = np.linspace(0, 3, 2 * batch).astype(np.float32)
    x = binary[: 2 * batch]
    data = tf.data.Dataset.from_tensor_slices(x).batch(batch)
    if case.pop("weights", False):
        data = tf.data.Dataset.from_tensor_slices((x, np.zeros((len(x), 0)), weights)).batch(batch)
    objective = case.pop("objective", lambda: None)
    updates = 4 // case.get("gradient_accumulation_steps", 1)
    one = without_noise(objective(), **case)
    with mirrored.scope():
        two = without_noise(objective(), **case)
    assert_same_weights(one, two)
    logs = [vae.fit(data, epochs=2, verbose=0).history for vae in (one, two)]
    assert int(two.step) == int(one.step) == updates
    if case.get("use_ema"):
        means = [v.numpy() for v in one.optimizer.variables if "average" in v.name]
        others = [v.numpy() for v in two.optimizer.variables if "average" in v.name]
        assert len(means) == len(one.trainable_variables)
        for mean, other in zip(means, others, strict=True):
            np.testing.assert_allclose(mean, other, rtol=1e-5, atol=1e-6)
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    assert set(logs[0]) == set(logs[1])
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-5, err_msg=name)
    evaluated = [vae.evaluate(data, verbose=0, return_dict=True) for vae in (one, two)]
    for name, value in evaluated[0].items():  # Keras 3.12 leaves them tensors
        np.testing.assert_allclose(value, evaluated[1][name], rtol=1e-5, err_msg=name)


def test_a_last_batch_that_the_replicas_share_unevenly(
    without_noise, mirrored, binary, assert_same_weights
):
    one = without_noise()
    with mirrored.scope():
        two = without_noise()
    logs = [
        vae.fit(tf.data.Dataset.from_tensor_slices(binary[:11]).batch(4), verbose=0).history
        for vae in (one, two)
    ]
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-5)


def test_arrays_and_validation_on_two_replicas(make_vae, mirrored, binary):
    with mirrored.scope():
        vae = make_vae(built=False)
        vae.compile(keras.optimizers.Adam(0.01), steps_per_execution=2)
    logs = vae.fit(binary, batch_size=9, validation_data=(binary[:7],), verbose=0).history
    assert np.isfinite([value[0] for value in logs.values()]).all()
    np.testing.assert_allclose(logs["val_loss"][0], -logs["val_elbo"][0], rtol=1e-6)
    predicted = vae.predict(binary[:7], verbose=0)
    np.testing.assert_allclose(predicted["z"], vae.encode(binary[:7]).mean(), rtol=1e-4, atol=1e-6)


def test_data_of_unknown_length_and_single_batches(
    without_noise, mirrored, binary, assert_same_weights
):
    one = without_noise()
    with mirrored.scope():
        two = without_noise()
    data = tf.data.Dataset.from_tensor_slices(binary[:11]).batch(4).filter(lambda x: True)
    for vae in (one, two):
        vae.fit(data, epochs=2, verbose=0)
        # The end of the data is found by asking for more: that is no step.
        assert int(vae.step) == 6
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    # Each replica takes the whole of a single batch, which so counts twice in a mean with others:
    # Keras 3.12 adds it to those of the epoch, later ones begin anew.
    for vae in (one, two):
        vae.reset_metrics()
    logs = [vae.train_on_batch(binary[:6], return_dict=True) for vae in (one, two)]
    keras.tree.map_structure(lambda *pair: np.testing.assert_allclose(*pair, 1e-5), *logs)
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    for vae in (one, two):
        vae.reset_metrics()
    logs = [vae.test_on_batch(binary[:6], return_dict=True) for vae in (one, two)]
    keras.tree.map_structure(lambda *pair: np.testing.assert_allclose(*pair, 1e-5), *logs)


@pytest.mark.parametrize(("version", "known"), [("3.15.1", True), ("3.16.0", False)])
def test_a_version_of_keras_that_is_not_known(
    without_noise, mirrored, monkeypatch, caplog, version, known
):
    monkeypatch.setattr(keras, "__version__", version)
    keras_compat._warn.cache_clear()
    with mirrored.scope():
        without_noise()
    assert ("tried with Keras 3.12 to 3.15, and this is Keras 3.16.0" in caplog.text) != known


@pytest.mark.parametrize(
    ("of_optimizer", "of_compile", "message"),
    [
        ({}, {"jit_compile": True}, "jit_compile=True does not work on several replicas"),
        (
            {"use_ema": True, "ema_overwrite_frequency": 3},
            {},
            "ema_overwrite_frequency=3 does not work on several replicas",
        ),
        (
            {"gradient_accumulation_steps": 2, "scaled": True},
            {},
            "gradient_accumulation_steps=2 does not work on several replicas with a loss scale",
        ),
    ],
    ids=["xla", "averages", "accumulation with a loss scale"],
)
def test_what_fails_there_is_refused(make_vae, mirrored, of_optimizer, of_compile, message):
    of_optimizer = dict(of_optimizer)
    scaled = of_optimizer.pop("scaled", False)
    with mirrored.scope():
        vae = make_vae(built=False)
        optimizer = keras.optimizers.SGD(0.1, **of_optimizer)
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
    with pytest.raises(tfvae.UserError, match=message):
        vae.compile(optimizer, **of_compile)


def test_a_batch_that_is_skipped_within_an_update(
    without_noise, mirrored, binary, assert_same_weights
):
    broken = binary[:28].copy()
    broken[9] = np.nan  # in the second batch of four, on one replica
    data = tf.data.Dataset.from_tensor_slices(broken).batch(7)
    one = without_noise(gradient_accumulation_steps=2)
    with mirrored.scope():
        two = without_noise(gradient_accumulation_steps=2)
    start = one.get_weights()
    for vae in (one, two):
        vae.fit(data, verbose=0, callbacks=[FiniteSteps("skip")])
        assert int(vae.step) == 2
    assert_same_weights(one, two, rtol=1e-5, atol=1e-6)
    assert any((a != b).any() for a, b in zip(start, one.get_weights(), strict=True))


def test_a_discriminator_accumulates_there_too(make_vae, mirrored, binary):
    with mirrored.scope():
        vae = make_vae(objective=FactorVAE(units=(4,)))
        vae.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    vae.fit(tf.data.Dataset.from_tensor_slices(binary[:28]).batch(7), verbose=0)
    assert int(vae.objective.optimizer.iterations) == int(vae.step) == 2
    for weight in vae.objective.own_weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b)


def test_keras_still_cannot_accumulate_there(mirrored):
    """Where this fails, Keras has been repaired: `distribute.updates` can go."""
    with mirrored.scope():
        weight = keras.Variable(np.zeros(3, np.float32))
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
        optimizer.build([weight])
    step = tf.function(
        lambda: mirrored.run(lambda: optimizer.apply_gradients([(tf.ones(3), weight)]))
    )
    with pytest.raises(RuntimeError, match="merge_call"):
        step()


def test_noise_differs_between_replicas(make_vae, mirrored, binary):
    with mirrored.scope():
        vae = make_vae(objective=Report())
        vae.compile(keras.optimizers.SGD(0.0))
    alike = np.repeat(binary[:1], 2, axis=0)  # one example, and the same, on each replica
    data = tf.data.Dataset.from_tensors(alike)
    for logs in [
        vae.fit(data, verbose=0).history,
        {k: [v] for k, v in vae.evaluate(data, verbose=0, return_dict=True).items()},
    ]:
        assert logs["z2"][0] - logs["z1"][0] ** 2 > 1e-4


def test_a_run_on_two_replicas_can_be_repeated(make_vae, mirrored, binary, assert_same_weights):
    runs = []
    for _ in range(2):
        with mirrored.scope():
            vae = make_vae(seed=3)
            vae.compile(keras.optimizers.Adam(0.01))
        vae.fit(tf.data.Dataset.from_tensor_slices(binary).batch(7), verbose=0)
        runs.append(vae)
    assert_same_weights(*runs)


def test_both_replicas_hold_the_same_weights(make_vae, mirrored, binary):
    with mirrored.scope():
        vae = make_vae()
        vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(tf.data.Dataset.from_tensor_slices(binary).batch(7), verbose=0)
    for weight in vae.weights:
        a, b = mirrored.experimental_local_results(weight.value)
        np.testing.assert_array_equal(a, b)


def test_a_model_of_two_replicas_loads_on_one(make_vae, mirrored, binary, tmp_path):
    with mirrored.scope():
        vae = make_vae()
        vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(tf.data.Dataset.from_tensor_slices(binary).batch(8), verbose=0)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert int(same.step) == 5
    np.testing.assert_array_equal(same.elbo(binary, seed=0), vae.elbo(binary, seed=0))
    same.fit(binary, verbose=0)
    with mirrored.scope():
        again = tfvae.load(tmp_path / "m.keras")
    again.fit(binary, verbose=0)
    assert int(again.step) == 7


def test_keras_still_cannot_share_a_first_batch_unevenly(mirrored):
    """Where this fails, Keras has been repaired: `keras_compat.without_a_first_batch` can go."""
    with mirrored.scope():
        model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    x = np.zeros((3, 2), np.float32)
    data = tf.data.Dataset.from_tensors((x, x[:, :1]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="AddN"):
        model.fit(data, shuffle=False, verbose=0)


def test_keras_still_cannot_take_several_steps_at_once(mirrored):
    """Where this fails, Keras has been repaired: `functions.steps_on_replicas` can go."""
    with mirrored.scope():
        model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse", steps_per_execution=2)
    x = np.zeros((8, 2), np.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="placeholder"):
        model.fit(x, x[:, :1], batch_size=2, verbose=0)
