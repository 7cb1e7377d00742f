"""The fields of a run beside those of its model: what is read, how it trains, what is written.

A function stands for each group; its signature is the source of the fields' types, bounds and
defaults, its docstring that of `tfvae-train --list`. They are read and not called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tfvae.options.bounds import Count, Examples, Momentum, Number, Positive, Share, Weight

__all__ = ["beta_schedule", "evaluation", "learning_rate_schedule", "run"]


def run(
    *,
    dataset: str = "digits",
    train_split: str = "train",
    test_split: str = "test",
    labelled: Count | None = None,
    image_size: Sequence[int] = (),
    damaged: Literal["refuse", "skip"] = "refuse",
    binarization: Literal["auto", "none", "dynamic", "static", "threshold"] = "auto",
    batch_size: Count = 128,
    recipe: str = "vae",
    conditioning: Literal["none", "labels"] = "none",
    epochs: Examples = 30,
    fit_prior: Literal["gaussian_mixture", "hypersphere", "iaf", "maf", "real_nvp", "two_stage"]
    | None = None,
    fit_prior_steps: Count = 2000,
    optimizer: str = "adam",
    learning_rate: Positive = 1e-3,
    weight_decay: Weight | None = None,
    clipnorm: Positive | None = None,
    global_clipnorm: Positive | None = None,
    ema_momentum: Momentum | None = None,
    accumulation_steps: Count = 1,
    checkpoint_every: int | str = 1,
    checkpoints_kept: Examples = 2,
    keep_best: bool = True,
    on_nan: Literal["stop", "skip"] = "stop",
    nan_cap: Number = 10,
    policy: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32",
    xla: bool = False,
    steps_per_execution: Count = 16,
    branches: Count | None = None,
    panels_every: Number = 5,
) -> None:
    """What every run has.

    Args:
        dataset: A name that `tfvae.data.load` knows, such as mnist, npz:FILE or images:FOLDER.
        train_split: Examples to train on, such as train or train[:1000].
        test_split: Examples to validate and evaluate on.
        labelled: Training examples that keep their label, where the model takes labels of which
            some are missing; None: all.
        image_size: (height, width) that images:FOLDER and tfrecord:GLOB are resized to.
        damaged: What is done about damaged images and records; skip: they are left out, counted.
        binarization: How grey values become bits for a Bernoulli; auto: as the dataset says.
        batch_size: Examples in a step, over all replicas.
        recipe: The model: a function of `tfvae.recipes`.
        conditioning: What encoder and decoder are told beside x; labels: the class of an example.
        epochs: Passes over the training data.
        fit_prior: The prior that takes the place of the model's own after the training, fitted to
            its codes; None: the model keeps its own.
        fit_prior_steps: Steps in which the networks of a fitted prior are fitted, at most.
        optimizer: Name of a Keras optimizer, such as sgd, whose own numbers `--list=sgd` prints;
            adam: `tfvae.trainer.Adam`, which is faster.
        learning_rate: The learning rate, or where `learning_rate_schedule` starts.
        weight_decay: Share of a weight, times the learning rate, that each update takes off it.
        clipnorm: Norm that the gradient of a single weight is clipped to; None: not clipped.
        global_clipnorm: Norm that the whole gradient is clipped to; None: not clipped.
        ema_momentum: Momentum of a moving mean of the weights, such as 0.999: validation,
            evaluation and the final model take the mean; None: there is none.
        accumulation_steps: Batches whose gradients are averaged before an update.
        checkpoint_every: Epochs between two checkpoints; also as text, 2 epochs or 500 steps.
        checkpoints_kept: How many of the newest checkpoints stay.
        keep_best: Whether that of the best ELBO on the test split stays too (of an energy, none).
        on_nan: What is done about a step whose loss or gradient is not finite.
        nan_cap: Such steps that are skipped before the run is stopped.
        policy: Keras dtype policy of the networks; probabilities are float32 always.
        xla: Whether the step is compiled with XLA.
        steps_per_execution: Steps in one call of the compiled function.
        branches: Parts of a batch that are computed side by side; None: 2 where that was measured
            to be faster and the cores were shared out for it, as tfvae-train does.
        panels_every: Epochs between the figures in TensorBoard; 0: none.
    """


def beta_schedule(
    *,
    name: Literal["constant", "linear", "cosine", "cyclical"] = "constant",
    start: Weight = 0.0,
    steps: Examples = 1000,
) -> None:
    """How the weight of the rate comes to `beta`.

    Args:
        name: linear and cosine: from start to beta, once; cyclical: anew every so many steps.
        start: The weight at the beginning.
        steps: Steps that it takes.
    """


def learning_rate_schedule(
    *,
    name: Literal["constant", "cosine", "exponential", "burda"] = "constant",
    warmup_steps: Number = 0,
    steps: Examples | None = None,
    end: Share = 0.0,
    rate: Share = 0.5,
) -> None:
    """How the learning rate changes with the step.

    Args:
        name: cosine: half a cosine to end; exponential: by the factor rate every so many steps;
            burda: times 10^(-1/7) after 1, 4, 13, 40, 121, 364 and 1093 epochs (Burda et al.,
            "Importance Weighted Autoencoders", 2016, Section 5).
        warmup_steps: Steps of a line from zero in front of it.
        steps: Steps that the cosine takes, and those between two factors of the exponential.
        end: Share of the learning rate that the cosine ends at.
        rate: The factor of the exponential.
    """


def evaluation(*, samples: Count = 100, examples: Number = 1000) -> None:
    """How the trained model is evaluated.

    Args:
        samples: Posterior samples per example.
        examples: Test examples, from the front; 0: all.
    """
