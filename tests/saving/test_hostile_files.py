"""Files that somebody made on purpose, and files that a disk has damaged: one line, nothing run."""

import io
import json
import os
import random
import warnings
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import data
from tfvae.data.npz import read_npz
from tfvae.errors import UserError, readable_errors
from tfvae.options.bounds import UNITS
from tfvae.runs import default_config, schema, sizes
from tfvae.runs.build import build_model
from tfvae.runs.config import check_config, flat
from tfvae.runs.workdir import Workdir


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a small model, trained a step."""
    path = tmp_path_factory.mktemp("saved") / "m.keras"
    vae = tfvae.VAE(
        tfvae.networks.Encoder(tfvae.networks.MLP([3]), tfvae.layers.IndependentNormal(2)),
        tfvae.networks.Decoder(tfvae.networks.MLP([]), tfvae.layers.IndependentBernoulli((2, 2))),
    )
    vae.build((None, 2, 2))
    vae.compile("sgd")
    vae.save(path)
    return path.read_bytes()


@pytest.fixture
def rebuilt(saved, tmp_path):
    """Makes the model's file anew, with members changed, added or left out."""

    def make(change=None, weights=None, **members):
        with zipfile.ZipFile(io.BytesIO(saved)) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        if change is not None:
            config = json.loads(content["config.json"])
            change(config)
            content["config.json"] = json.dumps(config).encode()
        content["model.weights.h5"] = weights or content["model.weights.h5"]
        content.update({name: value for name, value in members.items() if value is not None})
        path = tmp_path / "m.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, value in content.items():
                archive.writestr(name, value)
        return path

    return make


def refused(read, *arguments):
    """The line of the refusal."""
    with pytest.raises(UserError) as error:
        read(*arguments)
    line = str(error.value)
    assert "\n" not in line
    assert 10 < len(line) < 700
    return line


def test_nothing_changed_loads(rebuilt):
    assert isinstance(tfvae.load(rebuilt()), tfvae.VAE)


def layer(class_name, module, config=None, **more):
    node = {"class_name": class_name, "module": module, "config": config or {}, **more}
    return lambda c: c["config"]["encoder"]["config"].__setitem__("trunk", node)


HOSTILE = {
    "lambda": layer("Lambda", "keras.layers", {"function": {
        "class_name": "__lambda__", "config": {"value": ["4wA=", None, None]}}}),
    "class of another module": layer("Popen", "subprocess", {"args": ["touch", "pwned"]}),
    "function of another module": layer("function", "os", "system"),
    "function of a registered name": layer("function", "builtins", "eval", registered_name="eval"),
    "keras that fetches": layer("function", "keras.utils", "get_file"),
    "keras that loads": layer("function", "keras.saving", "load_model"),
    "keras inside": layer("Popen", "keras.src.utils.io_utils"),
    "saved model": layer("TFSMLayer", "keras.layers", {"filepath": "/tmp/x"}),
    "torch": layer("TorchModuleWrapper", "keras.layers", {"module": "gASV"}),
    "unknown of ours": layer("Evil", "tfvae.layers", registered_name="tfvae>Evil"),
    "typespec": layer("__typespec__", "tensorflow", [], spec_name="TensorSpec"),
    "wide": layer("MLP", "tfvae.networks.mlp", {"units": [10**7]}, registered_name="tfvae>MLP"),
    "wider": layer("Dense", "keras.layers", {"units": 10**13, "name": "d"}),
    "shape": lambda c: c["build_config"].update(
        {k: [None, 10**6, 10**6] for k in c["build_config"]} | {"input_shape": [None, 10**9, 9]}
    ),
    "no object": lambda c: c.clear(),
    "deep": lambda c: c.update(config=json.loads("[" * 900 + "]" * 900)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_configuration_runs_nothing(name, rebuilt, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(os, "system", lambda *args: ran.append(args))
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **kwargs: ran.append(args))
    path = rebuilt(HOSTILE[name])
    before = sorted(os.listdir(tmp_path))
    refused(tfvae.load, path)
    assert ran == []
    assert sorted(os.listdir(tmp_path)) == before
    assert not os.path.exists("pwned")


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "assets/../../evil", "assets/..\\..\\evil", "x.py", "C:/evil"]
)
def test_no_member_is_written_outside(name, rebuilt):
    assert "there is no place for" in refused(tfvae.load, rebuilt(**{name: b"x"}))


def test_a_link_in_the_archive_is_refused(rebuilt):
    path = rebuilt()
    info = zipfile.ZipInfo("assets/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "is a link" in refused(tfvae.load, path)


def test_a_member_that_grows_is_refused(rebuilt):
    path = rebuilt()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(40 << 20))
    assert "would grow" in refused(tfvae.load, path)


def test_twice_the_same_member_is_refused(rebuilt):
    path = rebuilt()
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("config.json", "{}")
    refused(tfvae.load, path)


