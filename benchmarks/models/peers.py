"""Trains the model of pythae that belongs to a recipe, with each seed, and writes what it reached.

    python -m benchmarks.models.peers IMAGES NAME FOLDER [SEEDS]

In pythae's environment. The same images, batches, epochs, optimizer, trunk and numbers of samples
as for tfvae, by pythae's own trainers; a batch is binarized anew as it comes.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from pythae import models, trainers
from pythae.pipelines import TrainingPipeline

from benchmarks.models.budget import BUDGET, COMPARED, seeds
from benchmarks.models.peer_densities import log_prob, squared_error
from benchmarks.models.peer_networks import Decoder, Discriminator, Encoder, SphereEncoder
from benchmarks.models.rows import values_text, write_answer

# What stands for the arguments of our recipes, where pythae's defaults are others.
OPTIONS = {
    "beta_vae": {"beta": 4.0},
    "iwae": {"number_samples": 5},
    "miwae": {"number_gradient_estimates": 2, "number_samples": 4},
    "piwae": {"number_gradient_estimates": 2, "number_samples": 4},
    "ciwae": {"number_samples": 8, "beta": 0.5},
    "factor_vae": {"gamma": 10.0, "uses_default_discriminator": False},
    "beta_tcvae": {"beta": 6.0},
    "info_vae": {"alpha": 0.5, "lbd": 10.0, "kernel_choice": "rbf"},
    "vamp_vae": {"number_components": 500},
    "iaf_vae": {"n_made_blocks": 2, "n_hidden_in_made": 1, "hidden_size": 320},
}
ADAM = {"eps": 1e-7}


class Binarized:
    """Binarizes a batch before the model sees it."""

    def forward(self, inputs, **kwargs):
        """The model's own, on bits."""
        return super().forward({"data": torch.bernoulli(inputs["data"])}, **kwargs)


def model_of(name: str):
    """The model of pythae, with the trunk of all."""
    base = getattr(models, COMPARED[name])
    configs = [f"{COMPARED[name]}Config", f"{COMPARED[name]}_Config"]
    config = next(getattr(models, c) for c in configs if hasattr(models, c))(
        input_dim=(1, 28, 28), latent_dim=BUDGET.latent, reconstruction_loss="bce",
        **OPTIONS.get(name, {}),
    )  # fmt: skip
    encoder = SphereEncoder() if name == "hyperspherical_vae" else Encoder()
    kind = type(f"Binarized{COMPARED[name]}", (Binarized, base), {})
    model = kind(config, encoder=encoder, decoder=Decoder())
    if name == "factor_vae":
        model.set_discriminator(Discriminator())
    return model


def training_of(name: str, folder: str, seed: int):
    """The configuration of the trainer that pythae has for the model."""
    common = {
        "output_dir": folder, "num_epochs": BUDGET.epochs, "seed": seed,
        "per_device_train_batch_size": BUDGET.batch,
    }  # fmt: skip
    rate = BUDGET.learning_rate
    if name == "piwae":
        both = {f"{part}_learning_rate": rate for part in ("encoder", "decoder")}
        both |= {f"{part}_optimizer_params": ADAM for part in ("encoder", "decoder")}
        return trainers.CoupledOptimizerTrainerConfig(**common, **both)
    if name == "factor_vae":
        return trainers.AdversarialTrainerConfig(
            **common, autoencoder_learning_rate=rate, autoencoder_optimizer_params=ADAM,
            discriminator_learning_rate=1e-4,
            discriminator_optimizer_params={**ADAM, "betas": (0.5, 0.9)},
        )  # fmt: skip
    return trainers.BaseTrainerConfig(
        **common, learning_rate=rate, optimizer_cls="Adam", optimizer_params=ADAM
    )


def run(name: str, seed: int, train: torch.Tensor, test: torch.Tensor) -> tuple[dict, np.ndarray]:
    """Trains and evaluates with one seed."""
    torch.manual_seed(seed)
    begin, model = time.process_time(), model_of(name)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = TrainingPipeline(model=model, training_config=training_of(name, folder, seed))
        pipeline(train_data=train)
    seconds = time.process_time() - begin
    model.eval()
    torch.manual_seed(0)
    each = log_prob(model, test, BUDGET.samples).double().numpy()
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "log_prob": each.mean(),
        "log_prob_se": each.std(ddof=1) / len(each) ** 0.5,
        "squared_error": squared_error(model, test).double().mean().item(),
    }, each


def main(images: str, name: str, folder: str, chosen: str = "") -> None:
    """Writes `row.json` into the folder."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    with np.load(images) as arrays:
        train = torch.from_numpy(arrays["x_train"]).permute(0, 3, 1, 2).float() / 255
        test = torch.from_numpy(arrays["x_test"]).permute(0, 3, 1, 2)
    every = map(int, chosen.split(",")) if chosen else seeds(name)
    found = [run(name, seed, train, test) for seed in every]
    versions = {n: importlib.metadata.version(n) for n in ("pythae", "torch")}
    runs = [row for row, _ in found]
    each = values_text(np.mean([values for _, values in found], axis=0)) if len(runs) > 1 else ""
    write_answer(
        Path(folder),
        {"model": COMPARED[name], "options": OPTIONS.get(name, {}), "versions": versions,
         "runs": runs, "log_prob_of_each_image": each},
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
