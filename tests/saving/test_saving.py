import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import layers
from tfvae.objectives import ELBO
from tfvae.schedules import Cyclical, Linear

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="test_vae_saving")
class UsersEncoder(keras.Model):
    """A subclass of the user's own that returns a distribution of the user's own."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.flatten = keras.layers.Flatten()
        self.hidden = keras.layers.Dense(units, "tanh")
        self.loc = keras.layers.Dense(2)

    def call(self, x, training=False):
        return tfd.MultivariateNormalDiag(self.loc(self.hidden(self.flatten(x))), [0.5, 0.7])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="test_vae_saving")
class UsersLayer(keras.layers.Layer):
    """The same as a layer, without a training argument."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 6), initializer="glorot_uniform")

    def call(self, z):
        logits = tf.reshape(z @ tf.convert_to_tensor(self.kernel), [-1, 3, 2, 1])
        return tfd.Independent(tfd.Bernoulli(logits=logits, dtype=tf.float32), 3)


def functional_encoder():
    x = keras.Input((3, 2, 1))
    h = keras.layers.Dense(4, "tanh")(keras.layers.Flatten()(x))
    return keras.Model(x, layers.IndependentNormal(2)(keras.layers.Dense(4)(h)))


def functional_decoder():
    z = keras.Input((2,))
    return keras.Model(z, layers.IndependentBernoulli((3, 2, 1))(keras.layers.Dense(6)(z)))


def sequential_encoder(head=None):
    head = head or layers.IndependentNormal(2)
    return keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dense(head.params_size),
            head,
        ]
    )


def sequential_decoder():
    return keras.Sequential([keras.layers.Dense(6), layers.IndependentBernoulli((3, 2, 1))])


NETWORKS = {
    "functional": (functional_encoder, functional_decoder),
    "sequential": (sequential_encoder, sequential_decoder),
    "full covariance": (
        lambda: sequential_encoder(layers.MultivariateNormalTriL(2)),
        sequential_decoder,
    ),
    "subclass": (UsersEncoder, UsersLayer),
    "mixed": (
        functional_encoder,
        lambda: tfvae.networks.Decoder(
            tfvae.networks.MLP([4]), layers.IndependentBernoulli((3, 2, 1))
        ),
    ),
}


