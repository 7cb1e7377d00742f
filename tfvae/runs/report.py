"""The table that a run ends with."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

__all__ = ["table_lines"]

FIRST = (
    *(("test ELBO", "elbo"), ("test distortion", "distortion")),
    *(("test energy", "energy"), ("test rate", "rate")),
)


def _row(name: str, value: str) -> str:
    return f"  {name:<28}{value}"


def _nats(table: Mapping[str, float], name: str) -> str:
    error, unit = table[f"{name}_se"], "" if name == "energy" else " nats"
    return f"{table[name]:.2f}" + (f" ± {error:.2f}" if math.isfinite(error) else "") + unit


def _log_prob_rows(table: Mapping[str, float | str]) -> list[str]:
    """Log p(x) and the gap; where codes are too many to sum over, why there is none."""
    kind = table.get("log_prob_kind", "importance_weighted")
    if kind == "none":
        energy = "the likelihood is an energy, which is no density of x"
        point = "the posterior is a point, which has no density"
        return [_row("log p(x)", f"none: {energy if 'energy' in table else point}")]
    if kind == "elbo":
        return [_row("log p(x)", "not known: the ELBO bounds it, a code's posterior has no noise")]
    name = "log p(x), exact" if kind == "exact" else f"log p(x), {table['samples']} samples"
    gap = f"{round(table['gap'], 2) + 0.0:.2f} nats"
    return [_row(name, _nats(table, "log_prob")), _row("gap, log p(x) − ELBO", gap)]


def table_lines(table: Mapping[str, float], metrics: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """Lays out the likelihood table, with the time that the training took.

    Args:
        table: As `tfvae.evaluation.evaluate_likelihood` returns it.
        metrics: The rows of `metrics.csv`.

    Returns:
        Lines of text; ± is the standard error over the examples.
    """
    lines = [
        *(_row(name, _nats(table, key)) for name, key in FIRST if key in table),
        *_log_prob_rows(table),
    ]
    if "bits_per_dim" in table:
        lines.append(_row("bits per dimension", f"{table['bits_per_dim']:.4f}"))
    if "active_units" in table:
        lines.append(_row("active units", str(table["active_units"])))
    if "total_correlation" in table:
        lines.append(_row("total correlation", _nats(table, "total_correlation")))
        lines.append(_row("mutual information", f"{table['mutual_information']:.2f} nats"))
        lines.append(_row("examples of these two", str(table["total_correlation_examples"])))
    lines.append(_row("test examples", str(table["examples"])))
    if metrics:
        seconds = sum(float(row["seconds"]) for row in metrics)
        rate = statistics.median(float(row["images_per_second"]) for row in metrics)
        lines.append(_row("training time", f"{seconds:.0f} s, {len(metrics)} epochs"))
        lines.append(_row("training speed", f"{rate:.0f} images per second"))
    return lines
