"""What every trunk network has to do. A new one is found by itself and needs a line in CASES."""

import importlib
import json
import pkgutil
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import layers, networks

EVENT = (6, 9, 1)


class Case(NamedTuple):
    arguments: dict
    inputs: tuple
    features: tuple
    place: str = "encoder"


# Arguments that differ from the defaults: one that get_config forgets is found.
CASES = {
    "MLP": Case({"hidden": [5, 4], "activation": "tanh"}, EVENT, (4,)),
    "BottleneckStage": Case(
        {"filters": 4, "blocks": 2, "pool": 3, "bottleneck": 0.5, "depth": 3}, EVENT, (2, 3, 4)
    ),
    "ConvDown": Case(
        {"filters": [3, 4], "kernel_size": 4, "activation": "elu", "units": 7}, EVENT, (7,)
    ),
    "ConvUp": Case(
        {"filters": [4, 3], "size": [6, 9], "kernel_size": 4, "activation": "elu"},
        (2,),
        (6, 9, 3),
        "decoder",
    ),
    "ResNetDown": Case(
        {
            "filters": [2, 4],
            "blocks": 1,
            "groups": 2,
            "kernel_size": 2,
            "activation": "elu",
            "units": 7,
        },
        EVENT,
        (7,),
    ),
    "ResNetUp": Case(
        {
            "filters": [4, 2],
            "size": [6, 9],
            "blocks": 1,
            "groups": 2,
            "kernel_size": 2,
            "activation": "elu",
        },
        (2,),
        (6, 9, 2),
        "decoder",
    ),
}


def trunks():
    """The registered layers that a module of tfvae/networks defines, by name."""
    found = {}
    for module in pkgutil.iter_modules(networks.__path__, "tfvae.networks."):
        for name, cls in vars(importlib.import_module(module.name)).items():
            if (
                isinstance(cls, type)
                and issubclass(cls, keras.layers.Layer)
                and not issubclass(cls, keras.Model)
                and cls.__module__ == module.name
                and keras.saving.get_registered_name(cls) == f"tfvae>{name}"
            ):
                found[name] = cls
    return found


# These stand in front of a trunk, for z on a ball: tests/distributions/test_poincare.py has them.
NO_TRUNK = {"Gyroplane", "TangentMap"}
TRUNKS = {name: cls for name, cls in trunks().items() if name not in NO_TRUNK}
every_trunk = pytest.mark.parametrize("name", sorted(TRUNKS))


def make_trunk(kind, **kwargs):
    return TRUNKS[kind](**CASES[kind].arguments, **kwargs)


def make_vae(name, **kwargs):
    keras.utils.set_random_seed(1)
    parts = {"encoder": networks.MLP([4]), "decoder": networks.MLP([4])}
    parts[CASES[name].place] = make_trunk(name)
    return tfvae.VAE(
        networks.Encoder(parts["encoder"], layers.IndependentNormal(2), **kwargs),
        networks.Decoder(parts["decoder"], layers.IndependentBernoulli(EVENT), **kwargs),
    )


def images():
    return (np.random.default_rng(0).random((8, *EVENT)) < 0.4).astype(np.float32)


@pytest.fixture(scope="module")
def x():
    return images()


def inputs(name, n=3):
    return np.random.default_rng(1).normal(size=(n, *CASES[name].inputs)).astype(np.float32)


def test_every_trunk_has_a_case_and_is_public():
    assert set(TRUNKS) == set(CASES)
    assert set(TRUNKS) <= set(networks.__all__)


@every_trunk
def test_config_round_trip(name):
    trunk = make_trunk(name, name="trunk", dtype="float64")
    config = json.loads(json.dumps(trunk.get_config()))
    same = TRUNKS[name].from_config(config)
    assert same.get_config() == trunk.get_config()
    for key, value in CASES[name].arguments.items():
        assert config[key] == value
    x = inputs(name)
    trunk(x)
    same(x)
    same.set_weights(trunk.get_weights())
    np.testing.assert_array_equal(same(x), trunk(x))
    assert same(x).dtype == tf.float64


