import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest

from tfvae.errors import UserError
from tfvae.runs import build, default_config, loop
from tfvae.runs.config import check_config
from tfvae.runs.rows import read_metrics


def leaves(config, prefix=""):
    for name, value in config.items():
        if hasattr(value, "items"):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


FIELDS = sorted(leaves(default_config()))


# What can be seen of a run, from the cheapest to the dearest.


def model(config, train, folder):
    keras.utils.clear_session()  # the names are counted from there
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


def left_out(config, train, folder):
    """Examples that are not read: the folder has a damaged one then."""
    (Path(config.dataset.partition(":")[2]) / "damaged.png").write_bytes(b"x")
    return build.data_info(config).left_out


LINEAR = {"beta_schedule.name": "linear"}
CONV, RESNET = {"network": "conv"}, {"network": "resnet"}
NORMAL = {"likelihood": "normal", "binarization": "none"}
VDVAE = {"recipe": "vdvae", "vdvae.filters": 8}
VQ = {"recipe": "vq_vae"}
# Field -> (another value, what differs then, what is set in both runs).
TABLE = {
    "batch_size": (8, batch, {}),
    "beta_tcvae.alpha": (3.0, loss, {"recipe": "beta_tcvae"}),
    "beta_tcvae.gamma": (3.0, loss, {"recipe": "beta_tcvae"}),
    "conditional_vae.conditional_prior": (False, model, {"recipe": "conditional_vae"}),
    "factor_vae.discriminator_learning_rate": (0.1, model, {"recipe": "factor_vae"}),
    "factor_vae.discriminator_optimizer": ("sgd", model, {"recipe": "factor_vae"}),
    "factor_vae.gamma": (500.0, loss, {"recipe": "factor_vae"}),
    "factor_vae.units": ((8, 8), model, {"recipe": "factor_vae"}),
    "iaf_vae.flow_context": (8, model, {"recipe": "iaf_vae"}),
    "iaf_vae.flow_hidden": ((8,), model, {"recipe": "iaf_vae"}),
    "iaf_vae.flow_steps": (1, model, {"recipe": "iaf_vae"}),
    "iwae.gradient": ("stl", loss, {"recipe": "iwae", "learning_rate": 0.1}),
    "miwae.bounds": (2, loss, {"recipe": "miwae"}),
    "miwae.gradient": ("dreg", loss, {"recipe": "miwae", "learning_rate": 0.1}),
    "nvp_vae.couplings": (2, model, {"recipe": "nvp_vae"}),
    "nvp_vae.flow_hidden": ((8,), model, {"recipe": "nvp_vae"}),
    "vamp_vae.pseudo_inputs": (3, model, {"recipe": "vamp_vae"}),
    "ladder_vae.levels": (2, model, {"recipe": "ladder_vae"}),
    "ladder_vae.warm_up": (2, loss, {"recipe": "ladder_vae"}),
    "two_layer_vae.upper_hidden": ((8,), model, {"recipe": "two_layer_vae"}),
    "two_layer_vae.activation": ("relu", model, {"recipe": "two_layer_vae"}),
    "two_layer_vae.warm_up": (2, loss, {"recipe": "two_layer_vae"}),
    "vdvae.bottleneck": (0.5, model, VDVAE),
    "vdvae.decoder": ("4x1,1x1", model, VDVAE),
    "vdvae.encoder": ("8x1,8d2,4x1,4d4,1x2", model, VDVAE),
    "vdvae.filters": (16, model, VDVAE),
    "vdvae.warm_up": (2, loss, VDVAE),
    "vq_vae.code_prior": ("categorical", model, VQ),
    "vq_vae.codes": (7, model, VQ),
    "vq_vae.commitment": (9.0, loss, VQ),
    "vq_vae.decay": (0.1, loss, VQ),
    "vq_vae.pieces": (4, model, VQ),
    "vq_vae.prior_steps": (5, model, VQ),
    "vq_vae.restart": (0.9, model, VQ),
    "beta": (0.5, loss, {}),
    "beta_schedule.name": ("cyclical", loss, {"beta_schedule.steps": 2}),
    "beta_schedule.start": (0.5, loss, LINEAR),
    "beta_schedule.steps": (2, loss, LINEAR),
    "binarization": ("static", batch, {}),
    "branches": (2, loss, {}),
    "capacity": (30.0, loss, {}),
    "checkpoint_every": (2, files, {"epochs": 2}),
    "checkpoints_kept": (1, files, {"epochs": 2}),
    "conv.filters": ((4, 8), model, CONV),
    "conv.units": (16, model, CONV),
    "damaged": ("skip", left_out, {"image_size": (4, 4)}),
    "dataset": ("sprites", batch, {}),
    "epochs": (2, files, {"epochs": 1}),
    "evaluation.examples": (30, files, {"epochs": 1}),
    "evaluation.samples": (3, files, {"epochs": 1}),
    "free_bits": (30.0, loss, {}),
    "hidden": ((8, 8), model, {}),
    "image_size": ((4, 4), batch, {"image_size": (6, 6)}),
    "keep_best": (False, files, {"epochs": 1}),
    "latent_dim": (3, model, {}),
    "learning_rate": (0.1, loss, {}),
    "likelihood": ("continuous_bernoulli", batch, {}),
    "network": ("conv", model, {}),
    "nan_cap": (3, steps_left_out, {"on_nan": "skip"}),
    "normal.scale": ("0.5", loss, NORMAL),
    "on_nan": ("skip", steps_left_out, {}),
    "panels_every": (1, files, {"epochs": 1}),
    "policy": ("mixed_bfloat16", loss, {}),
    "posterior": ("full_covariance", loss, {}),
    "recipe": ("beta_vae", loss, {}),
    "resnet.blocks": (2, model, RESNET),
    "resnet.filters": ((4, 8), model, RESNET),
    "resnet.units": (16, model, RESNET),
    "samples": (3, loss, {}),
    "seed": (1, weights, {}),
    "steps_per_execution": (3, calls, {"epochs": 1}),
    "test_split": ("test[40:80]", files, {"epochs": 1}),
    "train_split": ("train[96:192]", batch, {}),
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


@pytest.mark.parametrize("field", FIELDS)
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
    assert sorted(TABLE) == FIELDS


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
        ("posterior", "full_covarance", "full_covariance"),
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
        ("batch_size", 0),
        ("batch_size", -1),
        ("epochs", 0),
        ("latent_dim", 0),
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
        ("seed", -1),
        ("beta", -1.0),
        ("beta", float("nan")),
        ("free_bits", -0.5),
        ("capacity", -0.5),
        ("samples", 0),
        ("checkpoint_every", 0),
        ("checkpoint_every", "2 hours"),
        ("checkpoint_every", "0 steps"),
        ("checkpoint_every", True),
        ("checkpoint_every", 1.5),
        ("checkpoints_kept", 0),
        ("nan_cap", -1),
        ("steps_per_execution", 0),
        ("panels_every", -1),
        ("evaluation.samples", 0),
        ("evaluation.examples", -1),
        ("beta_schedule.steps", 0),
        ("hidden", (8, 0)),
        ("hidden", (8.5,)),
        ("conv.filters", ()),
        ("conv.filters", (8, -1)),
        ("conv.units", 0),
        ("resnet.blocks", -1),
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
