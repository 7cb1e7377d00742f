"""Peak memory of reading data sets of 10^4 to 10^6 images: an epoch each, in a process of its own.

The records are 16x16 grey images in shards of 10^4, shuffled; the folders hold the same images as
files. What is printed is how far the process's peak rises from its first batch to the end.

    python benchmarks/data_memory.py [--records=10000,100000,1000000] [--files=10000,100000,1000000]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

_RECORDS = flags.DEFINE_list("records", ["10000", "100000", "1000000"], "Sizes of TFRecord data.")
_FILES = flags.DEFINE_list("files", ["10000", "100000", "1000000"], "Sizes of image folders.")
SHARD = 10_000
READ = """
import sys, time
from tfvae.cli.quiet import import_quietly
import_quietly()
import tfvae

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

dataset = tfvae.data.load(sys.argv[1], "all", 100, shuffle=True)
iterator = iter(dataset)
for _ in range(50):
    next(iterator)
before, begin, count = peak(), time.perf_counter(), 0
for x in iterator:
    count += len(x)
print(before, peak(), count / (time.perf_counter() - begin))
"""


def _write(folder: Path, count: int, kind: str) -> str:
    """Makes a data set of links to a few files: what is read is as much as it seems."""
    import numpy as np
    import tensorflow as tf

    import tfvae

    images = np.random.default_rng(0).integers(0, 256, (SHARD, 16, 16, 1), dtype=np.uint8)
    if kind == "records":
        tfvae.data.write_tfrecord(folder / "shard", images)
        for number in range(count // SHARD):
            os.link(folder / "shard", folder / f"{number:05d}.tfrecord")
        return f"tfrecord:{folder}/*.tfrecord"
    content = tf.io.encode_png(images[0]).numpy()
    for number in range(count):
        below = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            below.mkdir()
            (below / "0.png").write_bytes(content)
        else:
            os.link(below / "0.png", below / f"{number % 1000}.png")
    return f"images:{folder}"


def main(argv) -> None:
    """Measures and prints."""
    from tfvae.cli.quiet import import_quietly

    import_quietly()
    print(f"{'':<10}{'images':>10}{'MB at first':>13}{'MB more':>9}{'images/s':>10}")
    for kind, sizes in (("records", _RECORDS.value), ("files", _FILES.value)):
        for count in map(int, sizes):
            with tempfile.TemporaryDirectory() as folder:
                name = _write(Path(folder), count, kind)
                begin = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-c", READ, name], capture_output=True, text=True, check=True
                )
            first, most, speed = map(float, done.stdout.split()[-3:])
            line = f"{kind:<10}{count:>10}{first:>13.0f}{most - first:>9.0f}{speed:>10.0f}"
            print(f"{line}   ({time.perf_counter() - begin:.0f} s)", flush=True)


if __name__ == "__main__":
    app.run(main)