@every_trunk
def test_shapes(name):
    case = CASES[name]
    trunk = make_trunk(name)
    for batch in (None, 3):
        assert tuple(trunk.compute_output_shape((batch, *case.inputs))) == (batch, *case.features)
    features = trunk(inputs(name))
    assert features.shape == (3, *case.features)
    assert np.std(features) > 0


@every_trunk
def test_in_a_functional_model(name):
    case = CASES[name]
    start = keras.Input(case.inputs)
    trunk = make_trunk(name)
    model = keras.Model(start, trunk(start))
    assert model.output_shape == (None, *case.features)
    x = inputs(name)
    np.testing.assert_allclose(model.predict(x, verbose=0), trunk(x), rtol=1e-5, atol=1e-6)


@every_trunk
def test_an_example_does_not_depend_on_its_batch(name):
    trunk, x = make_trunk(name), inputs(name, 4)
    together = trunk(x, training=True)
    alone = tf.concat([trunk(x[i : i + 1], training=True) for i in range(4)], axis=0)
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


@every_trunk
def test_a_context_joins_its_input(name, x):
    conditioner = keras.layers.CategoryEncoding(3, output_mode="one_hot")
    vae = make_vae(name, conditioner=conditioner)
    labels = np.arange(8) % 3
    trunk = getattr(vae, CASES[name].place).trunk
    plain = make_trunk(name)
    plain(inputs(name))
    vae.elbo(x, context=labels)
    assert trunk.count_params() > plain.count_params()
    one, other = (vae.elbo(x, seed=0, context=labels + d) for d in (0, -labels))
    assert np.abs(one - other)[labels > 0].min() > 0


@every_trunk
@pytest.mark.parametrize(
    ("dtype", "jit_compile"),
    [
        ("float32", True),
        ("mixed_float16", False),
    ],
)
@pytest.mark.representatives("float32-True-MLP", "float32-True-ResNetDown", "mixed_float16-False-*")
def test_trains_all_weights(name, x, policy, dtype, jit_compile):
    policy(dtype)
    vae = make_vae(name)
    vae.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
    vae.check(x)
    before = vae.get_weights()
    # Several steps: a residual block starts with its last kernel at zero, so nothing but that one
    # has a gradient in the first; and in float16 Keras skips steps until it has a loss scale.
    history = vae.fit(x, batch_size=2, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for weight, old in zip(vae.weights, before, strict=True):
        if weight.trainable:
            assert np.isfinite(weight).all(), weight.path
            assert np.abs(weight - old).max() > 0, weight.path
    trunk = getattr(vae, CASES[name].place).trunk
    features = trunk(inputs(name))
    assert features.dtype == keras.dtype_policies.get(dtype).compute_dtype
    assert {w.dtype for w in trunk.weights} == {"float32"}


@every_trunk
@pytest.mark.representatives("MLP", "ResNetUp")
def test_two_replicas_step_as_one(name, mirrored):
    y = np.ones((8, int(np.prod(CASES[name].features))))
    models = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            keras.utils.set_random_seed(2)
            model = keras.Sequential([make_trunk(name), keras.layers.Flatten()])
            model.build((None, *CASES[name].inputs))
            model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        before = model.get_weights()
        model.fit(inputs(name, 8), y, batch_size=4, verbose=0, shuffle=False)
        models.append(model)
    weights = [model.get_weights() for model in models]
    assert distance(*weights) < 1e-5
    assert distance(before, weights[0]) > 1e-3
    copies = [mirrored.experimental_local_results(w.value) for w in models[1].trainable_weights]
    assert distance(*zip(*copies, strict=True)) == 0


def distance(some, others):
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


@every_trunk
def test_saved_in_a_vae(name, x, tmp_path):
    vae = make_vae(name)
    vae.check(x)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(same.elbo(x, seed=0), vae.elbo(x, seed=0))
    trunk, other = (getattr(m, CASES[name].place).trunk for m in (vae, same))
    assert type(other) is TRUNKS[name]
    assert other.get_config() == trunk.get_config()
