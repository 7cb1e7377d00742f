"""What is measured: the workloads, who takes part in each, and what has to be reached.

Standard library alone: the peers import this in environments of their own.
"""

from __future__ import annotations

import dataclasses

__all__ = ["TARGETS", "TITLES", "WORKLOADS", "Target", "Workload"]

# Module in `benchmarks.contestants` -> how the tables call it.
TITLES = {
    "fit": "tfvae-train",
    "tf_loop": "TensorFlow, hand-written loop",
    "keras_example": "Keras, example of its site",
    "torch_eager": "PyTorch, eager",
    "pythae_trainer": "pythae, its trainer",
    "jax_scan": "JAX, jit and scan",
    "products": "matrix products alone (the limit)",
}
ALL = ("fit", "tf_loop", "keras_example", "torch_eager", "pythae_trainer", "jax_scan", "products")


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Attributes:
        name: For the command line.
        title: For the tables.
        kind: `"train"`: a round is an epoch of `steps` batches; `"log_prob"`: a round is the
            estimate of log p(x) of `batch` images; `"start"`: a round is a process from its
            beginning to its first training step.
        network: `"mlp"` or `"conv"`.
        batch: Examples in a batch.
        steps: Batches in a round, the same for all contestants.
        samples: Posterior samples per example: K of the IWAE, or of log p(x).
        contestants: Who takes part.
        tolerance: How far a loss may be from the median of all, relative: what the noise of
            different random numbers does, and no more.
    """

    name: str
    title: str
    kind: str = "train"
    network: str = "mlp"
    batch: int = 100
    steps: int = 300
    samples: int | None = None
    contestants: tuple[str, ...] = ALL
    tolerance: float = 0.01


MLP = "MLP 784-200-200-50"
WORKLOADS = {
    workload.name: workload
    for workload in [
        Workload("mlp", f"(1) {MLP}, batch 100"),
        Workload(
            "conv",
            "(2) Convolutional VAE, 28x28, filters 32 and 64, batch 128",
            network="conv",
            batch=128,
            steps=15,
            tolerance=0.02,
        ),
        # The mean over 1200 images, whose losses have a spread of some 35 nats: one percent is
        # one standard error and a half.
        Workload(
            "iwae",
            f"(3) IWAE, K = 50, {MLP}, batch 20",
            batch=20,
            steps=60,
            samples=50,
            tolerance=0.03,
        ),
        Workload(
            "log_prob",
            "(4) log p(x) of 100 images, 5000 samples",
            kind="log_prob",
            samples=5000,
            contestants=tuple(name for name in ALL if name != "keras_example"),
            tolerance=0.001,
        ),
        Workload("mlp-32", f"(5) {MLP}, batch 32", batch=32, tolerance=0.02),
        Workload("mlp-500", f"(5) {MLP}, batch 500", batch=500, steps=60),
        Workload("mlp-2000", f"(5) {MLP}, batch 2000", batch=2000, steps=15, tolerance=0.02),
        Workload(
            "start",
            "(6) From the import to the first training step",
            kind="start",
            steps=1,
            contestants=ALL[:-1],
            tolerance=0.05,
        ),
    ]
}


@dataclasses.dataclass(frozen=True)
class Target:
    """What a ratio of medians has to reach.

    Attributes:
        workload: Name of the workload.
        peer: The contestant that tfvae is held against; `"best"`: the fastest peer.
        ratio: The peer's seconds over those of tfvae have to be this or more.
        memory: The peak memory of tfvae over the peer's has to be below this; None: any.
    """

    workload: str
    peer: str
    ratio: float
    memory: float | None = None


TARGETS = [
    Target("mlp", "tf_loop", 1.5),
    Target("mlp", "torch_eager", 2.0),
    Target("mlp", "jax_scan", 0.95),
    Target("mlp", "pythae_trainer", 3.0),
    Target("conv", "best", 1.0),
    Target("iwae", "best", 1.0),
    Target("log_prob", "best", 1.0, memory=0.5),
]
