"""tfvae: variational autoencoders on TensorFlow, Keras 3 and TensorFlow Probability."""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_MODULES = [
    "batches",
    "data",
    "distribute",
    "divergences",
    "errors",
    "evaluation",
    "layers",
    "losses",
    "metrics",
    "networks",
    "objectives",
    "plots",
    "priors",
    "recipes",
    "schedules",
    "supports",
    "training",
    "types",
]
_NAMES = {
    "VAE": "tfvae.vae",
    "load": "tfvae.vae",
    "Latent": "tfvae.types",
    "ObjectiveOutput": "tfvae.types",
    "VAEOutput": "tfvae.types",
    "UserError": "tfvae.errors",
}


def __getattr__(name: str):
    # TensorFlow takes seconds to import and writes to the terminal: only when it is needed.
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"tfvae.{name}")
    raise AttributeError(f"module 'tfvae' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])


__all__ = sorted([*_NAMES, *_MODULES])
