"""Private API of Keras, TensorFlow and tfp: all of it in three files, each name with its reason."""

import ast
import functools
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

PACKAGE = Path(__file__).parent.parent / "tfvae"

# What the package takes of others beyond their public API, and the one file that does. A new name
# goes into one of these files, with what it is for and how one would notice that it is gone.
KNOWN = {
    "tfvae/distributions/tf_compat.py": {
        "tf.__internal__",
        "tensorflow.python",
        "_initialized",
        "_inputs",
        "outer_graph",
    },
    "tfvae/distributions/keras_compat.py": {
        "_accumulated_gradients",
        "_get_variable_index",
        "_iterations",
        "_keras_call_info_injected",
        "_keras_mask",
        "_tracker",
        "unittest.mock",
    },
    "tfvae/trainer/keras_compat.py": {
        "_called_in_fit",
        "_flatten_layers",
        "_get_variable_index",
        "_maybe_symbolic_build",
        "_momentums",
        "keras.src",
        "_velocities",
    },
}
# Extension points: tfp's documentation asks subclasses to define these. They are defined in
# classes of the package, never called on an object of another class.
EXTENSIONS = {
    *("_batch_shape", "_batch_shape_tensor", "_event_shape", "_event_shape_tensor"),
    *("_cdf", "_entropy", "_log_prob", "_mean", "_mode", "_quantile", "_stddev", "_variance"),
    *("_default_event_space_bijector", "_parameter_properties", "_parameters"),
    *("_forward", "_forward_log_det_jacobian", "_inverse"),
    *("_sample_control_dependencies", "_sample_n"),
}
MODULES = ("keras.src", "tensorflow.python", "tensorflow_probability.python", "tf.__internal__")
PUBLIC = {"_replace", "_asdict", "_fields"}  # of named tuples
BY_NAME = {"getattr", "setattr", "hasattr", "delattr"}


def is_private(name):
    dunder = name.startswith("__") and name.endswith("__")
    return name.startswith("_") and name.strip("_") != "" and not dunder


@functools.cache
def theirs():
    """Private names of the classes that the package derives from or handles."""
    homes = (tfp.distributions, tfp.bijectors)
    classes = [c for home in homes for c in vars(home).values() if isinstance(c, type)]
    classes += [keras.Sequential, keras.layers.Wrapper, keras.optimizers.Adam, keras.KerasTensor]
    classes += [keras.Variable, keras.callbacks.Callback]
    classes += [keras.losses.Loss, keras.metrics.Metric, keras.initializers.Initializer]
    classes += [tf.data.Dataset, tf.Variable, tf.Graph, tf.Module]
    bases = {base for cls in classes for base in cls.__mro__}
    others = [b for b in bases if b.__module__.split(".")[0] in ("keras", "tensorflow")]
    others += [b for b in bases if b.__module__.startswith("tensorflow_probability")]
    return {name for base in others for name in vars(base) if is_private(name)}


def trees():
    for file in sorted(PACKAGE.rglob("*.py")):
        yield file.relative_to(PACKAGE.parent).as_posix(), ast.parse(file.read_text("utf-8"))


def of_self(node):
    return ast.unparse(node.value) in ("self", "cls")


def own_names(tree):
    """What a module defines or sets itself."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node):
            yield node.attr


TREES = dict(trees())
OURS = {name for tree in TREES.values() for name in own_names(tree)}


def dotted(node):
    return ast.unparse(node) if isinstance(node, ast.Attribute) else ""


def used(tree):
    """The private names of others that a module uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "outer_graph":  # public by its look alone
                yield node.attr
            if is_private(node.attr) and (node.attr not in OURS or node.attr in theirs()):
                yield node.attr
            yield from (module for module in MODULES if dotted(node).startswith(module))
        elif isinstance(node, ast.FunctionDef) and node.name in theirs():
            yield node.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in BY_NAME:
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
            for name in (n for n in names if isinstance(n, str)):
                if name == "outer_graph" or (is_private(name) and name not in OURS):
                    yield name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in theirs() or node.value.startswith(("_keras_", "_tf_")):
                yield node.value
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            source = [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in [*source, *(f"{s}.{a.name}" for s in source or [""] for a in node.names)]:
                name = name.lstrip(".")
                yield from (m for m in (*MODULES, "unittest.mock") if name.startswith(m))


USED = {file: set(used(tree)) - PUBLIC - EXTENSIONS for file, tree in TREES.items()}


@pytest.mark.parametrize("file", sorted(file for file in USED if USED[file] or file in KNOWN))
def test_private_names_of_others_stand_in_the_list(file):
    assert USED[file] == KNOWN.get(file, set())


def test_extension_points_are_defined_and_not_called_on_others():
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in EXTENSIONS:
                owner = ast.unparse(node.value)
                assert owner in ("self", "cls", "super()"), f"{file}:{node.lineno}"


@pytest.mark.parametrize("file", sorted(KNOWN))
def test_the_reason_for_each_name_is_given_where_it_is_used(file):
    source = (PACKAGE.parent / file).read_text("utf-8")
    assert "fail" in source
    for name in KNOWN[file]:
        assert name.split(".")[-1] in source


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("layer._losses", "_losses"),
        ("getattr(layer, '_inbound_nodes')", "_inbound_nodes"),
        ("import keras.src.backend", "keras.src"),
        ("from tensorflow.python.eager import context", "tensorflow.python"),
        ("tf.__internal__.types", "tf.__internal__"),
        ("from unittest import mock", "unittest.mock"),
        ("class A:\n def _clear_losses(self): pass", "_clear_losses"),
    ],
)
def test_a_new_private_name_would_be_found(line, name):
    assert name in set(used(ast.parse(line)))
