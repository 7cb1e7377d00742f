"""What every objective promises that takes a target beside x: a line for each in `CASES`.

The objectives are found by themselves: one without a line fails the first test. What has no target
is held to the same in test_objectives.py.
"""

import importlib
import inspect
import json
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae

LABELS = np.where(np.arange(40) % 4 == 3, -1, np.arange(40) % 3)
CASES = {"Supervised": ({"classes": 3, "units": [6], "label_weight": 4.0}, LABELS)}


def found():
    classes = {}
    for module in pkgutil.iter_modules(tfvae.objectives.__path__):
        module = importlib.import_module(f"tfvae.objectives.{module.name}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, tfvae.objectives.Objective):
                classes |= {name: value} if value.__module__ == module.__name__ else {}
    return {
        name: cls
        for name, cls in classes.items()
        if "target" in inspect.signature(cls.call).parameters
    }


every_objective = pytest.mark.parametrize("name", found())


@pytest.fixture
def make(make_vae):
    def make(name, **options):
        keras.utils.set_random_seed(0)  # of the weights of the objective
        vae = make_vae(objective=found()[name](**CASES[name][0]), built=False)
        vae.build((None, 3, 2, 1), (None, *CASES[name][1].shape[1:]))
        vae.compile(keras.optimizers.SGD(0.1), **options)
        return vae

    return make


def test_every_objective_with_a_target_has_a_line():
    assert found()
    assert set(found()) == set(CASES)


@every_objective
def test_it_is_public_and_made_again_of_its_configuration(name):
    assert getattr(tfvae.objectives, name) is found()[name]
    assert "References:" in inspect.getdoc(found()[name])
    objective = found()[name](**CASES[name][0])
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(objective)))
    same = keras.saving.deserialize_keras_object(config)
    assert json.dumps(same.get_config()) == json.dumps(objective.get_config())
    arguments = inspect.signature(type(objective).__init__).parameters.values()
    named = {a.name for a in arguments if a.kind is not inspect.Parameter.VAR_KEYWORD} - {"self"}
    assert named <= set(config["config"])


@every_objective
def test_xla_and_mixed_precision_take_a_step(make, policy, binary, name):
    policy("mixed_bfloat16")
    vae = make(name, jit_compile=True)
    before = vae.get_weights()
    logs = vae.fit(binary, CASES[name][1], batch_size=40, verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    moved = [np.abs(a - b).max() > 0 for a, b in zip(before, vae.get_weights(), strict=True)]
    assert all(moved)
    output = vae(binary, samples=vae.objective.samples, seed=0)
    loss, terms = vae.objective(binary, output, target=CASES[name][1])
    assert {t.dtype for t in tf.nest.flatten((loss, terms))} == {tf.float32}


@every_objective
def test_steps_on_two_replicas_are_the_steps_on_one(
    same_noise_everywhere, mirrored, binary, assert_same_weights, name
):
    """With batches that two replicas share unevenly, sample weights and missing labels."""
    kwargs, y = CASES[name]
    weights = np.random.default_rng(1).choice(np.float32([0.5, 1.0, 2.0]), 14)
    data = tf.data.Dataset.from_tensor_slices((binary[:14], y[:14], weights)).batch(7)

    def make():
        vae = same_noise_everywhere(lambda: None)
        vae = tfvae.VAE(vae.encoder, vae.decoder, objective=found()[name](**kwargs))
        vae.build((None, 3, 2, 1), (None,))
        vae.compile(keras.optimizers.SGD(0.1))
        return vae

    keras.utils.set_random_seed(3)
    one = make()
    keras.utils.set_random_seed(3)
    with mirrored.scope():
        two = make()
    logs = [vae.fit(data, verbose=0).history for vae in (one, two)]
    assert_same_weights(one, two, rtol=1e-4, atol=1e-5)
    for term in logs[0]:
        np.testing.assert_allclose(logs[0][term], logs[1][term], rtol=1e-4, err_msg=term)


@every_objective
def test_a_saved_run_goes_on_exactly(make, binary, tmp_path, assert_same_weights, name):
    data = tf.data.Dataset.from_tensor_slices((binary, CASES[name][1])).batch(20)
    whole, half = (make(name, run_eagerly=True) for _ in range(2))
    whole.fit(data, epochs=2, verbose=0)
    half.fit(data, verbose=0)
    half.save(tmp_path / "m.keras")
    keras.utils.set_random_seed(99)
    resumed = tfvae.load(tmp_path / "m.keras")
    assert_same_weights(half, resumed)
    resumed.fit(data, verbose=0)
    assert_same_weights(whole, resumed)
    evaluated = [vae.evaluate(data, verbose=0, return_dict=True) for vae in (whole, resumed)]
    assert evaluated[0] == evaluated[1]
