"""What the workers of a cluster do, each in its process; on one device it gives the reference."""

import importlib.util
import json
import os
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import distribute
from tfvae.data import tfrecord
from tfvae.distribute import workers
from tfvae.objectives import ELBO, BetaTCVAE, FactorVAE
from tfvae.runs import FiniteSteps
from tfvae.schedules import Linear

tfd = tfp.distributions
EVENT = (3, 2, 1)
BINARY = (np.random.default_rng(0).random((40, *EVENT)) < 0.4).astype(np.float32)


def _encoders():
    """The encoder whose noise is the same on any replica."""
    path = os.path.join(os.path.dirname(__file__), "..", "noise_of_the_example.py")
    spec = importlib.util.spec_from_file_location("noise_of_the_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@keras.saving.register_keras_serializable(package="program")
class Point(keras.layers.Layer):
    """A posterior without noise: the replicas' draws are no part of the comparison."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def build(self, shape):
        self.dense.build((None, 6))

    def call(self, x):
        return tfd.Independent(tfd.Deterministic(self.dense(tf.reshape(x, [-1, 6]))), 1)


class Draws(ELBO):
    """Logs the moments of z: those of equal examples differ by their noise alone."""

    def call(self, x, output, *, step=0):
        loss, terms = super().call(x, output, step=step)
        z = tf.reduce_sum(output.latents[0].z, -1)
        return tfvae.ObjectiveOutput(loss, {**terms, "z1": z, "z2": z**2})


def decoder():
    return tfvae.networks.Decoder(
        tfvae.networks.MLP([8], "tanh"), tfvae.layers.IndependentBernoulli(EVENT)
    )


def vae_of(encoder, objective=None, *, rate=0.5, latents=None, built=True, **options):
    keras.utils.set_random_seed(1)
    vae = tfvae.VAE(encoder(), decoder(), objective=objective and objective(), latents=latents)
    if built:
        vae.build((None, *EVENT))
    vae.compile(keras.optimizers.SGD(rate), **options)
    return vae


def quantized():
    encoder = tfvae.networks.BottomUp([tfvae.networks.MLP([8], "tanh"), keras.layers.Dense(6)])
    quantizer = tfvae.latents.VectorQuantizer(codes=5, size=2, restart=0.0)
    return vae_of(lambda: encoder, latents=quantizer, rate=0.1)


def weighted(n):
    weights = np.linspace(0, 3, n).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((BINARY[:n], np.zeros((n, 0)), weights))


def plain(n, bad=None):
    x = BINARY[:n].copy()
    if bad is not None:  # the step of this example is skipped on all workers
        x[bad] = np.nan
    return tf.data.Dataset.from_tensor_slices(x)


FILES = tempfile.TemporaryDirectory()
OPENED = []  # files of records


def records():
    """Batches of records in six files, which are noted when they are opened."""
    whole = tfrecord.whole_or_empty

    def note(file):
        OPENED.append(file.numpy())
        return file

    tfrecord.whole_or_empty = lambda file, count, offset: whole(
        tf.py_function(note, [file], tf.string), count, offset
    )
    grey = np.random.default_rng(1).integers(0, 256, (48, *EVENT), np.uint8)
    tfvae.data.write_tfrecord(os.path.join(FILES.name, "a"), grey, shards=6)
    name = f"tfrecord:{FILES.name}/a-*"
    return tfvae.data.load(name, "all", 12, shuffle=True, binarization="dynamic")


# Name: the model, and the batches, the last of them shared unevenly or by one worker alone.
CASES = {
    "weights": (lambda: vae_of(Point, steps_per_execution=1), lambda: weighted(23).batch(7)),
    "annealing": (
        lambda: vae_of(
            Point,
            lambda: ELBO(Linear(0.0, 4.0, 8), free_bits=2.0),
            rate=0.02,
            steps_per_execution=4,
        ),
        # In an order that differs from epoch to epoch.
        lambda: tfvae.data.from_arrays(BINARY[:26], batch_size=5, drop_remainder=False),
    ),
    "beta_tcvae": (
        lambda: vae_of(
            _encoders().NoiseOfTheExample, lambda: BetaTCVAE(6.0, gamma=3.0, alpha=0.5), rate=0.1
        ),
        lambda: plain(15).batch(7),
    ),
    "factor_vae": (
        lambda: vae_of(
            _encoders().NoiseOfTheExample,
            lambda: FactorVAE(5.0, units=(8,), optimizer=keras.optimizers.SGD(0.5)),
            rate=0.1,
        ),
        lambda: plain(15, bad=9).batch(7),  # one worker alone sees it
    ),
    "records": (lambda: vae_of(Point), records),
    "quantized": (quantized, lambda: {"x": BINARY[:22], "batch_size": 7, "shuffle": False}),
}


def results(strategy, names, folder):
    """Trains, evaluates and predicts in every case; flat names to arrays."""
    found = {}
    held_out = plain(40).skip(27).batch(6)  # 13 examples
    for name in names:
        make, data = CASES[name]
        with strategy.scope():
            vae = make()
        data = data()
        data = data if isinstance(data, dict) else {"x": data}
        more = [FiniteSteps("skip")] if name == "factor_vae" else []
        more = files(folder) if name == "weights" else more
        logs = vae.fit(
            **data, validation_data=held_out, epochs=2, verbose=0, callbacks=more
        ).history
        if name == "weights":  # a saved model goes on, and `.keras` keeps the optimizer
            vae.save(os.path.join(folder, "model.keras"))
            workers.from_chief(strategy)  # the chief has written
            with strategy.scope():
                vae = tfvae.load(os.path.join(os.path.dirname(folder), "0", "model.keras"))
            vae.fit(**data, verbose=0)
        if name == "records":
            found["opened"] = len(OPENED)
        evaluated = vae.evaluate(held_out, verbose=0, return_dict=True)
        predicted = vae.predict(held_out, verbose=0)
        for kind, values in [("fit", logs), ("evaluate", evaluated), ("predict", predicted)]:
            found |= {f"{name}/{kind}/{key}": np.asarray(value) for key, value in values.items()}
        found |= {f"{name}/{i}/{w.name}": w.numpy() for i, w in enumerate(vae.weights)}
        found[f"{name}/step"] = vae.step.numpy()
    return found


def files(folder):
    """Callbacks of Keras that write."""
    return [
        keras.callbacks.CSVLogger(os.path.join(folder, "log.csv")),
        keras.callbacks.TensorBoard(os.path.join(folder, "board")),
        keras.callbacks.ModelCheckpoint(os.path.join(folder, "best.keras")),
        keras.callbacks.BackupAndRestore(os.path.join(folder, "backup")),
    ]


def noise(strategy):
    """The variance over replicas of the draws for one and the same example."""
    with strategy.scope():
        head = tfvae.layers.IndependentNormal(2)
        vae = vae_of(lambda: tfvae.networks.Encoder(tfvae.networks.MLP([4]), head), Draws, rate=0.0)
    data = tf.data.Dataset.from_tensors(np.repeat(BINARY[:1], strategy.num_replicas_in_sync, 0))
    logs = [vae.fit(data, verbose=0).history, vae.evaluate(data, verbose=0, return_dict=True)]
    return [float(np.squeeze(log["z2"]) - np.squeeze(log["z1"]) ** 2) for log in logs]


def main(folder, names):
    strategy = distribute.strategy("multi_worker")
    resolver = strategy.cluster_resolver
    chiefs = resolver.cluster_spec().as_dict().get("chief", [])
    index = resolver.task_id + (len(chiefs) if resolver.task_type == "worker" else 0)
    folder = os.path.join(folder, str(index))
    facts = {
        "replicas": strategy.num_replicas_in_sync,
        "chief": workers.is_chief(strategy),
        "from_chief": workers.from_chief(strategy, [index + 7, 2**40]),
        "sums": workers.sums(strategy, [index, 2**40]),
    }
    arrays = results(strategy, names, folder)
    facts["opened"] = int(arrays.pop("opened", 0))
    facts["files"] = sorted(os.listdir(folder)) if os.path.exists(folder) else []
    facts["noise"] = noise(strategy)
    os.makedirs(folder, exist_ok=True)
    np.savez(os.path.join(folder, "results.npz"), **arrays)
    with open(os.path.join(folder, "facts.json"), "w") as file:
        json.dump(facts, file)
    workers.from_chief(strategy)
    if "weights" in names:
        with open(os.path.join(folder, "keras.txt"), "w") as file:
            file.write(keras_alone(strategy))


def keras_alone(strategy):
    """How Keras fails by itself on several workers: it reduces its logs along an axis."""
    with strategy.scope():
        model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    model._maybe_symbolic_build = lambda **kwargs: None  # fails before, see `test_vae_replicas`
    x = np.zeros((4, 2), np.float32)
    try:
        model.fit(x, x[:, :1], batch_size=2, verbose=0)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","))
