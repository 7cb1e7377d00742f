import json
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import ELBO
from tfvae.schedules import Linear

tfd = tfp.distributions
NAMES = ["loss", "elbo", "distortion", "rate", "bits_per_dim", "beta"]


@keras.saving.register_keras_serializable(package="test_vae_training")
class Report(ELBO):
    """Logs the moments of z, so that a test sees the noise of a step."""

    def call(self, x, output, *, step=0):
        loss, terms = super().call(x, output, step=step)
        z = output.latents[0].z
        moments = {"z1": tf.reduce_sum(z, -1), "z2": tf.reduce_sum(z, -1) ** 2}
        return tfvae.ObjectiveOutput(loss, {**terms, **moments})


@keras.saving.register_keras_serializable(package="test_vae_training")
class PointEncoder(keras.layers.Layer):
    """A posterior without noise, by the user: what differs afterwards is no matter of draws."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def build(self, shape):
        self.dense.build((None, int(np.prod(shape[1:]))))

    def call(self, x):
        loc = self.dense(tf.reshape(x, [tf.shape(x)[0], int(np.prod(x.shape[1:]))]))
        return tfd.Independent(tfd.Deterministic(loc), 1)


@pytest.fixture
def without_noise(make_vae):
    def make(**kwargs):
        decoder = make_vae(built=False).decoder
        keras.utils.set_random_seed(1)
        vae = tfvae.VAE(PointEncoder(), decoder, **kwargs)
        vae.build((None, 3, 2, 1))
        return vae

    return make


def steps(x, n):
    """The same batch n times."""
    return tf.data.Dataset.from_tensors(x).repeat(n)


# What fit takes.


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"run_eagerly": True},
        {"steps_per_execution": 2},
        {"steps_per_execution": 3},
    ],
    ids=str,
)
def test_every_way_of_execution_takes_the_same_steps(make_vae, binary, options):
    weights = []
    for chosen in ({}, options):
        vae = make_vae()
        vae.compile(keras.optimizers.SGD(0.5), **chosen)
        vae.fit(tf.data.Dataset.from_tensor_slices(binary).batch(16), verbose=0)
        assert int(vae.step) == 3
        weights.append(vae.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_xla_takes_the_same_steps(without_noise, binary, assert_same_weights):
    # Without noise: TensorFlow's stateless draws are others under XLA.
    runs = []
    for jit in (False, True):
        vae = without_noise()
        vae.compile(keras.optimizers.SGD(0.5), jit_compile=jit)
        vae.fit(tf.data.Dataset.from_tensor_slices(binary).batch(20), verbose=0)
        runs.append(vae)
    assert_same_weights(*runs, rtol=1e-4, atol=1e-5)


def test_xla_has_new_noise_each_step(make_vae, binary):
    vae = make_vae(objective=Report())
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    alike = np.repeat(binary[:1], 2, axis=0)
    seen = [reported(vae.fit(steps(alike, 1), verbose=0).history) for _ in range(3)]
    assert len({round(mean, 5) for mean, _ in seen}) == 3
    assert min(variance for _, variance in seen) > 1e-4


def test_a_step_is_the_gradient_of_the_mean_loss(make_vae, binary):
    vae = make_vae(seed=4)
    vae.compile(keras.optimizers.SGD(0.5))
    old = [w.numpy() for w in vae.trainable_weights]
    seed = tfvae.distribute.replica_seed(4, tf.constant(0))
    with tf.GradientTape() as tape:
        output = vae(binary, seed=seed)
        q = output.latents[0].posterior.distribution
        rate = -0.5 * tf.reduce_sum(1 + tf.math.log(q.scale**2) - q.loc**2 - q.scale**2, axis=-1)
        # Summed over the event, the mean over the batch.
        loss = tf.reduce_mean(
            tf.reduce_sum(
                tf.nn.sigmoid_cross_entropy_with_logits(
                    binary, output.likelihood.distribution.logits
                ),
                axis=(1, 2, 3),
            )
            + rate
        )
    gradients = tape.gradient(loss, vae.trainable_weights)
    logs = vae.fit(steps(binary, 1), verbose=0).history
    assert logs["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    for weight, before, gradient in zip(vae.trainable_weights, old, gradients, strict=True):
        np.testing.assert_allclose(weight, before - 0.5 * gradient, atol=1e-6, err_msg=weight.path)


@pytest.mark.parametrize("kind", ["array", "tensor", "dataset", "tuples", "sequence", "generator"])
def test_data_of_every_kind(without_noise, binary, kind):
    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return (binary[i * 20 : i * 20 + 20],)

    dataset = tf.data.Dataset.from_tensor_slices(binary).batch(20)
    data = {
        "array": binary,
        "tensor": tf.constant(binary),
        "dataset": dataset,
        "tuples": dataset.map(lambda x: (x,)),
        "sequence": Sequence(),
        "generator": ((binary[i * 20 : i * 20 + 20],) for i in range(2)),
    }[kind]
    vae = without_noise()
    vae.compile(keras.optimizers.SGD(0.0))
    options = {"batch_size": 20} if kind in ("array", "tensor") else {}
    if kind == "generator":
        options = {"steps_per_epoch": 2}
    logs = vae.fit(data, verbose=0, **options).history
    assert int(vae.step) == 2
    truth = -np.mean(vae.elbo(binary))
    assert logs["loss"][0] == pytest.approx(truth, rel=1e-5)


def test_sample_weights_of_an_array_are_not_dropped(without_noise, binary):
    weights = np.linspace(0, 2, 40).astype(np.float32)
    elbo = np.asarray(without_noise().elbo(binary))
    vae = without_noise()
    vae.compile(keras.optimizers.SGD(0.0))
    truth = {"loss": np.mean(-elbo * weights), "elbo": np.average(elbo, weights=weights)}
    dataset = tf.data.Dataset.from_tensor_slices((binary, weights)).batch(16)
    dataset = dataset.map(lambda x, w: (x, tf.zeros([tf.shape(x)[0], 0]), w))
    for logs in [
        vae.fit(binary, sample_weight=weights, batch_size=16, verbose=0).history,
        vae.fit(binary, sample_weight=weights[:, None], batch_size=16, verbose=0).history,
        vae.fit(dataset, verbose=0).history,
        vae.evaluate(binary, sample_weight=weights, verbose=0, return_dict=True),
        {
            name.removeprefix("val_"): value
            for name, value in vae.fit(
                binary, validation_data=(binary, None, weights), verbose=0
            ).history.items()
            if name.startswith("val_")
        },
    ]:
        for name, value in truth.items():
            np.testing.assert_allclose(logs[name], value, rtol=1e-5)


def test_sample_weights_weigh_the_gradient(without_noise, binary, assert_same_weights):
    halves = [without_noise(), without_noise()]
    # Weights of 0 and 2 on the halves of a batch: the step of one half.
    halves[0].compile(keras.optimizers.SGD(0.5))
    halves[0].fit(
        binary,
        sample_weight=np.repeat([2.0, 0.0], 20),
        batch_size=40,
        shuffle=False,
        verbose=0,
    )
    halves[1].compile(keras.optimizers.SGD(0.5))
    halves[1].fit(binary[:20], batch_size=20, shuffle=False, verbose=0)
    assert_same_weights(*halves, rtol=1e-5, atol=1e-6)


def test_context_and_sample_weights_together(make_vae, binary):
    vae = make_vae(labels=3)
    vae.compile(keras.optimizers.SGD(0.1))
    labels, weights = np.arange(40) % 3, np.ones(40, np.float32)
    logs = vae.fit(binary, labels, sample_weight=weights, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    dataset = tf.data.Dataset.from_tensor_slices((binary, labels, 0 * weights)).batch(16)
    before = vae.get_weights()
    vae.fit(dataset, verbose=0)
    for a, b in zip(before, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_split(make_vae, binary):
    vae = make_vae()
    vae.compile("sgd")
    logs = vae.fit(binary, validation_split=0.25, verbose=0).history
    assert "val_elbo" in logs


def test_regularizers_are_in_the_loss_alone(without_noise, binary):
    vae = without_noise()
    vae.compile(keras.optimizers.SGD(0.0))
    plain = vae.fit(binary, batch_size=16, verbose=0).history
    vae.encoder.dense.kernel_regularizer = keras.regularizers.L2(0.5)
    vae.encoder.dense.kernel.regularizer = vae.encoder.dense.kernel_regularizer
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(binary, batch_size=16, verbose=0).history
    penalty = 0.5 * np.sum(np.square(vae.encoder.dense.kernel))
    assert logs["loss"][0] == pytest.approx(plain["loss"][0] + penalty, rel=1e-5)
    assert logs["elbo"][0] == pytest.approx(plain["elbo"][0], rel=1e-6)


# What fit logs.


def test_logs_have_the_names_and_the_meaning_of_the_contract(make_vae, binary):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1))
    logs = vae.fit(binary, validation_data=(binary[:7],), epochs=2, verbose=0).history
    assert set(logs) == {*NAMES, *(f"val_{name}" for name in NAMES)}
    for prefix in ("", "val_"):
        loss, elbo, distortion, rate, bits, beta = (np.array(logs[prefix + n]) for n in NAMES)
        assert loss.shape == (2,)
        np.testing.assert_allclose(elbo, -(distortion + rate), rtol=1e-5)
        np.testing.assert_allclose(loss, -elbo, rtol=1e-5)
        np.testing.assert_allclose(bits, -elbo / (6 * np.log(2)), rtol=1e-5)
        np.testing.assert_array_equal(beta, [1.0, 1.0])
        assert (distortion > 0).all()
        assert (rate > 0).all()


def test_bits_per_dim_are_left_out_of_real_data(make_vae):
    vae = make_vae(likelihood=tfvae.layers.IndependentNormal((3, 2, 1)))
    vae.compile("sgd")
    assert "bits_per_dim" not in vae.fit(np.zeros((4, 3, 2, 1)), verbose=0).history


def test_logs_are_the_mean_over_examples_with_a_short_last_batch(without_noise, binary):
    vae = without_noise()
    vae.compile(keras.optimizers.SGD(0.0))
    truth = np.mean(vae.elbo(binary[:37]))
    assert vae.fit(binary[:37], batch_size=16, verbose=0).history["elbo"][0] == pytest.approx(
        truth, rel=1e-5
    )
    evaluated = vae.evaluate(binary[:37], batch_size=16, verbose=0, return_dict=True)
    assert evaluated["elbo"] == pytest.approx(truth, rel=1e-5)


def test_an_epoch_begins_its_means_anew(make_vae, binary):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(1.0))
    logs = vae.fit(binary, epochs=3, shuffle=False, verbose=0).history
    other = make_vae()
    other.compile(keras.optimizers.SGD(1.0))
    single = [other.fit(binary, shuffle=False, verbose=0).history["elbo"][0] for _ in range(3)]
    np.testing.assert_allclose(logs["elbo"], single, rtol=1e-6)


def test_evaluation_is_repeatable_and_has_noise(make_vae, binary):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1))
    first = vae.evaluate(binary, verbose=0, return_dict=True)
    assert vae.evaluate(binary, verbose=0, return_dict=True) == first
    logs = vae.fit(binary, validation_data=(binary,), verbose=0).history
    again = vae.evaluate(binary, verbose=0, return_dict=True)
    assert {f"val_{k}": [v] for k, v in again.items()} == {
        k: v for k, v in logs.items() if k.startswith("val_")
    }
    other = make_vae(seed=1)
    other.compile("sgd")
    assert other.evaluate(binary, verbose=0, return_dict=True) != first


def test_evaluation_does_not_train(make_vae, binary):
    vae = make_vae()
    vae.compile("sgd")
    before = vae.get_weights()
    vae.evaluate(binary, verbose=0)
    assert int(vae.step) == 0
    for a, b in zip(before, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluation_of_a_model_without_weights(make_vae, binary):
    results = []
    for built in (True, False):
        vae = make_vae(built=built)
        vae.compile("sgd")
        results.append(vae.evaluate(binary, verbose=0, return_dict=True))
        assert set(results[-1]) == set(NAMES)
    alone = make_vae(built=False)
    alone.compile("sgd")
    assert set(alone.test_on_batch(binary, return_dict=True)) == set(NAMES)
    assert set(make_vae(built=False).predict(binary, verbose=0)) == {"z", "x"}


def test_train_on_batch_is_a_step(make_vae, binary, assert_same_weights):
    one, other = make_vae(), make_vae()
    for vae in (one, other):
        vae.compile(keras.optimizers.SGD(0.5))
    logs = one.train_on_batch(binary, return_dict=True)
    other.fit(steps(binary, 1), verbose=0)
    assert_same_weights(one, other)
    assert set(logs) == set(NAMES)


# Noise and determinism.


def reported(logs):
    """Mean and variance of z over examples that are all alike: noise alone makes them vary."""
    return logs["z1"][-1], logs["z2"][-1] - logs["z1"][-1] ** 2


def test_noise_differs_by_example_by_step_and_by_seed(make_vae, binary):
    alike = np.repeat(binary[:1], 2, axis=0)
    seen = []
    for seed in (0, 1):
        vae = make_vae(objective=Report(), seed=seed)
        vae.compile(keras.optimizers.SGD(0.0))
        for _ in range(3):
            mean, variance = reported(vae.fit(steps(alike, 1), verbose=0).history)
            assert variance > 1e-4
            seen.append(mean)
    assert len(set(np.round(seen, 5))) == 6


def test_noise_differs_by_batch_of_an_evaluation(make_vae, binary):
    vae = make_vae(objective=Report())
    vae.compile("sgd")
    logs = vae.evaluate(steps(binary[:1], 2), verbose=0, return_dict=True)
    assert reported({name: [value] for name, value in logs.items()})[1] > 1e-4


def train(vae, x, n):
    vae.fit(tf.data.Dataset.from_tensor_slices(x).batch(20).repeat().take(n), verbose=0)
    return vae


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    make_vae, binary, assert_same_weights
):
    runs = []
    for seed in (0, 0, 1):
        vae = make_vae(seed=seed)
        vae.compile(keras.optimizers.Adam(0.01))
        runs.append(train(vae, binary, 4))
        tf.random.normal([3])  # nothing else that is drawn plays a part
    assert_same_weights(runs[0], runs[1])
    with pytest.raises(AssertionError):
        assert_same_weights(runs[0], runs[2])


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 2}], ids=str)
@pytest.mark.representatives("*steps_per*")
def test_a_resumed_run_is_the_uninterrupted_one(
    make_vae, binary, tmp_path, assert_same_weights, options
):
    def begin():
        vae = make_vae(objective=ELBO(Linear(0.0, 1.0, 4)), seed=2)
        vae.compile(keras.optimizers.Adam(0.01), **options)
        return vae

    whole = train(begin(), binary, 4)
    half = train(begin(), binary, 2)
    half.save(tmp_path / "half.keras")
    keras.utils.set_random_seed(99)
    resumed = tfvae.load(tmp_path / "half.keras")
    assert int(resumed.step) == 2
    train(resumed, binary, 2)
    assert_same_weights(whole, resumed)
    for a, b in zip(whole.optimizer.variables, resumed.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    evaluated = [v.evaluate(binary, verbose=0, return_dict=True) for v in (whole, resumed)]
    assert evaluated[0] == evaluated[1]


def test_a_run_resumed_from_a_backup_is_the_uninterrupted_one(
    make_vae, binary, tmp_path, assert_same_weights
):
    dataset = tf.data.Dataset.from_tensor_slices(binary).batch(20)

    def begin():
        vae = make_vae(seed=2)
        vae.compile(keras.optimizers.Adam(0.01))
        return vae

    whole = begin()
    whole.fit(dataset, epochs=2, verbose=0)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    stopped, resumed = begin(), begin()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(dataset, epochs=2, callbacks=[backup, Stop()], verbose=0)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    resumed.fit(dataset, epochs=2, callbacks=[backup], verbose=0)
    assert_same_weights(whole, resumed)


def test_training_raises_the_bound(make_vae):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.integers(0, 2, [200, 1, 2, 1]), 3, axis=1).astype(np.float32)
    vae = make_vae(hidden=16)
    vae.compile(keras.optimizers.Adam(0.02))
    before = np.mean(vae.elbo(x, samples=10, seed=0))
    vae.fit(tf.data.Dataset.from_tensors(x).repeat(300), verbose=0)
    after = np.mean(vae.elbo(x, samples=10, seed=0))
    # Two bits of information: no model is above −log 4.
    assert after < -np.log(4)
    assert after > -2.5 > before


def test_ordinary_uses_warn_of_nothing(make_vae, binary, caplog, tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices(binary).batch(16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # TensorFlow's own variables under NumPy 2.
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept")
        vae = make_vae(built=False)
        vae.compile("adam")
        vae.fit(dataset, validation_data=dataset, epochs=2, verbose=0)
        vae.fit(binary, batch_size=16, verbose=0)
        vae.evaluate(dataset, verbose=0)
        vae.predict(dataset, verbose=0)
        vae.save(tmp_path / "m.keras")
        tfvae.load(tmp_path / "m.keras").fit(dataset, verbose=0)
        for samples in (1, 2, 3, 4, 5, 6):
            vae.elbo(binary, samples=samples)
            vae.log_prob(binary, samples=samples)
    # Keras's own functions are counted over all the tests of a process: see the next test.
    assert not [m for m in caplog.messages if "Trainer" not in m]


PROGRAM = """
import json, re, warnings
import keras, numpy as np, tensorflow as tf
import tfvae

