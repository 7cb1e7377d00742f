import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae

X = np.zeros((4, 3, 2, 1), np.float32)
LABELS = np.arange(4) % 3


def dataset(x):
    return tf.data.Dataset.from_tensor_slices(x)


FITS = {
    "0..255 for a Bernoulli": (
        lambda vae: vae.fit(X + 255),
        ["0 and 1 alone", "hold 255 and span [255, 255]", "binarize", "ContinuousBernoulli"],
    ),
    "0..255 in a data set": (
        lambda vae: vae.fit(dataset(X + 255).batch(2)),
        ["hold 255 and span [255, 255]"],
    ),
    "0..255 in the validation data": (
        lambda vae: vae.fit(X, validation_data=dataset(X + 255).batch(2)),
        ["hold 255 and span [255, 255]"],
    ),
    "0..255 in the validation arrays": (
        lambda vae: vae.fit(X, validation_data=(X + 255,)),
        ["hold 255 and span [255, 255]"],
    ),
    "grey values": (lambda vae: vae.fit(X + 0.5), ["hold 0.5"]),
    "NaN": (lambda vae: vae.fit(X * np.nan), ["24 values that are NaN or infinite", "remove"]),
    "NaN in one value": (
        lambda vae: vae.fit(np.where(np.arange(24).reshape(X.shape) == 9, np.nan, X)),
        ["hold 1 values that are NaN"],
    ),
    "a wrong shape": (
        lambda vae: vae.fit(np.zeros((4, 5, 5, 1))),
        ["(5, 5, 1)", "(3, 2, 1)", "reshape the data"],
    ),
    "the same size in a wrong shape": (
        lambda vae: vae.fit(np.zeros((4, 6))),
        ["(6,)", "(3, 2, 1)", "reshape the data"],
    ),
    "no channel axis": (
        lambda vae: vae.fit(X[..., 0]),
        ["(3, 2)", "(3, 2, 1)", "x[..., None]"],
    ),
    "no channel axis in an estimate": (lambda vae: vae.elbo(X[..., 0]), ["x[..., None]"]),
    "no channel axis in a call": (lambda vae: vae(X[..., 0]), ["x[..., None]"]),
    "an empty array": (lambda vae: vae.fit(X[:0]), ["the data set is empty", "at least one"]),
    "an empty data set": (
        lambda vae: vae.fit(dataset(X).take(0).batch(2)),
        ["the data set is empty"],
    ),
    "a batch that drop_remainder drops": (
        lambda vae: vae.fit(dataset(X).batch(100, drop_remainder=True)),
        ["the data set is empty", "drop_remainder=True"],
    ),
    "empty validation data": (
        lambda vae: vae.fit(X, validation_data=dataset(X).take(0).batch(2)),
        ["the data set is empty"],
    ),
    "a context without a conditioner": (
        lambda vae: vae.fit(X, LABELS),
        ["got a context but has no conditioner", "labels=False"],
    ),
    "targets out of habit": (
        lambda vae: vae.fit(X, X),
        ["x is given twice", "a VAE reconstructs x"],
    ),
    "a context in a call": (lambda vae: vae(X, context=LABELS), ["has no conditioner"]),
    "samples=0": (lambda vae: vae.log_prob(X, samples=0), ["samples", "from 1, got 0"]),
    "samples=2.5": (lambda vae: vae.elbo(X, samples=2.5), ["samples", "from 1, got 2.5"]),
    "chunk=0": (lambda vae: vae.log_prob(X, chunk=0), ["chunk", "from 1, got 0"]),
}


def one_line(refusal, words):
    message = str(refusal.value)
    assert "\n" not in message
    assert "\x1b" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("built", [True, False], ids=["built", "unbuilt"])
@pytest.mark.parametrize("case", FITS)
def test_data_are_refused_in_one_line(make_vae, case, built):
    call, words = FITS[case]
    vae = make_vae(built=built)
    vae.compile("sgd")
    before = [w.numpy() for w in vae.weights]
    with pytest.raises(tfvae.UserError) as refusal:
        call(vae)
    one_line(refusal, words)
    assert int(vae.step) == 0
    for old, new in zip(before, vae.weights, strict=False):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "call",
    [
        lambda vae: vae.fit(X),
        lambda vae: vae(X),
        lambda vae: vae.encode(X),
        lambda vae: vae.log_prob(X),
    ],
)
def test_a_missing_context_is_refused(make_vae, call):
    vae = make_vae(labels=3)
    vae.compile("sgd")
    with pytest.raises(tfvae.UserError) as refusal:
        call(vae)
    one_line(refusal, ["has a conditioner but got no context", "(x, context)"])


