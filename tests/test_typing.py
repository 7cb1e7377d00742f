"""What type checkers and editors see is what is there."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

GOOD = """
import tfvae
from tfvae.objectives import ELBO

objective = tfvae.objectives.ELBO(beta=1.0)
other = ELBO(0.5, samples=3, name="mine")
error: tfvae.UserError = tfvae.UserError("x")
vae: tfvae.VAE = tfvae.recipes.vae((8, 8, 1), latent_dim=2)
config = tfvae.runs.default_config()
"""
BAD = {
    "tfvae.VEA": "VEA",
    "tfvae.layers.IndependentNormall(3)": "IndependentNormall",
    "tfvae.objectives.ELBO(samples='three')": "samples",
    "tfvae.runs.train_and_evaluatee": "train_and_evaluatee",
}


def test_mypy_sees_through_the_lazy_import(tmp_path):
    (tmp_path / "good.py").write_text(GOOD, "utf-8")
    lines = ["import tfvae", *BAD]
    (tmp_path / "bad.py").write_text("\n".join(lines) + "\n", "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "good.py", "bad.py", "--no-error-summary"),
            # TensorFlow and Keras are not typed: read, they take a minute and say nothing.
            *("--ignore-missing-imports", "--follow-imports=silent", "--cache-dir=cache"),
        ],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    found = {int(line.split(":")[1]): line for line in done.stdout.splitlines() if "error" in line}
    assert "good.py" not in done.stdout
    assert sorted(found) == list(range(2, 2 + len(BAD))), done.stdout
    for line, name in enumerate(BAD.values(), 2):
        assert name in found[line]


@pytest.mark.parametrize("package", ["tfvae", "tfvae.runs"])
def test_typed_names_are_those_that_are_imported(package):
    module = importlib.import_module(package)
    block = next(
        node
        for node in ast.parse(Path(module.__file__).read_text("utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    names = {}
    for node in block.body:
        for alias in node.names:
            assert alias.asname == alias.name, "a checker takes it for private otherwise"
            names[alias.name] = node.module
    assert sorted(names) == sorted(module.__all__) == dir(module)
    for name, source in names.items():
        there = getattr(importlib.import_module(source), name, None)
        assert there is getattr(module, name)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "tfvae" / "py.typed").exists()