# Not ru_maxrss: a child of a large process starts with the parent's.
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1e6  # GB
network = lambda cls, head: cls(tfvae.networks.MLP([200, 200]), head)
vae = tfvae.VAE(
    network(tfvae.networks.Encoder, tfvae.layers.IndependentNormal(50)),
    network(tfvae.networks.Decoder, tfvae.layers.IndependentBernoulli((28, 28, 1))),
)
x = (np.random.default_rng(0).random((300, 28, 28, 1)) < 0.3).astype("float32")
dataset = tf.data.Dataset.from_tensor_slices(x).batch(64)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    vae.compile("adam")
    vae.fit(dataset, validation_data=dataset, epochs=3, verbose=0)
    for _ in range(6):
        vae.evaluate(dataset, verbose=0)
        vae.predict(dataset, verbose=0)
        vae.elbo(x[:7])
        vae.elbo(x)
start = peak()
log_prob = vae.log_prob(x[:100], samples=5000, seed=0)
print(json.dumps({
    "warnings": [str(w.message) for w in caught],
    "start": start,
    "peak": peak(),
    "finite": bool(np.isfinite(log_prob).all()),
    "above": float(np.mean(log_prob - vae.elbo(x[:100], samples=100, seed=0))),
}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
@pytest.mark.exhaustive
def test_a_process_of_its_own_warns_of_nothing_and_bounds_the_memory(run_python):
    done = run_python(PROGRAM)
    assert done.result["warnings"] == []
    assert "retracing" not in done.stderr
    assert done.result["finite"]
    assert done.result["above"] > 0
    assert done.result["start"] <= done.result["peak"] < 1.5, json.dumps(done.result)