def assert_same_outputs(one, other, x, *, estimates=False, **context):
    def outputs(vae):
        output = vae(x, seed=1, **context)
        yield output.latents[0].z
        yield output.likelihood.mean()
        if estimates:
            yield vae.elbo(x, samples=2, seed=1, **context)
            yield vae.log_prob(x, samples=3, seed=1, **context)

    for a, b in zip(outputs(one), outputs(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def round_trip(tmp_path):
    def make(vae):
        vae.save(tmp_path / "m.keras")
        keras.utils.set_random_seed(77)
        return tfvae.load(tmp_path / "m.keras")

    return make


@pytest.mark.parametrize("case", NETWORKS)
@pytest.mark.representatives("functional", "subclass")
def test_networks_of_every_kind_train_and_come_back(round_trip, binary, assert_same_weights, case):
    encoder, decoder = NETWORKS[case]
    vae = tfvae.VAE(encoder(), decoder(), seed=5)
    vae.compile(keras.optimizers.Adam(0.01))
    data = tf.data.Dataset.from_tensor_slices(binary).batch(20)
    vae(binary)
    before = [w.numpy() for w in vae.trainable_weights]
    vae.fit(data, verbose=0)
    for old, new in zip(before, vae.trainable_weights, strict=True):
        assert np.abs(old - new).max() > 0, new.path
    same = round_trip(vae)
    assert same.seed == 5
    assert_same_outputs(vae, same, binary)
    for model in (vae, same):
        model.fit(data, verbose=0)
    assert_same_weights(vae, same)
    assert vae(binary, samples=3).likelihood.batch_shape == [3, 40]
    assert vae.sample(4, seed=0).shape == [4, 3, 2, 1]


def test_the_compile_state_comes_back(make_vae, binary, round_trip):
    vae = make_vae(objective=ELBO(Linear(0.0, 1.0, 100), free_bits=0.5, samples=2))
    rate = keras.optimizers.schedules.CosineDecay(0.01, 100)
    vae.compile(keras.optimizers.Adam(rate, beta_1=0.7, clipnorm=3.0), steps_per_execution=2)
    vae.fit(binary, batch_size=10, verbose=0)
    same = round_trip(vae)
    assert type(same.optimizer) is keras.optimizers.Adam
    assert same.optimizer.get_config() == vae.optimizer.get_config()
    assert int(same.optimizer.iterations) == int(same.step) == 4
    assert float(same.optimizer.learning_rate) == float(vae.optimizer.learning_rate)
    assert same.steps_per_execution == 2
    assert len(same.optimizer.variables) == len(vae.optimizer.variables)
    for a, b in zip(vae.optimizer.variables, same.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert same.objective.get_config() == vae.objective.get_config()
    assert float(same.objective.scheduled(same.step)["beta"]) == pytest.approx(0.04)


def test_a_conditional_model_with_a_schedule_comes_back(
    make_vae, binary, round_trip, assert_same_weights
):
    labels = np.arange(40) % 3
    vae = make_vae(labels=3, objective=ELBO(Cyclical(0.0, 2.0, 10)), built=False)
    vae.compile(keras.optimizers.SGD(0.1))
    vae.fit(binary, labels, verbose=0)
    same = round_trip(vae)
    assert_same_outputs(vae, same, binary, context=labels, estimates=True)
    for model in (vae, same):
        model.fit(tf.data.Dataset.from_tensors((binary, labels)), verbose=0)
    assert_same_weights(vae, same)


@pytest.mark.parametrize(
    "build",
    [
        lambda vae, x: vae(x),
        lambda vae, x: vae.build(x.shape),
        lambda vae, x: vae.elbo(x),
        lambda vae, x: vae.predict(x, verbose=0),
        lambda vae, x: (vae.compile("sgd"), vae.fit(x, verbose=0)),
        lambda vae, x: (vae.compile("sgd"), vae.evaluate(x, verbose=0)),
        lambda vae, x: (vae.compile("sgd"), vae.train_on_batch(x)),
        lambda vae, x: (vae.compile("sgd"), vae.test_on_batch(x)),
    ],
    ids=["call", "build", "elbo", "predict", "fit", "evaluate", "train_on_batch", "test_on_batch"],
)
def test_a_model_comes_back_however_it_was_built(make_vae, binary, round_trip, build):
    vae = make_vae(built=False)
    build(vae, binary)
    assert_same_outputs(vae, round_trip(vae), binary)


def test_a_model_without_weights_comes_back_without_weights(make_vae, binary, round_trip):
    same = round_trip(make_vae(built=False))
    assert same.elbo(binary).shape == [40]


def test_weights_alone(make_vae, binary, tmp_path):
    vae, other = make_vae(init=0), make_vae(init=1)
    vae.save_weights(tmp_path / "m.weights.h5")
    assert np.abs(vae.elbo(binary, seed=0) - other.elbo(binary, seed=0)).max() > 1e-3
    other.load_weights(tmp_path / "m.weights.h5")
    assert_same_outputs(vae, other, binary)


def test_a_mixed_model_keeps_its_policy_under_another(make_vae, binary, round_trip, policy):
    policy("mixed_bfloat16")
    vae = make_vae()
    policy("float32")
    same = round_trip(vae)
    assert same.encoder.trunk.stack[0].compute_dtype == "bfloat16"
    assert_same_outputs(vae, same, binary)


def test_the_file_holds_no_pickle_and_no_lambda(make_vae, tmp_path):
    import zipfile

    make_vae().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert set(archive.namelist()) == {"config.json", "metadata.json", "model.weights.h5"}
        assert b"Lambda" not in archive.read("config.json")


def test_safe_mode_is_on(make_vae, binary, tmp_path):
    vae = make_vae(built=False)
    vae.encoder.trunk = keras.Sequential(
        [keras.layers.Lambda(lambda x: 2 * x), keras.layers.Flatten()]
    )
    vae(binary)
    vae.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"safe_mode|unsafe"):
        tfvae.load(tmp_path / "m.keras")


def test_keras_loads_the_file_as_well(make_vae, binary, tmp_path):
    vae = make_vae()
    vae.save(tmp_path / "m.keras")
    same = keras.saving.load_model(str(tmp_path / "m.keras"))
    assert isinstance(same, tfvae.VAE)
    assert_same_outputs(vae, same, binary, estimates=True)


def test_config_round_trip(make_vae):
    vae = make_vae(objective=ELBO(4.0), seed=9, name="mine")
    same = tfvae.VAE.from_config(vae.get_config())
    assert same.name == "mine"
    assert same.get_config() == vae.get_config()
