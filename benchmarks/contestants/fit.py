"""tfvae: `tfvae-train` at its defaults; for log p(x), the model's `log_prob` in such a process.

The command itself runs, with all that it does beside the steps. `fit` alone is called through a
wrapper here: an epoch is a turn, the weights are those of all contestants, and there is no
validation, which the peers do not have either. Checkpoints and figures are for later epochs.
"""

from __future__ import annotations

import sys
import tempfile

from benchmarks.networks import decoder, encoder, initial_weights
from benchmarks.turns import Turns

NEVER = 10**6  # epochs


def flags_of(turns: Turns) -> list[str]:
    """What a user would write on the command line for the workload."""
    workload = turns.workload
    fields = {
        "dataset": f"npz:{turns.images_file}",
        "train_split": f"train[:{turns.examples}]",
        "batch_size": workload.batch,
        "network": workload.network,
        "epochs": NEVER,
        "checkpoint_every": f"{NEVER} epochs",
        "panels_every": 0,
    }
    if workload.kind == "train" and workload.samples:
        fields |= {"recipe": "iwae", "samples": workload.samples}
    return [f"--config.{name}={value}" for name, value in fields.items()]


def begin_alike(turns: Turns, vae) -> None:
    """Gives a model the weights that all contestants start from."""
    image = turns.images().shape[1:]
    for seed, (part, kernels) in enumerate([(vae.encoder, encoder), (vae.decoder, decoder)]):
        part.set_weights(initial_weights(kernels(turns.workload.network, image), seed=seed))


def ready(turns: Turns) -> None:
    """Says so, with the versions."""
    import tfvae

    turns.ready(["tensorflow", "keras", "tensorflow-probability"], tfvae=tfvae.__version__)


def train(turns: Turns) -> None:
    """Runs `tfvae-train`, its `fit` in turns."""
    from tfvae.cli import train

    command = train.main

    def main() -> int:
        from benchmarks.contestants.epochs import Epochs
        from tfvae.vae import VAE

        fit = VAE.fit

        def fit_in_turns(vae, data, *, epochs, initial_epoch, callbacks, validation_data, verbose):
            del validation_data
            begin_alike(turns, vae)
            ready(turns)
            fit(
                vae,
                data,
                initial_epoch=initial_epoch,
                epochs=epochs,
                callbacks=[*callbacks, Epochs(turns)],
                verbose=verbose,
            )

        VAE.fit = fit_in_turns
        return command()

    train.main = main
    sys.argv = ["tfvae-train", "--config=configs/mnist.py", *flags_of(turns)]
    sys.argv.append(f"--workdir={tempfile.mkdtemp(dir=turns.folder)}")
    train.run()


def estimate(turns: Turns) -> None:
    """Takes the turns with `log_prob`, in a process that is set up as the commands are."""
    from tfvae.cli.app import run_command

    def main() -> None:
        from configs.mnist import get_config
        from tfvae.runs.build import build_model

        config = get_config()
        config.dataset, config.network = f"npz:{turns.images_file}", turns.workload.network
        vae, x = build_model(config), turns.binary_images()
        begin_alike(turns, vae)
        vae.log_prob(x[:1], samples=1)
        ready(turns)
        turns.take(lambda: -vae.log_prob(x, samples=turns.workload.samples).numpy().mean())

    sys.argv = ["tfvae-evaluate"]
    run_command(main, __doc__)


if __name__ == "__main__":
    task = Turns()
    (estimate if task.workload.kind == "log_prob" else train)(task)
