"""The tables of the page: all recipes, the comparison with pythae, and what does not work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.models import rows
from benchmarks.models.budget import BUDGET, COMPARED
from benchmarks.models.reasons import REASONS
from benchmarks.models.verdicts import compare, fault
from benchmarks.models.wording import log_prob_text, mean_text, number_text
from benchmarks.report import markdown_table

__all__ = ["chance_line", "faults_list", "peers_part", "results_table"]

Rows = Mapping[str, dict]

PEERS = f"""\
## Beside pythae

The same models of [pythae](https://github.com/clementchadebec/benchmark_VAE), by its own trainers:
the same images, batches, epochs, Adam, trunk and spread of the first weights, the same weights of
the loss's terms and numbers of samples. Both are evaluated by the same estimator of log p(x), on
the same {BUDGET.images} images; means over three seeds. ± is the standard error of the difference,
from images and seeds together; beyond two of them it says *better* or *worse*.
"""


def results_table(found: Rows) -> str:
    """A line for each recipe that was trained."""
    header = ["recipe", "log p(x)", "ELBO", "rate", "error", "seconds"]
    lines = []
    for name, row in found.items():
        title = f"[`{name}`](#{name})"
        if row.get("error"):
            lines.append([title, "failed", "", "", "", ""])
            continue
        rates = [run["logs"].get("rate") for run in row["runs"]]
        rate = None if None in rates else sum(rates) / len(rates)
        numbers = [mean_text(row, "elbo"), number_text(rate), mean_text(row, "squared_error")]
        lines.append([title, log_prob_text(row), *numbers, mean_text(row, "seconds", 0)])
    return markdown_table(header, lines)


def chance_line(found: Rows) -> str:
    """What a model of the mean image reaches, on bits and on grey values."""
    every = [row["runs"][0]["chance"] for row in found.values() if row.get("runs")]
    bits = next((c for c in every if "log_prob" in c), None)
    grey = next((c for c in every if "log_prob" not in c), None)
    if bits is None:
        return ""
    text = (
        f"The mean image alone has log p(x) = {number_text(bits['log_prob'])} and the error "
        f"{bits['squared_error']:.1f}"
    )
    if grey is None:
        return f"{text}."
    return (
        f"{text}, on grey values {grey['squared_error']:.1f}.\nWhere it says *grey*, x is grey and "
        "log p(x) that of a density: not to be compared with the others."
    )


def faults_list(found: Rows, known: list[str]) -> str:
    """What collapses, diverges or does not beat chance, or was not trained."""
    faults = {name: fault(row) for name, row in found.items()}
    lines = [f"- `{name}`: {text}" for name, text in faults.items() if text]
    lines += [f"- `{name}`: not trained yet" for name in known if name not in found]
    lines = lines or ["None: each of them beats the mean image, and none diverged."]
    title = "Recipes that collapse, diverge, or do not beat chance at this budget:"
    return "\n".join([title, "", *lines])


def _differ(key: str, one: dict, other: dict) -> bool:
    return one[key] != other[key]


def peers_part(found: Rows, folder: Path | None) -> str:
    """The table beside pythae, and what is said where ours is worse."""
    header = ["model", "tfvae", "pythae", "difference", "", "seconds", "pythae's"]
    lines, reasons = [], []
    for name, model in COMPARED.items():
        title = f"`{name}`, `{model}`"
        ours, theirs = found.get(name), rows.read("pythae", name, folder)
        both = [row or {} for row in (ours, theirs)]
        if not all(row.get("log_prob_of_each_image") for row in both) or _differ("budget", *both):
            # Of one seed, or of one side, there is no difference with an error.
            said = [
                mean_text(row, "log_prob", 2) if row.get("runs") else row.get("error", "")
                for row in both
            ]
            lines.append([title, *said, "", "", "", ""])
            continue
        result = compare(ours, theirs)
        verdict = f"**{result.verdict}**" if result.verdict == "worse" else result.verdict
        numbers = [number_text(result.ours, 2), number_text(result.theirs, 2)]
        difference = f"{number_text(result.difference, 2)} ± {result.error:.2f}"
        seconds = [mean_text(row, "seconds", 0) for row in (ours, theirs)]
        lines.append([title, *numbers, difference, verdict, *seconds])
        if result.verdict == "worse" and name not in REASONS:
            reasons.append(f"- `{name}`: worse, and it is not known why.")
    reasons += [f"- `{name}`: {reason}" for name, reason in REASONS.items()]
    return "\n".join([PEERS, markdown_table(header, lines), "", "What else differs:", "", *reasons])