def test_a_missing_context_is_refused_when_sampling(make_vae):
    with pytest.raises(tfvae.UserError) as refusal:
        make_vae(labels=3).sample(4)
    one_line(refusal, ["has a conditioner but got no context"])


@pytest.mark.parametrize("call", [lambda vae: vae.sample(3), lambda vae: vae.prior()])
def test_a_model_without_weights_has_nothing_to_sample(make_vae, call):
    with pytest.raises(tfvae.UserError) as refusal:
        call(make_vae(built=False))
    one_line(refusal, ["no weights yet", "fit it, or call it on data, first"])


def test_a_missing_file(tmp_path):
    with pytest.raises(tfvae.UserError) as refusal:
        tfvae.load(tmp_path / "none.keras")
    assert isinstance(refusal.value, FileNotFoundError)
    one_line(refusal, ["no model at", "none.keras", "that vae.save wrote"])


@pytest.mark.parametrize("name", ["loss", "metrics", "weighted_metrics"])
def test_a_loss_or_metric_without_effect_is_refused(make_vae, name):
    vae = make_vae()
    vae.compile("sgd", **{name: "mse" if name == "loss" else ["mse"]})
    with pytest.raises(tfvae.UserError) as refusal:
        vae.fit(X)
    one_line(refusal, [f"compile({name}=...)", "objective"])


@pytest.mark.parametrize(
    ("part", "value"),
    [("encoder", None), ("decoder", 3), ("prior", "normal"), ("objective", tfvae.objectives.ELBO)],
)
def test_parts_of_another_kind_are_refused(make_vae, part, value):
    vae = make_vae()
    parts = {"encoder": vae.encoder, "decoder": vae.decoder, part: value}
    with pytest.raises(tfvae.UserError) as refusal:
        tfvae.VAE(**parts)
    one_line(refusal, [f"{part} takes", "got"])


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_network_that_returns_a_tensor_is_refused(make_vae, part):
    vae = make_vae(built=False)
    setattr(vae, part, keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)]))
    with pytest.raises(tfvae.UserError) as refusal:
        vae(X)
    one_line(refusal, [f"the {part} returned", "not a distribution", "tfvae.layers"])


def test_a_prior_of_another_shape_is_refused(make_vae):
    with pytest.raises(tfvae.UserError) as refusal:
        make_vae(prior=tfvae.priors.StandardNormal(1))
    one_line(refusal, ["posterior's event shape is (2,)", "prior's is (1,)"])


class Batched(tfvae.priors.Prior):
    """A prior of one's own that forgot that z is one event."""

    def call(self, context=None):
        return tfp.distributions.Normal(tf.zeros(self.event_shape), 1.0)


class TooMany(tfvae.priors.Prior):
    def call(self, context=None):
        return tfp.distributions.MultivariateNormalDiag(tf.zeros([2, 1, *self.event_shape]))


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (Batched, ["has the event shape () beside (2,)", "tfd.Independent"]),
        (TooMany, ["has the batch shape (2, 1) beside (2,)", "one for each"]),
    ],
)
def test_a_prior_that_would_be_broadcast_is_refused(make_vae, prior, words):
    """With two examples and two numbers in z, the shapes of the sums fit."""
    vae = make_vae(built=False, prior=prior())
    with pytest.raises(tfvae.UserError) as refusal:
        vae(X[:2])
    one_line(refusal, words)


def test_a_head_that_is_none_is_refused():
    with pytest.raises(tfvae.UserError) as refusal:
        tfvae.networks.Encoder(tfvae.networks.MLP([4]), keras.layers.Dense(3))
    one_line(refusal, ["a layer of tfvae.layers", "got Dense"])


def test_fit_before_compile_is_keras_own_refusal(make_vae):
    with pytest.raises(ValueError, match="compile"):
        make_vae().fit(X)


def test_a_configuration_of_another_version_is_told():
    vae = tfvae.recipes.vae((3, 2, 1), 2, hidden=(4,))
    config = vae.get_config()
    config["prior"] = config.pop("latents")
    with pytest.raises(tfvae.UserError, match="has no latents: another version of tfvae saved it"):
        tfvae.VAE.from_config(config)
