"""What the page says of one recipe."""

from __future__ import annotations

import textwrap

from benchmarks.models.budget import command
from benchmarks.models.compositions import code_of, papers_of, summary_of
from benchmarks.models.wording import log_prob_text, mean_text, number_text, with_error_text
from tfvae import recipes

__all__ = ["section"]

WIDTH = 120
LOGGED = (("perplexity", 1), ("accuracy", 3))  # of `evaluate`, with their digits


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _numbers(row: dict) -> str:
    """The line of numbers, with the seeds and versions that they are of."""
    runs = row["runs"]
    if runs[0].get("log_prob") is None:
        said = [f"No log p(x): {runs[0].get('no_log_prob', 'the model has none')}"]
    else:
        said = [f"log p(x) {log_prob_text(row)}"]
    if runs[0].get("elbo") is not None:
        said.append(f"ELBO {with_error_text(row, 'elbo')}")
    said.append(f"squared error {mean_text(row, 'squared_error')}")
    if "active_units" in runs[0]:
        said.append(f"active units {runs[0]['active_units']}")
    logs = runs[0]["logs"]
    said += [f"{key} {number_text(logs[key], digits)}" for key, digits in LOGGED if key in logs]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    versions = ", ".join(f"{key} {value}" for key, value in row["versions"].items())
    return f"{'; '.join(said)}. {'Seeds' if len(runs) > 1 else 'Seed'} {seeds}; {versions}."


def section(name: str, row: dict | None) -> str:
    """The part of a recipe.

    Args:
        name: The recipe.
        row: Its result; None: it was not trained yet.

    Returns:
        Markdown, without a line break at the end.
    """
    recipe = recipes.get(name)
    parts = [f"### {name}", _filled(summary_of(recipe)), _filled(papers_of(recipe))]
    parts.append(f"```python\n{code_of(recipe)}\n```")
    if row is not None and row.get("runs"):
        none = row["runs"][0].get("no_samples")
        strip = f"No samples: {none}." if none else f"![Samples](figures/models/{name}.png)"
        parts += [_filled(_numbers(row)), strip]
    parts.append(f"```sh\n{command(name)}\n```")
    return "\n\n".join(parts)
