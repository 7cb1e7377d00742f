"""Numbers of a row as the page writes them."""

from __future__ import annotations

from benchmarks.models.budget import BUDGET
from benchmarks.models.verdicts import mean_of

__all__ = ["log_prob_text", "mean_text", "number_text", "with_error_text"]


def number_text(value: float | None, digits: int = 1) -> str:
    """A number with a true minus sign; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}".replace("-", "−")


def mean_text(row: dict, name: str, digits: int = 1) -> str:
    """A quantity's mean over the seeds."""
    return number_text(mean_of(row, name), digits)


def with_error_text(row: dict, name: str) -> str:
    """The same with its standard error over the images."""
    value = mean_of(row, name)
    return "" if value is None else f"{number_text(value)} ± {mean_of(row, f'{name}_se'):.1f}"


def log_prob_text(row: dict) -> str:
    """Of a model that knows no more than the bound, that; of grey values, said so."""
    run = row["runs"][0]
    if run.get("log_prob") is None:
        return "none"
    text = with_error_text(row, "log_prob")
    if run["log_prob_kind"] == "elbo":
        text = f"{text} (the ELBO)"
    elif run.get("samples", BUDGET.samples) != BUDGET.samples:
        text = f"{text} ({run['samples']} samples)"
    return text if "log_prob" in run["chance"] else f"{text} (grey)"
