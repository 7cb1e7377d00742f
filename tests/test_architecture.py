"""Who may import whom, and what nobody may."""

import ast
import functools
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tfvae"

# Downwards only: a part imports what stands below it, or beside it. A file beside these, a helper,
# stands as high as the highest that it imports.
FLOORS = [
    {"errors", "lazy", "options"},
    {"schedules", "metrics", "distributions", "data"},
    {"distribute"},
    {"layers", "losses", "networks"},
    {"priors"},
    {"latents"},
    {"objectives"},
    {"trainer"},
    {"vae"},
    {"recipes", "evaluation", "fitting", "saving", "plots"},
    {"runs"},
    {"cli"},
]
# Parts whose very definition is a composition of others.
MADE_OF = {
    "tfvae.layers.mixture": {"tfvae.layers.normal", "tfvae.layers.logistic"},
    "tfvae.priors.product": {"tfvae.priors.fixed"},
    "tfvae.layers.mixture_one_hot": {"tfvae.layers.mixture", "tfvae.layers.one_hot_categorical"},
    "tfvae.objectives.supervised": {"tfvae.objectives.elbo"},
}
FORBIDDEN = {"tf_keras", "pickle", "cloudpickle", "dill"}


def sources():
    """Module name -> syntax tree, of the whole package."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ("tfvae", *file.relative_to(PACKAGE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text("utf-8"))
    return found


SOURCES = sources()


def imports(tree):
    """Full names of what a module imports, of `from a import b` both `a` and `a.b`."""
    unseen = {id(node) for block in typed_only(tree) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def typed_only(tree):
    """What type checkers alone see."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body


def attributes(tree):
    """Dotted names that a module reads, such as `keras.src.utils`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def room(module):
    return module.split(".")[1] if "." in module else None


def rooms_below(module):
    """The rooms that a module imports from."""
    names = (name for name in imports(SOURCES[module]) if name.startswith("tfvae."))
    return {room(name) for name in names} & ROOMS - {room(module)}


@functools.cache
def floor(name):
    for number, rooms in enumerate(FLOORS):
        if name in rooms:
            return number
    return max((floor(other) for other in rooms_below(f"tfvae.{name}")), default=0)


ROOMS = {room(module) for module in SOURCES} - {None}


def test_every_folder_stands_on_a_floor():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set().union(*FLOORS) <= ROOMS


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_go_downwards(module):
    if module == "tfvae":
        assert rooms_below(module) <= {"lazy"}, "importing tfvae imports nothing by itself"
        return
    for other in rooms_below(module):
        assert floor(other) <= floor(room(module)), f"{module} imports {other}, from above it"


def test_no_two_modules_import_each_other():
    needs = {
        module: {name for name in imports(tree) if name in SOURCES and name != module}
        for module, tree in SOURCES.items()
    }
    # A package imports its modules, and they may import the package's name alone.
    needs = {m: {n for n in names if not m.startswith(f"{n}.")} for m, names in needs.items()}
    while needs:
        free = {module for module, names in needs.items() if not names & set(needs)}
        assert free, f"these import each other in a circle: {sorted(needs)}"
        needs = {m: names for m, names in needs.items() if m not in free}


@pytest.mark.parametrize(
    ("axis", "base"),
    [
        ("layers", "DistributionLayer"),
        ("objectives", "Objective"),
        ("priors", "Prior"),
        ("latents", "LatentStructure"),
    ],
)
def test_no_part_imports_its_sibling(axis, base):
    """What two parts share stands in a file of its own; a part may extend another one."""

    def extended_here(part: type) -> bool:
        # Other tests of the process extend parts as well.
        return any(c.__module__.startswith("tfvae.") for c in part.__subclasses__())

    folder = importlib.import_module(f"tfvae.{axis}")
    base = getattr(folder, base)
    modules = {
        name: importlib.import_module(name) for name in SOURCES if name.startswith(f"tfvae.{axis}.")
    }
    parts = {}
    for name, module in modules.items():
        own = [c for c in vars(module).values() if getattr(c, "__module__", None) == name]
        own = [c for c in own if isinstance(c, type) and issubclass(c, base)]
        if any(hasattr(folder, c.__name__) and not extended_here(c) for c in own):
            parts[name] = own
    assert len(parts) >= 4
    for name, own in parts.items():
        extended = {c.__module__ for one in own for c in one.__mro__}
        siblings = {other for other in imports(SOURCES[name]) if other in parts} - extended
        siblings -= MADE_OF.get(name, set())
        assert not siblings, f"{name} imports {sorted(siblings)}"


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_nothing_forbidden(module):
    names = {*imports(SOURCES[module]), *attributes(SOURCES[module])}
    assert not FORBIDDEN & {name.split(".")[0] for name in names}
    assert not {n for n in names if n.startswith(("tfp.layers", "tensorflow_probability.layers"))}
    assert not {n for n in names if "tensorflow.keras" in n or n.startswith("tf.keras")}


@pytest.mark.parametrize("module", sorted(set(SOURCES) - {"tfvae.trainer.keras_compat"}))
def test_no_private_api_of_keras(module):
    names = {*imports(SOURCES[module]), *attributes(SOURCES[module])}
    private = {
        name
        for name in names
        if name.split(".")[0] == "keras"
        and any(p == "src" or (p.startswith("_") and p[:2] != "__") for p in name.split("."))
    }
    assert not private
