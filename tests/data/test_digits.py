import numpy as np
from sklearn.datasets import load_digits

from tfvae import data


def test_all_digits_of_scikit_learn_with_their_labels():
    x, label = next(iter(data.load("digits", "all", 1797, labels=True, values="levels")))
    bunch = load_digits()
    found = sorted((tuple(one.ravel()), int(y)) for one, y in zip(x.numpy(), label, strict=True))
    real = sorted((tuple(one), int(y)) for one, y in zip(bunch.data, bunch.target, strict=True))
    assert found == real


def test_both_splits_have_all_digits():
    assert data.info("digits").splits == {"train": 1500, "test": 297, "all": 1797}
    _, label = next(iter(data.load("digits", "test", 297, labels=True)))
    assert np.bincount(label, minlength=10).min() >= 15


def test_split_never_changes():
    _, label = next(iter(data.load("digits", "test", 297, labels=True)))
    assert label.numpy()[:12].tolist() == [2, 2, 9, 8, 8, 3, 6, 0, 4, 4, 7, 6]
