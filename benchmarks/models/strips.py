"""A strip of samples of a model as a small PNG, and all strips on one sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

import tfvae

__all__ = ["contact_sheet", "write_strip"]

COUNT, ZOOM, GREYS = 10, 2, 16


def _picture(images: np.ndarray) -> np.ndarray:
    """The images in a row, uint8, of few grey values: a few kilobytes as a PNG."""
    images = np.clip(images, 0.0, 1.0).repeat(ZOOM, axis=1).repeat(ZOOM, axis=2)
    row = tfvae.plots.tile(images, columns=COUNT, gap=2)
    return np.round(np.round(row * (GREYS - 1)) * (255 / (GREYS - 1))).astype(np.uint8)


def write_strip(vae: tfvae.VAE, path: Path, *, labels: bool) -> None:
    """Draws ten samples, means of p(x|z) at draws of z.

    Args:
        vae: The model.
        path: The PNG file.
        labels: Whether the model is conditional on a digit: then there is one of each.
    """
    context = np.arange(COUNT) if labels else None
    drawn = vae.sample(COUNT, seed=0, context=context, mean=True)
    images = [np.asarray(x) for x in tf.nest.flatten(drawn) if len(x.shape) == 4]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(_picture(images[0])).numpy())


def contact_sheet(folder: Path, path: Path) -> list[str]:
    """Puts all strips of a folder below each other, to be looked at.

    Args:
        folder: Where the strips are.
        path: The PNG file.

    Returns:
        The names from the top.
    """
    files = sorted(folder.glob("*.png"))
    strips = [tf.io.decode_png(file.read_bytes()).numpy() for file in files]
    path.write_bytes(tf.io.encode_png(np.concatenate(strips)).numpy())
    return [file.stem for file in files]
