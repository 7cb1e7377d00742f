import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest

from tfvae.data.dataset_info import DatasetInfo
from tfvae.errors import UserError
from tfvae.options import AXES, REQUIRED, find, names
from tfvae.runs import build, default_config, fitted_prior, loop
from tfvae.runs.config import check_config
from tfvae.runs.rows import read_metrics
from tfvae.runs.schema import OF_THE_OPTIMIZER, fields, fields_of, section


def leaves(config, prefix=""):
    for name, value in config.items():
        if hasattr(value, "items"):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


FIELDS = sorted(leaves(default_config()))
# Fields of the run and of every model; the others belong to a part, and are walked over below, or
# to an optimizer: `tests/runs/test_optimizer.py`.
OF_PARTS = {
    field.name: (axis, name, field)
    for axis in AXES
    for name in names(axis)
    for field in fields_of(axis, name).values()
}
OF_OPTIMIZERS = {name for name in FIELDS if name.startswith(f"{OF_THE_OPTIMIZER}.")}
OF_THE_RUN = sorted(set(FIELDS) - set(OF_PARTS) - OF_OPTIMIZERS)


# What can be seen of a run, from the cheapest to the dearest.


def model(config, train, folder):
    # The names are counted from there; a collection of all tests' garbage takes seconds.
    keras.utils.clear_session(free_memory=False)
    vae = build.build_model(config)
    parts = {**vae.get_config(), "compiled": vae.get_compile_config(), "jit": vae.jit_compile}
    return json.dumps(keras.saving.serialize_keras_object(parts), sort_keys=True)


def weights(config, train, folder):
    return [w.numpy().tolist() for w in build.build_model(config).weights]


def batch(config, train, folder):
    dataset = build.load_data(config, config.train_split)
    return next(iter(dataset)).numpy().tolist()


def loss(config, train, folder):
    """Of the first steps."""
    vae = build.build_model(config)
    vae.run_eagerly = True
    data = build.load_data(config, config.train_split)
    return vae.fit(data.take(4), epochs=1, verbose=0).history["loss"]


def files(config, train, folder):
    def eager(*args, **kwargs):
        vae = build.build_model(*args, **kwargs)
        vae.run_eagerly = True  # sooner done than compiled
        return vae

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "build_model", eager)
        train(config, folder)
    evaluation = json.loads((folder / "evaluation.json").read_text())
    checkpoints = sorted(os.listdir(folder / "checkpoints"))
    return [evaluation, checkpoints, sorted(os.listdir(folder / "logs"))]


def calls(config, train, folder):
    """How often the callbacks are called in an epoch: once for each call of the function."""
    seen = []

    class Counter(loop.Clock):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            seen.append(batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Clock", Counter)
        train(config, folder)
    return len(seen)


def steps_left_out(config, train, folder):
    """How many may be left out by the guard of the compiled step."""
    caps = []

    class Seen(loop.FiniteSteps):
        def on_train_begin(self, logs=None):
            super().on_train_begin(logs)
            caps.append(self.model.guard.cap)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "FiniteSteps", Seen)
        config.epochs = 1
        train(config, folder)
    return caps


