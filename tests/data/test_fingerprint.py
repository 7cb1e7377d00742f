import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.data.fingerprint import fingerprint


def written(kind, folder, images):
    """Writes a dataset; returns its name."""
    folder.mkdir()
    if kind == "npz":
        np.savez(folder / "x.npz", x=images)
        return f"npz:{folder}/x.npz"
    if kind == "tfrecord":
        tfvae.data.write_tfrecord(folder / "x", images, shards=2)
        return f"tfrecord:{folder}/x-*"
    for number, image in enumerate(images):
        (folder / f"{number:02d}.png").write_bytes(tf.io.encode_png(image).numpy())
    return f"images:{folder}"


@pytest.mark.parametrize("kind", ["npz", "tfrecord", "images"])
def test_data_are_told_from_others_under_the_same_name(kind, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), np.uint8)
    other = images.copy()
    other[13, 2, 2] ^= 1
    names = [
        written(kind, tmp_path / folder, x)
        for folder, x in [("a", images), ("b", images), ("c", other), ("d", images[:19])]
    ]
    one, same, changed, fewer = map(fingerprint, names)
    assert one == same  # wherever it is
    assert len({one, changed, fewer}) == 3


def test_what_is_made_by_a_program_has_one():
    assert fingerprint("sprites") == fingerprint("sprites") != fingerprint("digits")
