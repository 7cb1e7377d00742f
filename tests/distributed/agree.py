"""Two workers that are about to do something else: what each is told, as JSON."""

import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf

import tfvae
from tfvae import distribute
from tfvae.errors import UserError
from tfvae.runs import default_config, train_and_evaluate


def told(call, *args, **kwargs):
    """The line and the type of the refusal."""
    try:
        call(*args, **kwargs)
    except UserError as error:
        return [type(error).__name__, str(error)]
    except Exception as error:
        return [f"not a user's error: {type(error).__name__}", str(error)[:500]]
    return ["nothing", ""]


def config(folder, **fields):
    made = default_config()
    made.update({"dataset": "npz:x.npz", "train_split": "all", "test_split": "all[:8]"})
    made.update({"batch_size": 8, "hidden": (4,), "latent_dim": 2, "epochs": 1})
    made.update({"binarization": "threshold", **fields})
    return made


def model(seed=0, momentum=0.5):
    keras.utils.set_random_seed(1)
    encoder = tfvae.networks.Encoder(tfvae.networks.MLP([4]), tfvae.layers.IndependentNormal(2))
    decoder = tfvae.networks.Decoder(
        tfvae.networks.MLP([4]), tfvae.layers.IndependentBernoulli((2, 2, 1))
    )
    vae = tfvae.VAE(encoder, decoder, seed=seed)
    vae.build((None, 2, 2, 1))
    vae.compile(keras.optimizers.SGD(0.1, momentum))
    return vae


def main(folder):
    strategy = distribute.strategy("multi_worker", start_timeout=60)
    index = strategy.cluster_resolver.task_id
    found = {}
    for name, fields in [
        ("seed", {"seed": index}),
        ("batch size", {"batch_size": 8 - 2 * index}),
        ("network", {"hidden": (4 + index,), "learning_rate": 0.1 + index}),
        ("epochs", {"epochs": 1 + index}),
        ("mistake", {"recipe": ["vae", "veg"][index]}),
    ]:
        found[name] = told(
            train_and_evaluate, config(folder, **fields), f"{folder}/run", strategy=strategy,
            data_dir=f"{folder}/0", verbose=0,
        )  # fmt: skip
    found["data"] = told(
        train_and_evaluate, config(folder), f"{folder}/run", strategy=strategy,
        data_dir=f"{folder}/{index}", verbose=0,
    )  # fmt: skip
    x = np.zeros((8, 2, 2, 1), np.float32)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(4)
    with strategy.scope():
        for name, options in [
            ("fit, seed", {"seed": index}),
            ("fit, momentum", {"momentum": (5 + index) / 8}),
        ]:
            found[name] = told(model(**options).fit, batches, verbose=0)
        vae = model()
    found["fit, epochs"] = told(vae.fit, batches, epochs=1 + index, verbose=0)
    found["fit, array"] = told(vae.fit, x + index, batch_size=4, verbose=0)
    found["fit, batches"] = told(vae.fit, batches.take(2 - index), verbose=0)
    found["fit"] = told(vae.fit, batches, verbose=0)
    with open(os.path.join(folder, f"{index}.json"), "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