def weights(fill):
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file, h5py)
    return buffer.getvalue()


H5 = {
    "external link": lambda f, h: f.__setitem__("layers", h.ExternalLink("/etc/passwd", "/x")),
    "soft link": lambda f, h: f.__setitem__("layers", h.SoftLink("/x")),
    "external data": lambda f, h: f.create_dataset(
        "vars", (100,), "u1", external=[("/etc/passwd", 0, 100)]
    ),
    "not stored": lambda f, h: f.create_dataset("vars", (10**12,), "f4", chunks=(1000,)),
    "nothing": lambda f, h: None,
}


@pytest.mark.parametrize("name", H5)
def test_hostile_weights_are_refused(name, rebuilt):
    refused(tfvae.load, rebuilt(weights=weights(H5[name])))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["encoder/layers/dense/vars/1", "optimizer/vars/1"])
def test_weights_that_are_not_finite_are_refused(value, place, saved, rebuilt):
    import h5py

    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        buffer = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(buffer, "r+") as file:
        array = file[place]
        array[...] = np.where(np.arange(array.size) == 0, value, 1).reshape(array.shape)
    line = refused(tfvae.load, rebuilt(weights=buffer.getvalue()))
    assert f"the array '{place}' in it holds NaN or infinity" in line


def test_what_is_no_file_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "link.keras").symlink_to(tmp_path / "gone")
    (tmp_path / "folder.keras").mkdir()
    expected = {
        "/dev/zero": "a device", tmp_path / "pipe.keras": "a pipe",
        tmp_path / "link.keras": "a link to nothing", tmp_path / "folder.keras": "a folder",
    }  # fmt: skip
    for path, kind in expected.items():
        assert refused(tfvae.load, path).startswith(f"{path} is {kind}: ")
        assert f"{path} is {kind}: " in refused(data.load, f"npz:{path}")


def test_no_pickle_in_arrays(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    np.savez(tmp_path / "a.npz", x=np.array([Evil()], dtype=object))
    np.save(tmp_path / "b.npy", np.array([Evil()], dtype=object))
    for name in ("a.npz", "b.npy"):
        refused(data.load, f"npz:{tmp_path / name}")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    )
    (tmp_path / "c.npy").write_bytes(header.getvalue() + bytes(80))
    refused(data.load, f"npz:{tmp_path / 'c.npy'}")
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    refused(data.load, f"npz:{tmp_path / 'd.npz'}")
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("../../x", "no array")
    refused(data.load, f"npz:{tmp_path / 'e.npz'}")
    assert not (tmp_path / "pwned").exists()


def damaged(content, rng):
    """Cuts, flips, overwrites, doubles or fills with zeros."""
    content = bytearray(content)
    where, length = rng.randrange(len(content)), rng.choice([1, 1, 4, 64, 1024])
    how = rng.randrange(5)
    if how == 0:
        del content[where:]
    elif how == 1:
        content[where] ^= 1 << rng.randrange(8)
    elif how == 2:
        content[where : where + length] = rng.randbytes(length)
    elif how == 3:
        content[where:where] = content[where : where + length]
    else:
        content[where : where + length] = bytes(length)
    return bytes(content)


def fuzz(seed, count, content, path, read, same):
    """Damages a file so many times; counts those that are refused in one line."""
    rng, count_refused = random.Random(seed), 0
    for number in range(count):
        path.write_bytes(damaged(content, rng))
        try:
            with readable_errors():
                result = read(path)
        except UserError as error:
            lines = str(error).splitlines()
            assert len(lines) == 1, (number, lines)
            count_refused += 1
        else:
            assert same(result), number
    return count_refused


def test_fuzz_models(saved, tmp_path):
    whole = tmp_path / "whole.keras"
    whole.write_bytes(saved)
    expected = [w.numpy() for w in tfvae.load(whole).weights]

    def same(vae):
        return all(np.array_equal(a, b.numpy()) for a, b in zip(expected, vae.weights, strict=True))

    assert fuzz(0, 150, saved, tmp_path / "m.keras", tfvae.load, same) > 120


def test_fuzz_configurations_of_models(rebuilt, saved):
    """Values changed with their checksum: refused, or another model, and nothing else."""
    rng = random.Random(1)
    values = [
        None,
        -1,
        0,
        10**12,
        "x",
        [],
        {},
        "../../x",
        True,
        1e308,
        [[[]]],
        {"class_name": "os"},
    ]

    def leaves(node, found):
        for key in node if isinstance(node, dict) else range(len(node)):
            found.append((node, key))
            if isinstance(node[key], (dict, list)):
                leaves(node[key], found)
        return found

    def change(config):
        node, key = rng.choice(leaves(config, []))
        node[key] = rng.choice(values)

    count_refused = 0
    for _ in range(40):
        path = rebuilt(change)
        try:
            assert isinstance(tfvae.load(path), keras.Model)
        except UserError as error:
            lines = str(error).splitlines()
            assert len(lines) == 1, lines
            count_refused += 1
    assert count_refused > 10


