"""What every Bayesian layer and every flow layer has to do. New ones are found by themselves."""

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
import textwrap

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
    assert model.predict(x, verbose=0).shape == y.shape
    lines = []
    model.summary(print_fn=lines.append)
    assert str(layer.count_params()) in "".join(lines)

    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")  # safe mode is the default
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


@pytest.mark.slow  # the compilation of all convolutions takes a minute
@pytest.mark.parametrize("cls", CLASSES)
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


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("cls", CLASSES)
def test_mixed_precision_keeps_the_kl_in_float32(cls, policy):
    layer, x = make(cls, dtype=policy), inputs(cls)
    model = sequential(layer, x.shape[1:])
    outputs = model(x)
    assert outputs.dtype == layer.compute_dtype
    assert {w.dtype for w in layer.weights} == {"float32"}
    assert [loss.dtype for loss in layer.losses] == [tf.float32]
    np.testing.assert_allclose(float(layer.losses[0]), kl(layer), rtol=1e-6)
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    history = model.fit(x, np.zeros(outputs.shape, "float32"), verbose=0).history
    assert np.isfinite(history["loss"][0])


REPLICAS = """
    import sys, keras, numpy as np, tensorflow as tf
    sys.path.insert(0, {folder!r})
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    import test_bayesian_layers as contract
    from tfvae import layers

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    NARROW = layers.MeanFieldNormal(
        loc_initializer="ones", untransformed_scale_initializer=keras.initializers.Constant(-20)
    )

    def narrow(kernel_size, bias_size, dtype):
        return layers.WeightDistribution(NARROW, [kernel_size + bias_size], dtype=dtype)

    def model_of(cls):
        if issubclass(cls, contract.FactorizedLayer):
            point = layers.MeanFieldNormal(True, loc_initializer="zeros")
            layer = contract.make(cls, kernel_posterior_fn=NARROW, bias_posterior_fn=point)
        else:
            layer = contract.make(cls, make_posterior_fn=narrow)
        model = contract.sequential(layer, contract.inputs(cls).shape[1:])
        model.compile(keras.optimizers.SGD(0.01), loss="mse")
        return model

    for cls in contract.CLASSES:
        x = contract.inputs(cls)
        one = model_of(cls)
        y = np.zeros_like(one(x))
        with strategy.scope():
            two = model_of(cls)
        a, b = (m.fit(x, y, batch_size=8, verbose=0).history["loss"] for m in (one, two))
        np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=cls.__name__)
        for v, w in zip(one.get_weights(), two.get_weights(), strict=True):
            np.testing.assert_allclose(v, w, rtol=1e-4, atol=1e-6, err_msg=cls.__name__)

        # Equal inputs on both replicas: the noise has to differ.
        with strategy.scope():
            noisy = contract.sequential(contract.make(cls), x.shape[1:])
        run = tf.function(lambda x: strategy.run(noisy, args=(x,)))
        first, second = strategy.experimental_local_results(run(x))
        assert np.abs(first - second).max() > 1e-4, cls.__name__
        print("two replicas", cls.__name__)
"""


def test_two_replicas_train_as_one_and_draw_noise_of_their_own():
    code = textwrap.dedent(REPLICAS).format(folder=os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("two replicas") == len(CLASSES)
