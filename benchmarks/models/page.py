"""`docs/models.md` from the results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.models import rows
from benchmarks.models.budget import BUDGET
from benchmarks.models.sections import section
from benchmarks.models.tables import chance_line, faults_list, peers_part, results_table
from benchmarks.report import keep_notes
from tfvae import recipes

__all__ = ["missing", "page"]

TRUNK = "-".join(map(str, (28 * 28, *BUDGET.hidden, BUDGET.latent)))
INTRODUCTION = f"""\
# Models

`tfvae.recipes.NAME(event_shape, latent_dim=..., ...)` returns an uncompiled `VAE`; the
[table in the README](../README.md#published-models-by-name) says what each of them changes. Here
they are at one small budget, each as a composition, with what it reaches, a strip of samples and
its command.

Written by `python -m benchmarks.models` from the results in `benchmarks/models/rows`; only the part
at the end is written by hand.

## One small budget

MNIST, binarized anew in every epoch; {BUDGET.epochs} epochs of batches of {BUDGET.batch}, Adam at
{BUDGET.learning_rate:g}; the trunk {TRUNK} and back for all, but where a recipe has its own. The
budget is short on purpose: most models would go on to gain, and their order is not that of a long
training.

*log p(x)* is the importance-weighted estimate of {BUDGET.samples} posterior samples, nats, on the
first {BUDGET.images} test images, binarized once, the same for all; ± is its standard error over
the images. *Error* is the squared error of a reconstruction, summed over the {28 * 28} pixels: what
fits where there is no likelihood. *Seconds* are those of the processor for the whole run on one
core, tracing and figures included.
"""


def missing(folder: Path | None = None) -> list[str]:
    """The recipes that have no result."""
    return [name for name in recipes.names() if rows.read("tfvae", name, folder) is None]


def page(path: Path, folder: Path | None = None) -> str:
    """Writes the page.

    Args:
        path: The page as it is, whose part by hand is kept.
        folder: Where the results are.

    Returns:
        The new text.
    """
    names = recipes.names()
    found = {name: rows.read("tfvae", name, folder) for name in names}
    found = {name: row for name, row in found.items() if row is not None}
    parts = [
        INTRODUCTION.rstrip(),
        results_table(found),
        chance_line(found),
        faults_list(found, names),
        peers_part(found, folder),
        "## The models one by one",
        *(section(name, found.get(name)) for name in names),
    ]
    return keep_notes(path, "\n\n".join(part for part in parts if part) + "\n")
