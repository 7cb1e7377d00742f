"""What is read from the files is what Python makes of them."""

import inspect

import pytest

from tfvae import layers, objectives, options, priors, recipes
from tfvae.errors import UserError
from tfvae.options.catalogue import snake_case

PARTS = [(axis, name) for axis in options.AXES for name in options.names(axis)]


def signature(part):
    """The arguments as Python has them; without `**kwargs`, which are Keras's."""
    found = inspect.signature(part.load()).parameters.values()
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {p.name: p for p in found if p.kind not in kinds}


@pytest.mark.parametrize(("axis", "name"), PARTS)
def test_names_defaults_and_help_are_those_of_the_signature(axis, name):
    part = options.find(axis, name)
    found = signature(part)
    assert set(found) == set(part.arguments)
    for argument, option in part.arguments.items():
        default = found[argument].default
        assert (default is inspect.Parameter.empty) == (option.default is options.REQUIRED)
        if option.kinds and option.default is not options.REQUIRED:
            assert option.default == default
            assert type(option.default) is type(default)
    assert part.summary == " ".join(inspect.getdoc(part.load()).partition("\n\n")[0].split())
    assert part.summary.endswith(".")
    assert all(option.help for option in part.options.values())


@pytest.mark.parametrize(
    ("axis", "module", "base"),
    [("prior", priors, priors.Prior), ("objective", objectives, objectives.Objective)],
)
def test_every_public_part_is_in_the_catalogue(axis, module, base):
    public = [getattr(module, name) for name in module.__all__]
    public = [p for p in public if inspect.isclass(p) and issubclass(p, base) and p is not base]
    # Made of other objects, which have no name.
    by_object = {priors.Fixed, priors.ProductPrior, priors.RiemannianUniform, priors.Standardized}
    assert {options.find(axis, name).load() for name in options.names(axis)} == set(
        public
    ) - by_object


def test_every_layer_with_a_distribution_says_what_it_is_for():
    public = [getattr(layers, name) for name in layers.__all__]
    public = [p for p in public if inspect.isclass(p) and issubclass(p, layers.DistributionLayer)]
    for axis in ("likelihood", "posterior"):
        found = {options.find(axis, name).load() for name in options.names(axis)}
        assert found == {p for p in public if axis in p.roles} - {layers.DistributionLayer}
    # Those without a role need other objects, and could not be made of a name.
    for part in public:
        if not part.roles:
            required = [
                p.name
                for p in inspect.signature(part).parameters.values()
                if p.default is inspect.Parameter.empty and p.kind is not p.VAR_KEYWORD
            ]
            assert required


def test_every_recipe_is_public():
    assert set(recipes.names()) == set(recipes.__all__) - {"get", "names", "takes_labels"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IndependentPoisson", "poisson"),
        ("MultivariateNormalTriL", "multivariate_normal_tril"),
        ("VampPrior", "vamp_prior"),
        ("MIWAE", "miwae"),
        ("ELBO", "elbo"),
        ("BetaTCVAE", "beta_tcvae"),
        ("RealNVP", "real_nvp"),
        ("MixtureOfNormals", "mixture_of_normals"),
        ("VonMisesFisher", "von_mises_fisher"),
        ("two_layer_vae", "two_layer_vae"),
    ],
)
def test_snake_case(name, expected):
    assert snake_case(name) == expected


def test_what_annotations_say():
    iwae = options.find("recipe", "iwae").options
    assert iwae["gradient"].choices == ("plain", "stl", "dreg")
    assert iwae["samples"].bounds == options.Bounds(1, 10**6)
    assert iwae["hidden"].kinds == (tuple,)
    assert "beta" not in iwae  # fixed by the recipe
    scale = options.find("likelihood", "normal").options["scale"]
    assert set(scale.kinds) == {str, float}
    assert scale.bounds.above
    assert not scale.bounds.hold(0.0)
    assert options.find("recipe", "vamp_vae").own == {
        "event_shape", "latent_dim", "pseudo_inputs"
    }  # fmt: skip


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="unknown prior 'vamp_pior': did you mean 'vamp_prior'"):
        options.find("prior", "vamp_pior")


def test_bounds():
    share = options.Bounds(0, 1, below=True)
    held = [share.hold(x) for x in (-1, 0, 0.5, 1, float("nan"))]
    assert held == [False, True, True, False, False]
    assert str(share) == "from 0 below 1"
    assert str(options.Bounds(0, above=True)) == "above 0"


def test_nothing_is_imported_to_read(run_python):
    program = """
import sys
from tfvae import options
for axis in options.AXES:
    assert options.names(axis)
print("tensorflow" in sys.modules or "keras" in sys.modules or 0)
"""
    assert run_python(program).result == 0
