"""tfvae: `fit` with the data, the model and the settings that `tfvae-train` takes by default."""

from __future__ import annotations

from benchmarks.networks import decoder, encoder, initial_weights
from benchmarks.turns import Turns


def config_of(turns: Turns):
    """What a user would write on the command line: the workload's fields, and no other."""
    from configs.mnist import get_config

    workload, config = turns.workload, get_config()
    config.dataset = f"npz:{turns.images_file}"
    config.train_split = f"train[:{turns.examples}]"
    config.batch_size = workload.batch
    config.network = workload.network
    if workload.kind == "train" and workload.samples:
        config.recipe, config.samples = "iwae", workload.samples
    return config


def model_of(config, image: tuple[int, int, int]):
    """The compiled model, with the weights that all contestants start from."""
    from tfvae.training.build import build_model

    vae = build_model(config)
    parts = [(vae.encoder, encoder), (vae.decoder, decoder)]
    for seed, (part, kernels) in enumerate(parts):
        part.set_weights(initial_weights(kernels(config.network, image), seed=seed))
    return vae


def ready(turns: Turns) -> None:
    """Says so, with the versions."""
    import tfvae

    turns.ready(["tensorflow", "keras", "tensorflow-probability"], tfvae=tfvae.__version__)


def train(turns: Turns, config, image: tuple[int, int, int]) -> None:
    """One call of `fit`; an epoch is a turn."""
    import keras

    from tfvae import distribute
    from tfvae.training.build import load_data

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            turns.begin()

        def on_epoch_end(self, epoch, logs=None):
            turns.end(logs["loss"])

    data = load_data(config, config.train_split)
    with distribute.strategy("mirrored" if turns.replicas > 1 else "auto").scope():
        vae = model_of(config, image)
    ready(turns)
    vae.fit(data, epochs=10**6, callbacks=[Epochs()], verbose=0)


def estimate(turns: Turns, config, image: tuple[int, int, int]) -> None:
    """`log_prob`, as `tfvae-evaluate` calls it."""
    vae, x = model_of(config, image), turns.binary_images()
    vae.log_prob(x[:1], samples=1)
    ready(turns)
    turns.take(lambda: -vae.log_prob(x, samples=turns.workload.samples).numpy().mean())


def main() -> None:
    """Sets the process up as the command does, and takes the turns."""
    turns = Turns()
    from tfvae.cli.quiet import import_quietly

    import_quietly()
    import tensorflow as tf

    if turns.replicas > 1:
        devices = [tf.config.LogicalDeviceConfiguration()] * turns.replicas
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, devices)
    image = turns.images().shape[1:]
    do = estimate if turns.workload.kind == "log_prob" else train
    do(turns, config_of(turns), image)


if __name__ == "__main__":
    main()
