import numpy as np
import pytest

from tfvae import data
from tfvae.errors import MissingFileError, UserError


def first(name, split="all", **keywords):
    return next(data.load(name, split, 1000, **keywords).as_numpy_iterator())


def test_splits_of_the_file(tmp_path):
    x = np.arange(15, dtype=np.uint8)[:, None] * 10
    np.savez(tmp_path / "a.npz", x_train=x[:10], x_test=x[10:], y_train=x[:10, 0], y_test=x[10:, 0])
    name = f"npz:{tmp_path}/a.npz"
    assert data.info(name).splits == {"train": 10, "test": 5, "all": 15}
    test, label = first(name, "test", labels=True, values="levels")
    assert np.array_equal(test, x[10:])
    assert np.array_equal(label, x[10:, 0])


@pytest.mark.parametrize("arrays", [("x",), ("x", "z"), ("faces",), ("faces", "y")])
def test_one_array_is_split_90_10(tmp_path, arrays):
    values = {name: np.random.default_rng(0).random((50, 3)) for name in arrays}
    if "y" in values:
        values["y"] = np.arange(50)
    np.savez(tmp_path / "a.npz", **values)
    name = "npz:a.npz"
    info = data.info(name, data_dir=tmp_path)
    assert info.splits == {"train": 45, "test": 5, "all": 50}
    assert (info.shape, info.levels) == ((3,), None)
    every = first(name, data_dir=tmp_path)
    expected = values[arrays[0]].astype(np.float32)
    assert sorted(map(tuple, every)) == sorted(map(tuple, expected))
    assert not np.array_equal(every, expected)  # permuted, so that test is like train
    if "y" in values:
        every, label = first(name, labels=True, data_dir=tmp_path)
        assert np.array_equal(every, expected[label])


def test_key_takes_one_array(tmp_path):
    x = np.zeros((20, 2, 2), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x[:3], faces=x + 7, y=np.arange(20))
    assert data.info(f"npz:{tmp_path}/a.npz#faces").splits["all"] == 20
    levels, label = first(f"npz:{tmp_path}/a.npz#faces", values="levels", labels=True)
    assert np.all(levels == 7)
    assert sorted(label) == list(range(20))


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.full((10, 4, 4), 255, np.uint8))
    assert first(f"npz:{tmp_path}/a.npy").shape == (10, 4, 4, 1)


def test_relative_to_the_working_folder_first(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    np.savez(tmp_path / "here" / "a.npz", x=np.zeros((10, 1), np.float32))
    np.savez(tmp_path / "there" / "a.npz", x=np.ones((10, 1), np.float32))
    monkeypatch.chdir(tmp_path / "here")
    assert first("npz:a.npz", data_dir=tmp_path / "there").max() == 0
    monkeypatch.chdir(tmp_path)
    assert first("npz:a.npz", data_dir=tmp_path / "there").min() == 1
    monkeypatch.setenv("TFVAE_DATA_DIR", str(tmp_path / "here"))
    assert first("npz:a.npz").max() == 0


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}, None]))
    with pytest.raises(UserError, match=r"cannot read .*a\.npz as arrays of numbers"):
        data.load(f"npz:{tmp_path}/a.npz")


def test_refusals(tmp_path):
    with pytest.raises(MissingFileError, match=r"no file 'a\.npz'"):
        data.load("npz:a.npz", data_dir=tmp_path)
    (tmp_path / "a.npz").write_bytes(b"not a zip file")
    with pytest.raises(UserError, match="cannot read"):
        data.load("npz:a.npz", data_dir=tmp_path)
    np.savez(tmp_path / "b.npz", u=np.zeros((2, 2)), v=np.zeros((2, 2)))
    with pytest.raises(UserError, match=r"it has u, v: add one to the name, as in 'npz:b\.npz#u'"):
        data.load("npz:b.npz", data_dir=tmp_path)
    with pytest.raises(UserError, match=r"no array 'w' in .*: it has u, v"):
        data.load("npz:b.npz#w", data_dir=tmp_path)
