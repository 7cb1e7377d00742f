"""What every Bayesian layer has to do. New ones are found by themselves."""

import importlib
import inspect
import json
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae import layers
from tfvae.layers.factorized import FactorizedLayer
from tfvae.layers.linear_maps import ConvolutionMap


def found():
    """The concrete Bayesian layers of the folder, public or not."""
    classes = set()
    for module in pkgutil.iter_modules(layers.__path__):
        for _, value in inspect.getmembers(importlib.import_module(f"tfvae.layers.{module.name}")):
            if inspect.isclass(value) and issubclass(value, layers.BayesianLayer):
                classes.add(value)
    return sorted((c for c in classes if not c.__name__.startswith("_")), key=lambda c: c.__name__)


# Keras registers a class that can be saved; a base is none.
CLASSES = [c for c in found() if keras.saving.get_registered_name(c) != c.__name__]


def make(cls, **kwargs):
    if issubclass(cls, ConvolutionMap):
        return cls(2, 2, activation="tanh", kl_weight=0.25, **kwargs)
    return cls(3, activation="tanh", kl_weight=0.25, **kwargs)


def inputs(cls, n=8):
    shape = [n, *[3] * cls.rank, 2] if issubclass(cls, ConvolutionMap) else [n, 4]
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@keras.saving.register_keras_serializable(package="test_bayesian_layers")
class Subclassed(keras.Model):
    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def call(self, x):
        return self.layer(x)

    def get_config(self):
        return {"layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["layer"]))


def sequential(layer, shape):
    return keras.Sequential([keras.Input(shape), layer])


def functional(layer, shape):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


def subclassed(layer, shape):
    return Subclassed(layer)


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(1)


def kl(layer):
    """0.25 KL of the layer's weights, by tfp."""
    if isinstance(layer, FactorizedLayer):
        value = layers.exact_or_monte_carlo_kl(layer.kernel_posterior, layer.kernel_prior)
    else:
        value = layers.exact_or_monte_carlo_kl(
            layer._posterior.distribution(), layer._prior.distribution()
        )
    return 0.25 * float(value)


def test_all_layers_are_found():
    names = {cls.__name__ for cls in CLASSES}
    assert {"DenseVariational", "DenseFlipout", "Convolution3DReparameterization"} <= names
    assert all(getattr(layers, name) for name in names), "each is public"


@pytest.mark.parametrize("model_of", [sequential, functional, subclassed])
@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.representatives("*-functional", "Convolution2DFlipout-*", "DenseVariational-*")
def test_model_fits_evaluates_predicts_and_is_saved(cls, model_of, tmp_path):
    layer, x = make(cls), inputs(cls)
    model = model_of(layer, x.shape[1:])
    y = np.zeros_like(model(x))
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    before = [w.copy() for w in model.get_weights()]
    history = model.fit(x, y, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"][0])
    changed = [np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(changed), "every weight has a gradient"
    model.run_eagerly = model_of is not sequential  # traced once is enough
    assert model.predict(x, verbose=0).shape == y.shape
    lines = []
    model.summary(print_fn=lines.append)
    assert str(layer.count_params()) in "".join(lines)

    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")  # safe mode is the default
    loaded.run_eagerly = True
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    if model_of is sequential:
        assert model.evaluate(x, y, verbose=0) >= kl(layer), "mean squared error + KL"
        loaded.fit(x, y, batch_size=4, verbose=0)


@pytest.mark.parametrize("cls", CLASSES)
def test_config_is_json_and_clone_starts_anew(cls):
    layer, x = make(cls, name="layer"), inputs(cls)
    model = sequential(layer, x.shape[1:])
    clone = keras.models.clone_model(model)
    assert json.loads(json.dumps(clone.layers[-1].get_config())) == json.loads(
        json.dumps(layer.get_config())
    )
    assert [w.shape for w in clone.get_weights()] == [w.shape for w in model.get_weights()]
    assert np.abs(clone.get_weights()[0] - model.get_weights()[0]).max() > 0


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.representatives(
    "Convolution2DFlipout", "DenseLocalReparameterization", "DenseVariational"
)
def test_fit_with_xla(cls):
    layer, x = make(cls), inputs(cls)
    model = sequential(layer, x.shape[1:])
    y = np.zeros_like(model(x))
    model.compile(keras.optimizers.SGD(0.0), loss="mse", jit_compile=True)
    loss = model.fit(x, y, verbose=0).history["loss"][0]
    # The scales are 0.05 and each output sums some ten of them: the squares stay below 1.
    assert kl(layer) < loss < kl(layer) + 1


@pytest.mark.parametrize("cls", CLASSES)
def test_export_draws_weights_too(cls, tmp_path):
    layer, x = make(cls), inputs(cls)
    model = sequential(layer, x.shape[1:])
    expected = model(x)
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    first, second = loaded.serve(x), loaded.serve(x)
    assert first.shape == expected.shape
    assert np.abs(first - second).max() > 0


@pytest.mark.parametrize("cls", CLASSES)
def test_mixed_precision_keeps_the_kl_in_float32(cls):
    layer, x = make(cls, dtype="mixed_float16"), inputs(cls)
    model = sequential(layer, x.shape[1:])
    outputs = model(x)
    assert outputs.dtype == layer.compute_dtype
    assert {w.dtype for w in layer.weights} == {"float32"}
    assert [loss.dtype for loss in layer.losses] == [tf.float32]
    np.testing.assert_allclose(float(layer.losses[0]), kl(layer), rtol=1e-6)
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    history = model.fit(x, np.zeros(outputs.shape, "float32"), verbose=0).history
    assert np.isfinite(history["loss"][0])


NARROW = layers.MeanFieldNormal(
    loc_initializer="ones", untransformed_scale_initializer=keras.initializers.Constant(-20)
)


def narrow(kernel_size, bias_size, dtype):
    return layers.WeightDistribution(NARROW, [kernel_size + bias_size], dtype=dtype)


def without_noise(cls):
    """A model whose weights are as good as certain."""
    if issubclass(cls, FactorizedLayer):
        point = layers.MeanFieldNormal(True, loc_initializer="zeros")
        layer = make(cls, kernel_posterior_fn=NARROW, bias_posterior_fn=point)
    else:
        layer = make(cls, make_posterior_fn=narrow)
    shape = inputs(cls).shape[1:]
    model = keras.Sequential([keras.Input(shape), layer, keras.layers.Flatten()])
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    return model


@pytest.mark.parametrize("cls", CLASSES)
def test_sample_weights_are_factors_of_the_examples_and_not_of_the_kl(cls):
    x, model = inputs(cls), without_noise(cls)
    model.run_eagerly = True  # nothing to trace
    outputs = model(x).numpy()
    y = 3 * np.random.default_rng(1).normal(size=outputs.shape)
    weights = np.linspace(0.0, 3.0, len(x))
    squares = ((y - outputs) ** 2).mean(axis=1)
    expected = (weights * squares).mean() + kl(model.layers[0])
    assert abs((weights - 1) * squares).mean() > 0.1
    loss = model.evaluate(x, y, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(loss, expected, atol=1e-3)
    loss = model.fit(x, y, sample_weight=weights, verbose=0).history["loss"][0]
    np.testing.assert_allclose(loss, expected, atol=1e-3)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.representatives("Convolution2DReparameterization", "DenseFlipout", "DenseVariational")
def test_two_replicas_train_as_one_and_draw_noise_of_their_own(cls, mirrored):
    x, one = inputs(cls), without_noise(cls)
    one.run_eagerly = True  # nothing to trace
    y = np.zeros_like(one(x))
    with mirrored.scope():
        two = without_noise(cls)
        noisy = sequential(make(cls), x.shape[1:])
    a, b = (m.fit(x, y, batch_size=8, verbose=0).history["loss"] for m in (one, two))
    np.testing.assert_allclose(a, b, rtol=1e-5)
    for v, w in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-4, atol=1e-6)

    # Equal inputs on both replicas: the noise has to differ.
    run = tf.function(lambda x: mirrored.run(noisy, args=(x,)))
    first, second = mirrored.experimental_local_results(run(x))
    assert np.abs(first - second).max() > 1e-4
