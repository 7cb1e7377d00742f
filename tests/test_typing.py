"""What type checkers and editors see is what is there."""

import ast
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

import tfvae
from tfvae import latents, layers, networks, objectives, priors
from tfvae.options import keywords

ROOT = Path(__file__).parent.parent

GOOD = """
import tfvae
from tfvae.objectives import ELBO

objective = tfvae.objectives.ELBO(beta=1.0)
other = ELBO(0.5, samples=3, name="mine")
bound = tfvae.objectives.IWAE(5, kl="analytic", dtype="float32")
flipout = tfvae.layers.DenseFlipout(3, kernel_prior_fn=None, kl_weight=0.1, name="mine")
trunk = tfvae.networks.ResNetDown([8], kernel_size=5, units=3, name="mine")
blocks = tfvae.latents.very_deep_blocks("4x2,1x1", filters=8)
error: tfvae.UserError = tfvae.UserError("x")
vae: tfvae.VAE = tfvae.recipes.vae((8, 8, 1), latent_dim=2)
config = tfvae.runs.default_config()
"""
BAD = {
    "tfvae.VEA": "VEA",
    "tfvae.layers.IndependentNormall(3)": "IndependentNormall",
    "tfvae.objectives.ELBO(samples='three')": "samples",
    "tfvae.objectives.ELBO(betta=1)": "betta",
    "tfvae.objectives.IWAE(sampels=5)": "sampels",
    "tfvae.priors.VampPrior(pseudo_input=5)": "pseudo_input",
    "tfvae.latents.OneGroup(piror=None)": "piror",
    "tfvae.latents.very_deep_blocks('4x2', filter=8)": "filter",
    "tfvae.layers.IndependentNormal(3, min_scael=0.1)": "min_scael",
    "tfvae.layers.DenseFlipout(3, kernel_prior=None)": "kernel_prior",
    "tfvae.networks.ResNetDown([8], kernel=5)": "kernel",
    "tfvae.VAE(None, None, priro=None)": "priro",
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


ROOMS = [
    "tfvae",
    *(f"tfvae.{file.parent.name}" for file in sorted((ROOT / "tfvae").glob("*/__init__.py"))),
    *(f"tfvae.{name}" for name in tfvae.__all__ if (ROOT / f"tfvae/{name}.py").exists()),
]


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_shows_its_public_names_alone(name):
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    for public in dir(module):
        assert getattr(module, public) is not None
        inside = isinstance(getattr(module, public), types.ModuleType)
        assert not inside or name == "tfvae" or public == "sprites", "rooms stand at the top"


def unknown_keywords():
    """The constructors of the package that hand on keywords."""
    for file in sorted((ROOT / "tfvae").rglob("*.py")):
        for cls in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(cls, ast.ClassDef):
                continue
            for method in (m for m in cls.body if isinstance(m, ast.FunctionDef)):
                arguments = method.args
                # What takes `*args` as well is mixed into classes that say what they take.
                if method.name == "__init__" and arguments.kwarg and not arguments.vararg:
                    yield f"{cls.name} in {file.relative_to(ROOT)}", arguments


def test_keywords_that_a_class_hands_on_are_typed():
    untyped = []
    for name, arguments in unknown_keywords():
        annotation = arguments.kwarg.annotation
        if annotation is None or not ast.unparse(annotation).startswith("Unpack["):
            untyped.append(name)
            continue
        options = getattr(keywords, ast.unparse(annotation)[len("Unpack[") : -1])
        named = {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
        assert not named & options.__annotations__.keys(), f"{name}: mypy takes neither"
    assert not untyped, "write **kwargs: Unpack[LayerOptions], or another of options/keywords.py"


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (objectives.ELBO, ()),
        (objectives.MIWAE, ()),
        (objectives.FactorVAE, ()),
        (priors.StandardNormal, ()),
        (priors.VampPrior, ()),
        (priors.CodeTransformer, ()),
        (latents.OneGroup, ()),
        (latents.VectorQuantizer, (8,)),
        (layers.IndependentBernoulli, (3,)),
        (layers.MixtureNormal, (2, 3)),
        (layers.DenseFlipout, (3,)),
        (layers.Convolution2DReparameterization, (3, 3)),
        (layers.DenseVariational, (3,)),
        (layers.VariableLayer, (3,)),
        (networks.MLP, ()),
        (networks.ResNetUp, ([8], (4, 4))),
        (networks.Encoder, (networks.MLP([3]), layers.IndependentNormal(2))),
        (tfvae.VAE, (layers.IndependentNormal(2), layers.IndependentBernoulli(3))),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_misspelt_keyword_is_named(make, arguments):
    make(*arguments)
    with pytest.raises((TypeError, ValueError), match="betta"):
        make(*arguments, betta=1)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "tfvae" / "py.typed").exists()
