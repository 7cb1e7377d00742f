"""The contestant's side: waits for its turn, takes it, answers with a line of JSON.

Standard library and NumPy alone: the peers import this in environments of their own.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.workloads import WORKLOADS

__all__ = ["Turns"]

BEGIN = time.perf_counter()  # before anything large is imported


def _faults() -> int:
    """Pages that this process had to read from the disk so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _memory(field: str) -> float:
    """A size of this process in MB: VmRSS, what it has now; VmHWM, the most it had."""
    with open("/proc/self/status") as status:
        found = re.search(rf"{field}:\s+(\d+)", status.read())
    return int(found[1]) / 1024


class Turns:
    """The turns of one contestant in one workload; the process ends when no more come.

    Attributes:
        workload: What is to be done.
        images_file: An .npz file with `x_train`, uint8 `[n, height, width, channels]`.
        folder: For files; the driver removes it.
    """

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--workload", choices=WORKLOADS, required=True)
        parser.add_argument("--images", required=True)
        parser.add_argument("--folder", required=True)
        parser.add_argument("--steps", type=int, default=0)
        given = parser.parse_args()
        self.workload = WORKLOADS[given.workload]
        if given.steps:
            self.workload = dataclasses.replace(self.workload, steps=given.steps)
        self.images_file, self.folder = given.images, given.folder
        # What libraries print is no answer.
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    @property
    def examples(self) -> int:
        """Images that are taken from the front: of one round of training, or to estimate."""
        workload = self.workload
        return workload.batch * (1 if workload.kind == "log_prob" else workload.steps)

    def images(self):
        """The images, uint8 `[examples, height, width, channels]`."""
        import numpy as np

        with np.load(self.images_file) as arrays:
            return arrays["x_train"][: self.examples]

    def binary_images(self):
        """The images for log p(x): 0 and 1, the same for all, float32."""
        return (self.images() > 127).astype("float32")

    def _say(self, answer: dict) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()

    def ready(self, distributions: Sequence[str], **versions: str) -> None:
        """Notes the versions for the first answer; memory is counted from here on."""
        versions |= {name: importlib.metadata.version(name) for name in distributions}
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # VmHWM starts anew
        except OSError:
            pass  # it then counts from the start of the process
        self._idle = _memory("VmRSS")
        self._answer = {"versions": versions}

    def begin(self) -> None:
        """Answers for the turn before, or that it is ready, and waits for the next one.

        The answer waits until here, so that what a library does between its epochs, outside of the
        measured time, does not go on during somebody else's turn.
        """
        self._say(self._answer)
        if not sys.stdin.readline():
            os._exit(0)  # from inside of a library's loop: nothing is left to be tidied up
        self._faults = _faults()
        self._cpu, self._start = time.process_time(), time.perf_counter()

    def end(self, loss: float) -> None:
        """Stops the clock.

        Args:
            loss: The mean of the loss over the round's steps, nats per image.
        """
        loss = float(loss)  # waits for what is still being computed
        now = time.perf_counter()
        self._answer = {
            "seconds": now - self._start,
            "since_begin": now - BEGIN,
            "loss": loss,
            "cpu": time.process_time() - self._cpu,
            "faults": _faults() - self._faults,
            "peak_mb": _memory("VmHWM") - self._idle,
        }

    def take(self, run: Callable[[], float]) -> None:
        """Takes all turns with a function that does a round and returns the loss."""
        while True:
            self.begin()
            self.end(run())