@pytest.mark.parametrize("compressed", [False, True])
def test_fuzz_arrays(compressed, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, x=x, y=np.arange(30))
    count = fuzz(2, 150, buffer.getvalue(), tmp_path / "a.npz", lambda path: read_npz(str(path)),
                 lambda arrays: all(np.array_equal(arrays[k], v) for k, v in
                                    (("x", x), ("y", np.arange(30))) if k in arrays))  # fmt: skip
    assert count > 100


def test_fuzz_records(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 1), dtype=np.uint8)
    path = tmp_path / "a.tfrecord"
    data.write_tfrecord(path, x)

    def read(path):
        dataset = data.load(f"tfrecord:{path}", "all", 4, values="levels", shuffle=False)
        return np.concatenate(list(dataset.as_numpy_iterator()))

    content = path.read_bytes()
    same = lambda one: np.array_equal(one, x.astype(np.float32))  # noqa: E731
    assert fuzz(3, 20, content, path, read, same) > 16


def test_fuzz_images(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    content = tf.io.encode_png(image).numpy()
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(content)

    def read(path):
        dataset = data.load(f"images:{tmp_path}", "all", 2, values="levels")
        return np.concatenate(list(dataset.as_numpy_iterator()))

    fuzz(4, 12, content, tmp_path / "1.png", read, lambda x: x.shape == (2, 6, 6, 3))


def test_fuzz_configurations_of_runs(tmp_path):
    folder = Workdir(tmp_path)
    folder.claim(default_config())
    content = folder.config.read_bytes()
    count = fuzz(5, 300, content, folder.config, lambda path: folder.read_config(),
                 lambda config: set(config) == set(default_config()))  # fmt: skip
    assert count > 150


ABSURD = [10**6, 10**9, 10**12, 10**30, 1e12, 1e308, float("inf"), float("nan")]
ABSURD_LISTS = [(10**9,), (10**30, 8), (1,) * 10**6, (10**6, 10**6), (float("inf"),)]
ABSURD_TEXTS = ["1x1000000000", "1000000000x1", "1x" + "9" * 5000, ",".join(["4x900"] * 9)]


def test_fuzz_sizes_of_configurations(monkeypatch):
    """One field or two at a time: refused in a line before anything is made, or of no weight."""
    monkeypatch.setattr(sizes, "memory_bytes", lambda: 64e6)  # so that what passes is small
    rng = random.Random(6)
    fields = [
        (recipe, field, value)
        for field, value in flat(default_config()).items()
        for recipe in ([field.split(".")[0]] if "vae." in field else ["vae"])
        if not isinstance(value, (bool, str)) and field != "checkpoint_every"
    ]
    count_refused = 0
    for _ in range(150):
        recipe, field, value = rng.choice(fields)
        config = default_config()
        config.recipe = recipe
        if field.split(".")[0] in ("conv", "resnet"):
            config.network = field.split(".")[0]
        values = ABSURD_LISTS if isinstance(value, list) else ABSURD
        values = ABSURD_TEXTS if field in sizes.DEPTHS else values
        with config.ignore_type():
            config.update_from_flattened_dict({field: rng.choice(values)})
        try:
            check_config(config)
            bounds = schema.fields()[field].option.bounds
            if isinstance(value, list) or (bounds and bounds.high <= UNITS):
                build_model(config)  # the others have no weight
        except UserError as error:
            lines = str(error).splitlines()
            assert len(lines) == 1, lines
            assert len(lines[0]) < 400, lines
            count_refused += 1
    assert count_refused > 100


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("hidden", (10**9,), r"config\.hidden is \[1000000000\]: give at most 1000 .* 1000000$"),
        ("hidden", (1,) * 10**6, "and 999996 more"),
        ("hidden", (10**6, 10**6), r"config\.hidden asks for 2e\+12 weights or more"),
        (
            "latent_dim",
            10**12,
            "config.latent_dim is 1000000000000: give .* from 1 to 1000000$",
        ),
        ("batch_size", 10**12, "config.batch_size is 1000000000000"),
        ("batch_size", 10**6, r"takes 0\.8 GB for one layer of 200 units"),
    ],
)
def test_sizes_are_refused_by_their_names(field, value, words, monkeypatch):
    monkeypatch.setattr(sizes, "memory_bytes", lambda: 64e6)
    config = default_config()
    config[field] = value
    with pytest.raises(UserError, match=words):
        check_config(config)


def test_weights_that_memory_does_not_hold_are_refused(monkeypatch):
    monkeypatch.setattr(sizes, "memory_bytes", lambda: 64e6)
    config = default_config()
    config.batch_size, config.hidden = 2, (10**6,)
    check_config(config)
    with pytest.raises(UserError, match=r"more than .* weights, .* GB of this machine: give fewer"):
        build_model(config)