def fitted(config, train, folder):
    """What is fitted to the codes after the training."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            fitted_prior, "fit_prior", lambda *told, **options: asked.append((told, options))
        )
        fitted_prior.fit_as_configured(config, None, None)
    return asked


def left_out(config, train, folder):
    """Examples that are not read: the folder has a damaged one then."""
    (Path(config.dataset.partition(":")[2]) / "damaged.png").write_bytes(b"x")
    return build.data_info(config).left_out


LINEAR = {"beta_schedule.name": "linear"}
COSINE = {"learning_rate_schedule.name": "cosine", "learning_rate_schedule.steps": 9}
EXPONENTIAL = {**COSINE, "learning_rate_schedule.name": "exponential"}
# Field -> (another value, what differs then, what is set in both runs).
TABLE = {
    "batch_size": (8, batch, {}),
    "accumulation_steps": (2, loss, {"learning_rate": 0.1}),
    "beta": (0.5, loss, {}),
    "beta_schedule.name": ("cyclical", loss, {"beta_schedule.steps": 2}),
    "beta_schedule.start": (0.5, loss, LINEAR),
    "beta_schedule.steps": (2, loss, LINEAR),
    "binarization": ("static", batch, {}),
    "branches": (2, loss, {}),
    "capacity": (30.0, loss, {}),
    "checkpoint_every": (2, files, {"epochs": 2}),
    "checkpoints_kept": (1, files, {"epochs": 2}),
    "damaged": ("skip", left_out, {"image_size": (4, 4)}),
    "clipnorm": (1e-3, loss, {"optimizer": "sgd"}),
    "conditioning": ("labels", model, {}),
    "dataset": ("sprites", batch, {}),
    "ema_momentum": (0.5, model, {}),
    "epochs": (2, files, {"epochs": 1}),
    "evaluation.examples": (30, files, {"epochs": 1}),
    "evaluation.samples": (3, files, {"epochs": 1}),
    "fit_prior": ("hypersphere", fitted, {}),
    "fit_prior_steps": (2, fitted, {"fit_prior": "maf"}),
    "free_bits": (30.0, loss, {}),
    "global_clipnorm": (1e-3, loss, {"optimizer": "sgd"}),
    "hidden": ((8, 8), model, {}),
    "image_size": ((4, 4), batch, {"image_size": (6, 6)}),
    "keep_best": (False, files, {"epochs": 1}),
    "kl": ("monte_carlo", loss, {}),
    "labelled": (20, loss, {"recipe": "m2"}),
    "latent_dim": (3, model, {}),
    "learning_rate": (0.1, loss, {}),
    "learning_rate_schedule.end": (0.5, model, COSINE),
    "learning_rate_schedule.name": ("exponential", model, COSINE),
    "learning_rate_schedule.rate": (0.1, model, EXPONENTIAL),
    "learning_rate_schedule.steps": (5, model, COSINE),
    "learning_rate_schedule.warmup_steps": (3, loss, {"learning_rate": 0.1}),
    "likelihood": ("continuous_bernoulli", batch, {}),
    "network": ("conv", model, {}),
    "nan_cap": (3, steps_left_out, {"on_nan": "skip"}),
    "objective": ("iwae", loss, {}),
    "on_nan": ("skip", steps_left_out, {}),
    "optimizer": ("sgd", loss, {}),
    "panels_every": (1, files, {"epochs": 1}),
    "policy": ("mixed_bfloat16", loss, {}),
    "posterior": ("multivariate_normal_tril", loss, {}),
    "prior": ("mixture_of_normals", loss, {}),
    "recipe": ("beta_vae", loss, {}),
    "samples": (3, loss, {}),
    "seed": (1, weights, {}),
    "steps_per_execution": (3, calls, {"epochs": 1}),
    "test_split": ("test[40:80]", files, {"epochs": 1}),
    "train_split": ("train[96:192]", batch, {}),
    "weight_decay": (0.5, loss, {"learning_rate": 0.1}),
    "xla": (True, model, {}),
}


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(20):
        image = np.random.default_rng(number).integers(0, 256, (6, 6, 1), dtype=np.uint8)
        keras.utils.save_img(tmp_path / "images" / f"{number}.png", image)
    return f"images:{tmp_path / 'images'}"


@pytest.fixture(scope="module")
def seen_before():
    """What was seen of the runs that a field is changed in: many share one."""
    return {}


@pytest.mark.parametrize("field", OF_THE_RUN)
def test_every_field_has_an_effect(field, tiny, train, tmp_path, request, seen_before):
    assert field in TABLE, f"no row for the new field {field}: say what it changes"
    value, observe, both = TABLE[field]
    if field in ("image_size", "damaged"):
        name = request.getfixturevalue("images")
        both = {**both, "dataset": name, "train_split": "train", "test_split": "test"}
        both["binarization"] = "none"
    one, other = tiny(both), tiny({**both, field: value})
    assert json.loads(one.to_json()) != json.loads(other.to_json())
    key = (observe.__name__, one.to_json())
    if key not in seen_before:
        seen_before[key] = observe(one, train, tmp_path / "one")
    assert observe(other, train, tmp_path / "other") != seen_before[key]


@pytest.mark.parametrize("observe", [model, weights, batch, loss, files])
def test_what_differs_is_the_field_and_not_the_time_of_day(observe, tiny, train, tmp_path):
    config = tiny(epochs=1)
    one, other = (observe(config, train, tmp_path / name) for name in ("one", "other"))
    assert one == other


def test_the_table_has_no_field_of_yesterday():
    assert sorted(TABLE) == OF_THE_RUN


# Text that no list of choices gives, by the argument's name.
TEXTS = {"activation": "gelu", "optimizer": "sgd", "decoder": "4x1,1x1",
         "encoder": "8x1,8d2,4x1,4d4,1x2"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _features(tmp_path_factory):
    """A network of features of an image, which a field takes by its path."""
    path = tmp_path_factory.mktemp("features") / "features.keras"
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]).save(path)
    TEXTS["features"] = str(path)


# What a part needs beside its name.
BESIDE = {
    "conditional_normal": {"recipe": "conditional_vae"},
    "relaxed_one_hot_categorical": {"latent_dim": 3},
    "mixture_normal": {"mixture_normal.num_components": 2},
    "mixture_logistic": {"mixture_logistic.num_components": 2},
    "mixture_normal_posterior": {"mixture_normal_posterior.num_components": 2},
    "mixture_logistic_posterior": {"mixture_logistic_posterior.num_components": 2},
    "categorical_mixture_of_one_hot_categorical": {
        "categorical_mixture_of_one_hot_categorical.num_components": 2
    },
}


def another(option):
    """A value that an option does not have by itself."""
    if option.choices:
        return next(choice for choice in option.choices if choice != option.default)
    kind = option.kinds[0]
    if kind is str:
        return TEXTS[option.name]
    if kind is bool:
        return not option.default
    if kind is tuple:
        return (8,)
    if kind is int:
        return 3 if option.default is REQUIRED else (option.default or 1) + 1
    return 0.3 if option.bounds is None or option.bounds.hold(0.3) else option.default + 1


def chosen(tiny, axis, name):
    """A configuration that takes a part."""
    beside = BESIDE.get(section(axis, name), {})
    binarization = {} if name == "bernoulli" or axis != "likelihood" else {"binarization": "none"}
    return tiny({axis: name, **binarization, **beside})


def info_for(config, axis, name):
    """Vectors for what takes no image."""
    part = find(axis, name)
    vectors = axis == "likelihood" and "event_size" in part.arguments
    return build.data_info(config) if not vectors else VECTOR_INFO


VECTOR_INFO = DatasetInfo.of("some", (3,), train=9, test=9)


def made(config, info):
    # The names are counted from there; a collection of all tests' garbage takes seconds.
    keras.utils.clear_session(free_memory=False)
    vae = build.make_model(config, info)
    return json.dumps(keras.saving.serialize_keras_object(vae), sort_keys=True)


@pytest.fixture(scope="module")
def made_before():
    """The part of an axis as it is made without a field of its own set."""
    return {}


@pytest.mark.parametrize("field", sorted(OF_PARTS))
def test_every_field_of_a_part_reaches_it(field, tiny, made_before):
    axis, name, entry = OF_PARTS[field]
    one, other = chosen(tiny, axis, name), chosen(tiny, axis, name)
    with other.ignore_type():
        other.update_from_flattened_dict({field: another(entry.option)})
    info = info_for(one, axis, name)
    if (axis, name) not in made_before:
        check_config(one)
        made_before[axis, name] = made(one, info)
    check_config(other)
    assert made_before[axis, name] != made(other, info)


@pytest.mark.parametrize(
    ("axis", "name"), [(axis, name) for axis in AXES if axis != "recipe" for name in names(axis)]
)
def test_every_part_is_reached_by_its_name(axis, name, tiny):
    """A class that is added to a folder is tried here by itself."""
    config = chosen(tiny, axis, name)
    check_config(config)
    vae = build.make_model(config, info_for(config, axis, name))
    part = {
        "likelihood": lambda: vae.decoder.head,
        "posterior": lambda: vae.encoder.head,
        "prior": lambda: vae.prior,
        "objective": lambda: vae.objective,
        "network": lambda: None,
    }[axis]()
    if part is not None:
        assert type(part) is find(axis, name).load()


def test_a_recipe_and_a_part_of_one_name_have_the_same_options():
    """They share a sub-config: what it says has to count for both."""
    for name in set(names("recipe")) & set(names("objective")):
        of_recipe, of_part = fields_of("recipe", name), fields_of("objective", name)
        assert set(of_recipe) == set(of_part)
        for argument, field in of_recipe.items():
            assert field.option._replace(help="") == of_part[argument].option._replace(help="")


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_says_what_it_is(field):
    assert fields()[field].option.help


@pytest.mark.parametrize("field", [name for name, field in fields().items() if field.option.bounds])
def test_every_bound_is_held(field, tiny):
    """One step beyond the bounds that the signature has, on either side, and NaN."""
    option = fields()[field].option
    low, high = option.bounds.low, option.bounds.high
    for value in (low if option.bounds.above else low - 1, high + 1, float("nan")):
        config = tiny()
        value = (8, value) if option.kinds == (tuple,) else value
        with config.ignore_type():
            config.update_from_flattened_dict({field: value})
        with pytest.raises(UserError, match=rf"config\.{field.replace('.', '[.]')}\b.*give") as e:
            check_config(config)
        assert "\n" not in str(e.value)


def test_the_seed_reaches_weights_order_and_noise(tiny):
    one, other = tiny(), tiny(seed=1)
    assert batch(one, None, None) != batch(other, None, None)
    assert loss(one, None, None) != loss(other, None, None)
    seeds = [json.loads(model(config, None, None))["seed"] for config in (one, other)]
    assert seeds == [0, 1]


def test_the_seed_holds_whatever_was_drawn_before(tiny):
    before = weights(tiny(), None, None)
    keras.utils.set_random_seed(99)
    assert weights(tiny(), None, None) == before


def test_the_policy_holds_for_the_model_alone(tiny):
    vae = build.build_model(tiny(policy="mixed_bfloat16"))
    assert vae.encoder.compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    with pytest.raises(UserError):
        build.build_model(tiny(policy="mixed_bfloat16", likelihood="discretized_logistic",
                               dataset="nothing"))  # fmt: skip
    assert keras.config.dtype_policy().name == "float32"


def test_the_numbers_reach_the_objective(tiny):
    vae = build.build_model(tiny(beta=2.5, free_bits=0.25, samples=3))
    assert float(vae.objective.beta(0)) == 2.5
    assert float(vae.objective.free_bits(0)) == 0.25
    assert vae.objective.samples == 3
    assert float(vae.optimizer.learning_rate) == pytest.approx(1e-3)
    ramp = {"beta_schedule__start": 1.0, "beta_schedule__steps": 10}
    for name, values in [
        ("linear", [1.0, 2.0, 3.0]),
        ("cosine", [1.0, 2.0, 3.0]),
        ("cyclical", [1.0, 3.0, 1.0]),
    ]:
        vae = build.build_model(tiny(beta=3.0, beta_schedule__name=name, **ramp))
        assert [float(vae.objective.beta(step)) for step in (0, 5, 10)] == pytest.approx(values)


@pytest.mark.parametrize(("recipe", "end"), [("vae", 1.0), ("beta_vae", 4.0)])
def test_a_schedule_without_a_beta_ends_at_the_recipes_own(recipe, end, tiny):
    config = tiny(recipe=recipe, beta_schedule__name="linear", beta_schedule__steps=5)
    assert float(build.build_model(config).objective.beta(5)) == end
    assert float(build.build_model(tiny(recipe=recipe)).objective.beta(5)) == end


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [
        ("recipe", "beta_vea", "beta_vae"),
        ("network", "restnet", "resnet"),
        ("posterior", "multivariate_normal_trl", "multivariate_normal_tril"),
        ("prior", "vamp_pior", "vamp_prior"),
        ("objective", "iwea", "iwae"),
        ("optimizer", "adm", "adam"),
        ("mlp.activation", "relo", "relu"),
        ("iwae.gradient", "drge", "dreg"),
        ("learning_rate_schedule.name", "cosin", "cosine"),
        ("likelihood", "bernouli", "bernoulli"),
        ("policy", "mixed_float61", "mixed_float16"),
        ("on_nan", "skp", "skip"),
        ("damaged", "skp", "skip"),
        ("binarization", "dynamc", "dynamic"),
        ("beta_schedule.name", "liner", "linear"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_nearest_one(
    field, value, nearest, tiny, train, tmp_path
):
    with pytest.raises(UserError, match=f"did you mean '{nearest}'") as error:
        train(tiny({field: value}), tmp_path / "run")
    assert field in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint_every", 0),
        ("checkpoint_every", "2 hours"),
        ("checkpoint_every", "0 steps"),
        ("checkpoint_every", True),
        ("checkpoint_every", 1.5),
        ("hidden", (8.5,)),
        ("conv.filters", ()),
        ("image_size", (8,)),
    ],
)
def test_a_number_out_of_range_is_refused(field, value, tiny):
    config = tiny()
    check_config(config)
    with config.ignore_type():
        config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=rf"config\.{field.replace('.', '[.]')}\b.*give"):
        check_config(config)


def test_contradictions_are_refused(tiny):
    with pytest.raises(UserError, match="exclude each other"):
        check_config(tiny(free_bits=1.0, capacity=1.0))
    with pytest.raises(UserError, match="exclude each other"):
        check_config(tiny(clipnorm=1.0, global_clipnorm=1.0))
    with pytest.raises(UserError, match=r"config\.prior='vamp_prior': the recipe nvp_vae has its"):
        check_config(tiny(recipe="nvp_vae", prior="vamp_prior"))
    with pytest.raises(UserError, match=r"config\.beta=2\.0: the recipe iwae has its own beta"):
        check_config(tiny(recipe="iwae", beta=2.0))
    with pytest.raises(UserError, match=r"config\.beta=2\.0: the objective iwae does not take it"):
        check_config(tiny(objective="iwae", beta=2.0))
    for more in ({"objective": "iwae"}, {"recipe": "iwae"}):
        with pytest.raises(UserError, match=r"beta_schedule\.name=linear: the .* iwae has no beta"):
            check_config(tiny({**LINEAR, **more}))
    with pytest.raises(UserError, match=r"config\.fit_prior=maf: the recipe two_stage_vae fits"):
        check_config(tiny(recipe="two_stage_vae", fit_prior="maf"))
    with pytest.raises(UserError, match="TopDown has no prior of one group"):
        build.build_model(tiny(recipe="ladder_vae", fit_prior="maf"))
    with pytest.raises(UserError, match=r"mixture_normal\.num_components is not set.*give"):
        check_config(tiny(likelihood="mixture_normal", binarization="none"))
    with pytest.raises(UserError, match=r"set config\.learning_rate_schedule\.steps"):
        check_config(tiny(learning_rate_schedule__name="cosine"))
    with pytest.raises(UserError, match=r"config\.network=mlp"):
        build.build_model(tiny(dataset="vectors", network="conv", likelihood="normal"))


@pytest.fixture(autouse=True, scope="module")
def vectors():
    from tfvae import data
    from tfvae.data import registry

    data.register("vectors", lambda request: np.random.default_rng(0).normal(size=(100, 5)))
    yield
    del registry._entries["vectors"]


def test_real_numbers_have_no_levels(tiny):
    with pytest.raises(UserError, match="real numbers"):
        build.build_model(tiny(dataset="vectors", likelihood="categorical"))


def test_rows_of_an_epoch(tiny, train, tmp_path):
    train(tiny(epochs=1), tmp_path)
    (row,) = read_metrics(tmp_path / "metrics.csv")
    names = {"loss", "elbo", "distortion", "rate", "beta", "bits_per_dim"}
    expected = names | {f"val_{name}" for name in names}
    assert set(row) == expected | {"epoch"}
    values = {name: float(value) for name, value in row.items()}
    for prefix in ("", "val_"):
        elbo = -values[f"{prefix}distortion"] - values[f"{prefix}rate"]
        assert values[f"{prefix}elbo"] == pytest.approx(elbo, rel=1e-5)
        assert values[f"{prefix}loss"] == pytest.approx(-elbo, rel=1e-5)
        bits = -elbo / (64 * np.log(2))
        assert values[f"{prefix}bits_per_dim"] == pytest.approx(bits, rel=1e-5)
