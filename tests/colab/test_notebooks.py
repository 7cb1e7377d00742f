"""The notebooks of colab/: what they show is committed, and they run from the first cell on."""

import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "colab"
URL = re.search(r'url="(.+?)"', (FOLDER.parent / "setup.py").read_text("utf-8"))[1]
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE = re.compile(r"/(?:root|home|tmp|work|usr|Users)/\w")
NOISE = re.compile(r"oneDNN|cudart|absl::InitializeLog|cuInit|rebuild TensorFlow|\[IPKernelApp\]")

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [out for cell in code(notebook) for out in cell.outputs]


def figures(notebook):
    return [out for out in outputs(notebook) if "image/png" in out.get("data", {})]


def text(notebook):
    """All that a reader sees in the outputs."""
    shown = [out.get("text", "") for out in outputs(notebook)]
    shown += [v for out in outputs(notebook) for k, v in out.get("data", {}).items() if "text" in k]
    return "\n".join(shown)


def checks(notebook):
    """The assertions of a notebook; cells with magics are read without them."""
    found = []
    for cell in code(notebook):
        lines = [re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in cell.source.splitlines()]
        found += [n for n in ast.walk(ast.parse("\n".join(lines))) if isinstance(n, ast.Assert)]
    return found


def test_notebook_is_committed_with_its_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(
        range(1, len(code(notebook)) + 1)
    ), "executed once, from the first cell on"
    assert figures(notebook)
    assert checks(notebook), "a notebook asserts the numbers that it tells of"
    kinds = {(out.output_type, out.get("name")) for out in outputs(notebook)}
    assert not {kind for kind in kinds if kind[0] == "error" or kind[1] == "stderr"}
    assert not MACHINE.findall(text(notebook))
    assert not NOISE.findall(text(notebook))


def test_notebook_installs_in_colab_alone(path):
    installs = [c for c in code(nbformat.read(path, as_version=4)) if "pip install" in c.source]
    assert len(installs) == 1
    before, _, _ = installs[0].source.partition("pip install")
    assert "google.colab" in before
    (line,) = (s for s in installs[0].source.splitlines() if "pip install" in s)
    assert line == f"    %pip install -q git+{URL}", "inside the condition, and what installs"


def test_notebook_opens_in_colab(path):
    first = nbformat.read(path, as_version=4).cells[0]
    address = URL.replace("https://github.com", "https://colab.research.google.com/github")
    assert f"]({address}/blob/main/colab/{path.name})" in first.source


def test_what_executes_a_notebook_leaves_it_as_it_is(path, tmp_path, monkeypatch):
    module = executor()
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(module, "execute", lambda file: nbformat.read(file, as_version=4))
    module.main([str(copy)])
    module.main([str(copy), f"--out={tmp_path / 'shown'}"])
    assert (tmp_path / "shown" / path.name).is_file()
    with pytest.raises(SystemExit):
        module.main([str(copy), f"--out={tmp_path}"])
    assert copy.read_bytes() == path.read_bytes()


def executor():
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.exhaustive
def test_notebook_runs(path):
    committed = nbformat.read(path, as_version=4)
    executed = executor().execute(path)  # an error in a cell, such as a failed assert, is raised
    assert len(figures(executed)) == len(figures(committed))
    assert not NOISE.findall(text(executed))
