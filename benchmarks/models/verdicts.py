"""What the results say: whether a recipe works at all, and how it stands beside its peer."""

from __future__ import annotations

import dataclasses
import math
import statistics

from benchmarks.models.rows import values_of

__all__ = ["Comparison", "compare", "fault", "mean_of"]

COLLAPSED = 0.9  # share of the mean image's squared error
DIVERGED = 1.25  # times the smallest distortion on the way


def mean_of(row: dict, name: str) -> float | None:
    """A quantity's mean over the seeds; None where the model has it not."""
    values = [run.get(name) for run in row["runs"]]
    return None if None in values else statistics.fmean(values)


def fault(row: dict) -> str | None:
    """Why a recipe is not done at this budget, in words; None where nothing speaks against it."""
    if row.get("error"):
        return f"failed: {row['error']}"
    for run in row["runs"]:
        numbers = [value for epoch in run["history"] for value in epoch.values()]
        if not all(map(math.isfinite, numbers)):
            return "diverged: a loss is not finite"
        distortions = [d["val_distortion"] for d in run["history"] if "val_distortion" in d]
        if distortions and distortions[-1] > DIVERGED * min(distortions) > 0:
            return f"diverged: the distortion rose from {min(distortions):.1f} again"
        known, found = run["chance"], run
        if found["squared_error"] > COLLAPSED * known["squared_error"]:
            return (
                f"collapsed: its squared error, {found['squared_error']:.1f}, is that of the mean "
                f"image, {known['squared_error']:.1f}"
            )
        bound = found.get("log_prob")
        if bound is not None and "log_prob" in known and not bound > known["log_prob"]:
            return (
                f"no better than chance: {bound:.1f} nats, the mean image {known['log_prob']:.1f}"
            )
    return None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Ours beside a peer's.

    Attributes:
        ours: Mean of log p(x) over seeds and images, nats.
        theirs: The peer's.
        error: Standard error of the difference: of the differences image by image, and of the
            seeds.
    """

    ours: float
    theirs: float
    error: float

    @property
    def difference(self) -> float:
        """Above zero, ours is better."""
        return self.ours - self.theirs

    @property
    def verdict(self) -> str:
        """`"better"`, `"worse"` beyond two standard errors, or `"alike"`."""
        if abs(self.difference) <= 2 * self.error:
            return "alike"
        return "better" if self.difference > 0 else "worse"


def compare(ours: dict, theirs: dict) -> Comparison:
    """Holds the same model of two packages against each other, on the same images."""
    each = [values_of(row["log_prob_of_each_image"]) for row in (ours, theirs)]
    pairs = [a - b for a, b in zip(*each, strict=True)]
    variance = statistics.variance(pairs) / len(pairs)
    for row in (ours, theirs):
        found = [run["log_prob"] for run in row["runs"]]
        variance += statistics.variance(found) / len(found)
    means = [mean_of(row, "log_prob") for row in (ours, theirs)]
    return Comparison(*means, math.sqrt(variance))
