"""Two replicas take the step, report the loss and add the KL of one.

In a process of its own: TensorFlow mixes up the collectives of two MirroredStrategies in one.
"""

import numpy as np
import pytest

PROGRAM = """
import json
import keras, numpy as np, tensorflow as tf, tensorflow_probability as tfp
from tfvae.layers import *
from tfvae.losses import MeanNegativeLogLikelihood, NegativeLogLikelihood

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
prior = tfp.distributions.MultivariateNormalDiag(tf.ones(2))
rng = np.random.default_rng(0)
x = (rng.random((22, 5)) < 0.4).astype("float32")
weights = rng.uniform(0.5, 2, 22).astype("float32")

def make(way):
    kl = KLDivergenceRegularizer(prior, use_exact_kl=True)
    head = MultivariateNormalTriL(2, "mean", activity_regularizer=kl if way == "both" else None)
    layers = [keras.Input((5,)), keras.layers.Dense(5), head]
    layers += [KLDivergenceAddLoss(prior, use_exact_kl=True)] if way == "both" else []
    model = keras.Sequential([*layers, keras.layers.Dense(5), IndependentBernoulli(5)])
    model.compile(
        keras.optimizers.SGD(0.1), NegativeLogLikelihood(),
        weighted_metrics=[MeanNegativeLogLikelihood(name="nll")],
    )
    return model

result = {}
for way in ("loss", "both"):
    single = make(way)
    with strategy.scope():
        double = make(way)
    double.set_weights(single.get_weights())
    for name, model in (("single", single), ("double", double)):
        logs = model.fit(x, x, sample_weight=weights, batch_size=22, verbose=0).history
        flat = np.concatenate([np.ravel(w) for w in model.get_weights()])
        result[f"{way} {name}"] = {**{k: v[0] for k, v in logs.items()}, "weights": flat.tolist()}

with strategy.scope():
    layer = IndependentNormal(2)
    layer.build((None, 4))
draws = strategy.run(lambda: tf.convert_to_tensor(layer(tf.zeros([3, 4]))))
result["draws"] = [v.numpy().tolist() for v in strategy.experimental_local_results(draws)]
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def results():
    """What the program printed, run once for all tests."""
    import json
    import os
    import subprocess
    import sys

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", ["loss", "both"])
@pytest.mark.parametrize("value", ["loss", "nll"])
def test_two_replicas_report_the_loss_of_one(results, way, value):
    expected = results[f"{way} single"][value]
    assert results[f"{way} double"][value] == pytest.approx(expected, rel=3e-6)


@pytest.mark.parametrize("way", ["loss", "both"])
def test_two_replicas_take_the_step_of_one(results, way):
    np.testing.assert_allclose(
        results[f"{way} double"]["weights"],
        results[f"{way} single"]["weights"],
        rtol=1e-5,
        atol=1e-6,
    )


def test_two_replicas_draw_different_samples(results):
    first, second = results["draws"]
    assert np.abs(np.subtract(first, second)).min() > 0
