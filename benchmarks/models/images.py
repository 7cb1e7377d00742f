"""Writes the images for the peers: the training images, and the very test images of all models.

python -m benchmarks.models.images FILE
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.models.ours import test_images


def main(path: str) -> None:
    """Writes `x_train`, uint8 levels, and `x_test`, bits, both `[n, 28, 28, 1]`."""
    import tfvae

    levels = tfvae.data.load(
        "mnist", "train", batch_size=60_000, shuffle=False, binarization="none", values="levels"
    )
    bits = np.concatenate([x.numpy() for x in test_images("vae")])
    np.savez(path, x_train=next(iter(levels)).numpy().astype(np.uint8), x_test=bits)


if __name__ == "__main__":
    main(*sys.argv[1:])
