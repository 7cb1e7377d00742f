"""The page docs/from_tfp_layers.md: every public name of tfp.layers, and no empty promise."""

import inspect
import re
import types
from pathlib import Path

import keras
import pytest
import tensorflow_probability as tfp

import tfvae

PAGE = Path(__file__).parents[2] / "docs" / "from_tfp_layers.md"
NAMES = [
    name
    for name in dir(tfp.layers)
    if not name.startswith("_") and not isinstance(getattr(tfp.layers, name), types.ModuleType)
]
ROWS = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", PAGE.read_text(encoding="utf-8"), re.M))


def named(path):
    value = tfvae
    for part in path.split(".")[1:]:
        value = getattr(value, part)
    return value


def test_tfp_has_names_to_compare():
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_of_tfp_layers_has_a_row(name):
    assert name in ROWS


@pytest.mark.parametrize("path", sorted(set(ROWS.values())))
def test_what_a_row_promises_is_there(path):
    assert callable(named(path))
    assert path.split(".")[-1] in tfvae.layers.__all__


@pytest.mark.parametrize("name", NAMES)
def test_arguments_have_the_names_and_the_order_of_tfp(name):
    theirs = list(inspect.signature(getattr(tfp.layers, name)).parameters.values())
    target = named(ROWS[name])
    known = {}
    for cls in target.__mro__[:-1] if inspect.isclass(target) else [target]:
        function = cls.__init__ if inspect.isclass(cls) else cls
        if cls is not keras.layers.Layer:
            known |= inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_POSITIONAL for p in known.values())
    for parameter in theirs:
        if parameter.kind is parameter.VAR_KEYWORD or takes_all:
            continue
        assert parameter.name in known or parameter.name == "name"
    positional = [
        p.name
        for p in inspect.signature(target).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    common = [p.name for p in theirs if p.name in positional]
    assert [p for p in positional if p in common] == common


def test_names_in_the_text_exist():
    text = PAGE.read_text(encoding="utf-8")
    paragraph = text[text.index("Beyond the list") : text.index("## A Bayesian layer")]
    beyond = re.findall(r"`(\w+)`", paragraph)
    assert len(beyond) > 8
    for name in beyond:
        assert name in tfvae.layers.__all__


def test_every_public_name_of_tfvae_layers_stands_on_the_page():
    named = set(re.findall(r"`(?:tfvae\.layers\.)?(\w+)", PAGE.read_text(encoding="utf-8")))
    assert set(tfvae.layers.__all__) <= named
