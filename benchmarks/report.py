"""From results to tables, and to `RESULTS.md`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.race import Result
from benchmarks.workloads import TARGETS, TITLES, WORKLOADS, Target, Workload

__all__ = ["growth_table", "keep_notes", "markdown_table", "table", "targets_table"]

BEGIN = "<!-- by hand: begin -->"
END = "<!-- by hand: end -->"
Results = Mapping[str, Mapping[str, Result]]  # workload -> contestant -> result


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown, its columns aligned for reading as it is."""
    every = [header, *rows]
    widths = [max(len(row[i]) for row in every) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(cells)} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


def table(workload: Workload, results: Mapping[str, Result]) -> str:
    """Medians, ratios and losses of a workload; the ratio is to tfvae's seconds."""
    base = results["fit"].median if "fit" in results else None
    memory = workload.kind == "log_prob"
    header = ["", "seconds", "of them least", "most", "ratio", "loss, nats"]
    rows = []
    for name, result in results.items():
        loss = "" if name == "products" else f"{result.loss:.3f}"
        ratio = f"{result.median / base:.2f}" if base else ""
        seconds = [result.median, min(result.seconds), max(result.seconds)]
        row = [TITLES[name], *(f"{value:.3f}" for value in seconds), ratio, loss]
        rows.append(row + [f"{result.peak_mb:.0f}"] * memory)
    return markdown_table(header + ["peak, MB"] * memory, rows)


def growth_table(results: Results) -> str | None:
    """Microseconds per image of the MLP by batch size, where more than one was measured."""
    found = [WORKLOADS[name] for name in results if name.split("-")[0] == "mlp"]
    found.sort(key=lambda workload: workload.batch)
    if len(found) < 2:
        return None
    names = [name for name in TITLES if all(name in results[w.name] for w in found)]
    rows = []
    for name in names:
        per_image = [1e6 * results[w.name][name].median / (w.batch * w.steps) for w in found]
        rows.append([TITLES[name], *(f"{value:.1f}" for value in per_image)])
    return markdown_table(["microseconds per image", *(f"batch {w.batch}" for w in found)], rows)


def _reached(target: Target, results: Mapping[str, Result]) -> list[str] | None:
    """The row of a target; None where it was not measured."""
    peers = {n: r for n, r in results.items() if n != "products" and not n.startswith("fit")}
    peer = target.peer
    if peer == "best" and peers:
        peer = min(peers, key=lambda name: peers[name].median)
    if "fit" not in results or peer not in results:
        return None
    own, other = results["fit"], results[peer]
    ratio = other.median / own.median
    wanted, got = f"at least {target.ratio:.2f}", f"{ratio:.2f}"
    reached = ratio >= target.ratio
    if target.memory is not None:
        share = own.peak_mb / other.peak_mb
        wanted += f", memory below {target.memory:.2f}"
        got += f", memory {share:.2f}"
        reached = reached and share < target.memory
    against = TITLES[peer] + (" (the best peer)" if target.peer == "best" else "")
    return [target.workload, against, wanted, got, "yes" if reached else "**no**"]


def targets_table(results: Results) -> str:
    """Every target that was measured, and whether it is reached."""
    rows = [_reached(target, results.get(target.workload, {})) for target in TARGETS]
    header = ["workload", "tfvae against", "wanted", "got", "reached"]
    return markdown_table(header, [row for row in rows if row])


def keep_notes(path: Path, text: str) -> str:
    """Puts what stands between the two markers of a page's former version at a text's end.

    Args:
        path: The page, which need not be there.
        text: The new text, without the part between the markers.

    Returns:
        The text with that part.
    """
    former = path.read_text("utf-8") if path.exists() else ""
    notes = re.search(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", former, flags=re.DOTALL)
    return f"{text}\n{BEGIN}\n{notes[1] if notes else ''}{END}\n"
