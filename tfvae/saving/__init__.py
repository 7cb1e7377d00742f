"""Saved models: loading them, and a look at the file before."""

from tfvae.lazy import public
from tfvae.saving.loading import load

__all__ = ["load"]
__dir__ = public(__all__)
