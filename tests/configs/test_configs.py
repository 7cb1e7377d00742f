import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from tfvae.errors import UserError
from tfvae.runs import build, default_config
from tfvae.runs.config import check_config

FOLDER = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
EMBEDDED = ("digits", "sprites")


def load(name):
    spec = importlib.util.spec_from_file_location(f"configs_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def flat(config, prefix=""):
    fields = {}
    for name, value in config.items():
        if hasattr(value, "items"):
            fields.update(flat(value, f"{prefix}{name}."))
        else:
            fields[prefix + name] = value
    return fields


def test_the_promised_ones_are_there():
    promised = {"default", "digits", "sprites", "mnist", "fashion_mnist", "cifar10", "test"}
    assert promised <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_checked_and_documented(name):
    check_config(load(name))
    text = (FOLDER / f"{name}.py").read_text()
    assert text.startswith('"""')
    with pytest.raises(AttributeError):
        load(name).epoch = 3  # locked


@pytest.mark.parametrize("name", [name for name in NAMES if name != "default"])
def test_a_file_holds_its_differences_alone(name):
    default, derived = flat(default_config()), flat(load(name))
    assert set(derived) >= set(default)
    text = (FOLDER / f"{name}.py").read_text()
    set_here = [
        line.split("=")[0].strip().removeprefix("config.")
        for line in text.splitlines()
        if line.strip().startswith("config.")
    ]
    assert set_here
    same = [f for f in set_here if f in default and derived[f] == default[f]]
    assert not same, f"configs/{name}.py sets what is the default already: {same}"
    assert len(set_here) == len(set(set_here))
    # And nothing else differs, by a loop or an update that the lines above do not show.
    assert {f for f in derived if derived[f] != default.get(f)} <= set(set_here)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_trains_a_step(name):
    config = load(name)
    if config.dataset not in EMBEDDED:
        folder = os.environ.get("TFVAE_DATA_DIR")
        if not folder or not (Path(folder) / f"{config.dataset}.npz").is_file():
            pytest.skip(f"TFVAE_DATA_DIR has no {config.dataset}.npz")
    config.batch_size = 8
    vae = build.build_model(config)
    vae.run_eagerly = True
    data = build.load_data(config, config.train_split)
    before = [w.numpy() for w in vae.trainable_weights]
    history = vae.fit(data.take(1), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert any((w.numpy() != b).any() for w, b in zip(vae.trainable_weights, before, strict=True))
    test = next(iter(build.load_data(config, config.test_split)))
    assert np.isfinite(vae.elbo(test, seed=0)).all()
    assert vae.sample(2).shape == (2, *test.shape[1:])


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_a_file_without_its_data_builds_on_data_of_that_shape(name, tmp_path):
    """Where the real files are not at hand, files of their names and shapes."""
    shape = {"fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}[name]
    x = np.random.default_rng(0).integers(0, 256, (20, *shape), dtype=np.uint8)
    y = np.arange(20) % 10
    np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    config = load(name)
    config.batch_size = 4
    vae = build.build_model(config, data_dir=tmp_path)
    vae.run_eagerly = True
    data = build.load_data(config, "train[:4]", data_dir=tmp_path)
    assert np.isfinite(vae.fit(data, verbose=0).history["loss"]).all()


def test_a_mistyped_field_is_refused():
    config = default_config()
    with config.unlocked():
        config.epohs = 3
    with pytest.raises(UserError, match="'epohs': did you mean 'epochs'"):
        check_config(config)
