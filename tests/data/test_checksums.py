import struct

import numpy as np
import tensorflow as tf

from tfvae.data.checksums import masked_crc


def test_checksums_are_those_that_tensorflow_writes(tmp_path):
    path = str(tmp_path / "a")
    lengths = [0, 1, 255, 256, 70_000]
    with tf.io.TFRecordWriter(path) as writer:
        for length in lengths:
            writer.write(bytes(length))
    content, position = (tmp_path / "a").read_bytes(), 0
    heads = []
    for length in lengths:
        heads.append(content[position : position + 12])
        assert struct.unpack("<Q", heads[-1][:8]) == (length,)
        position += length + 16
    array = np.frombuffer(b"".join(heads), np.uint8).reshape(-1, 12)
    assert np.array_equal(masked_crc(array[:, :8]), array[:, 8:].copy().view("<u4")[:, 0])
