"""Saved models: loading them, and a look at the file before."""

from tfvae.saving.loading import load

__all__ = ["load"]
