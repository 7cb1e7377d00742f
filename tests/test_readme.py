"""What the README and the docs print runs as printed, and what they name is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def _blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
def test_python_blocks_run_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = _blocks("python")
    assert blocks[0].startswith("import keras, tfvae\n")
    assert len(blocks[0].strip().splitlines()) <= 15
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert len(names["vae"].elbo(names["x"])) == len(names["x"])
    assert (tmp_path / "digits.keras").exists()
    # The model in the README has learned something: an untrained one is near -64 log 2 = -44.4.
    log_prob = names["vae"].log_prob(names["x"], samples=50, seed=0).numpy().mean()
    assert log_prob > -30.0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)\)", prose)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    named = re.findall(
        r"`((?:tfvae|configs|tests|benchmarks|docs|colab)/[\w./]+)`", page.read_text()
    )
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


def test_commands_use_flags_and_configs_that_exist():
    from tfvae.runs.config import default_config

    shell = "\n".join(_blocks("sh"))
    commands = re.findall(r"^(tfvae-\w+) (.*)$", shell, flags=re.MULTILINE)
    assert {name for name, _ in commands} == {"tfvae-train", "tfvae-evaluate", "tfvae-sample"}
    for name, arguments in commands:
        source = (ROOT / f"tfvae/cli/{name.removeprefix('tfvae-')}.py").read_text("utf-8")
        for flag, value in re.findall(r"--([\w.]+)=(\S+)", arguments):
            if flag.startswith("config."):
                assert flag.removeprefix("config.") in default_config()
            else:
                assert f'"{flag}"' in source
            if flag == "config":
                assert (ROOT / value).exists()
    assert all(target in (ROOT / "Makefile").read_text() for target in ("train:", "test:"))


def test_the_table_of_recipes_is_that_of_their_docstrings():
    """Every recipe once, with the first author and the year of its first reference."""
    from tfvae import options, recipes

    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|(.*)\|$", _published(), flags=re.MULTILINE)
    papers = {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    assert sorted(papers) == options.names("recipe")
    for name, text in papers.items():
        reference = inspect.getdoc(recipes.get(name)).partition("References:\n")[2]
        reference = " ".join(reference.split())
        author = re.match(r"(.*?)(?:,| and | et al)", reference)[1]
        year = re.search(r", (\d{4})", reference)[1]
        assert re.search(rf"{author}[^;]*{year}", text), f"{name}: {reference}"


def _published() -> str:
    text = (ROOT / "README.md").read_text("utf-8")
    return text.partition("## Published models by name")[2].partition("\n## ")[0]
