"""How large a run may be: what no machine can hold is refused in a line, before work starts."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import pathlib
import re
from collections.abc import Iterator, Mapping

import tensorflow as tf

from tfvae.errors import UserError, one_line
from tfvae.options.bounds import LAYERS
from tfvae.saving.archive import at_most

__all__ = ["check_sizes", "fitting_memory", "memory_bytes"]

DEPTHS = ("vdvae.decoder", "vdvae.encoder")  # such as 14x2,7x3: grids, and blocks on each
# A weight, its gradient and Adam's two moments, float32.
BYTES_PER_WEIGHT = 16
CGROUPS = ("memory.max", "memory/memory.limit_in_bytes")  # the memory limit of a container


def check_sizes(fields: Mapping[str, object]) -> None:
    """Refuses layers, and a batch, that the machine's memory does not hold.

    The bounds of single numbers stand in the signatures, see `tfvae/options/bounds.py`.

    Args:
        fields: The values of all fields by name, as `tfvae.runs.config.flat` gives them.

    Raises:
        UserError: Where a number is larger.
    """
    memory = memory_bytes()
    for field, value in fields.items():
        if isinstance(value, (list, tuple)):
            between = sum(_number(a) * _number(b) for a, b in itertools.pairwise(value))
            between *= 2 if field == "hidden" else 1  # encoder and decoder
            if between * BYTES_PER_WEIGHT > memory:
                raise UserError(
                    f"config.{field} asks for {between:.3g} weights or more between its layers, "
                    f"and this machine has {memory / 1e9:.3g} GB: give fewer units"
                )
        elif field in DEPTHS:
            _check_depths(field, value)
    values = 3 * math.prod(map(_number, fields["image_size"]))
    widest = max([fields["latent_dim"], values, *fields["hidden"]])
    needed = 4 * fields["batch_size"] * (fields["samples"] or 1) * widest
    if needed > memory:
        raise UserError(
            f"config.batch_size={fields['batch_size']} takes {needed / 1e9:.3g} GB for one layer "
            f"of {widest} units or values, and this machine has {memory / 1e9:.3g} GB: give a "
            "smaller batch_size, latent_dim, hidden, samples or image_size"
        )


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0


def _check_depths(field: str, value: object) -> None:
    numbers = re.findall(r"\d+", str(value))
    blocks = re.findall(r"x(\d+)", str(value))
    # The length is checked first: Python does not convert numbers of thousands of digits.
    if any(len(n) > 4 or int(n) > LAYERS for n in numbers) or sum(map(int, blocks)) > LAYERS:
        raise UserError(
            f"config.{field} is {str(value)[:60]!r}: give at most {LAYERS} blocks, on grids up to "
            f"{LAYERS}x{LAYERS}"
        )


@contextlib.contextmanager
def fitting_memory() -> Iterator[None]:
    """Refuses weights that memory cannot hold with their gradients and Adam's moments.

    Raises:
        UserError: From what makes such a layer, before it is allocated.
    """
    memory = memory_bytes()
    most = int(min(memory / BYTES_PER_WEIGHT, 2**62))
    refusal = (
        f"the model has more than {most} weights, which train in no less than the "
        f"{memory / 1e9:.3g} GB of this machine: give fewer units or layers"
    )
    try:
        with at_most(most, refusal):
            yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise UserError(
            f"memory does not hold the model ({one_line(error, 100)}): give fewer units or layers"
        ) from error


def memory_bytes() -> float:
    """The memory of this machine, or what this container may take of it; infinity if unknown."""
    found = [float("inf")]
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not on Windows
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in CGROUPS:
        with contextlib.suppress(ValueError, OSError):  # none, or "max"
            found.append(int(pathlib.Path("/sys/fs/cgroup", name).read_text()))
    return min(found)
