import itertools

import pytest

from tfvae.data.splits import parse_split, split_sizes
from tfvae.errors import UserError

SPLITS = {"train": 900, "test": 101, "all": 1001}


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", range(900)),
        ("test", range(900, 1001)),
        ("all", range(1001)),
        ("train[:500]", range(500)),
        ("train[90%:]", range(810, 900)),
        ("train[10:20]", range(10, 20)),
        ("train[-5:]", range(895, 900)),
        ("test[:-1]", range(900, 1000)),
        ("test[:50%]", range(900, 950)),
        ("all[100%:100%]", None),
        ("train[5:5]", None),
    ],
)
def test_parse_split(split, expected):
    if expected is None:
        with pytest.raises(UserError, match="holds no example"):
            parse_split(split, SPLITS)
    else:
        assert parse_split(split, SPLITS) == expected


def test_percentages_cut_without_gap_or_overlap():
    parts = [parse_split(f"test[{low}%:{low + 7}%]", SPLITS) for low in range(0, 98, 7)]
    assert all(a.stop == b.start for a, b in itertools.pairwise(parts))


@pytest.mark.parametrize("split", ["train[", "train[1:2:3]", "train[a:]", "", "train+test", None])
def test_malformed(split):
    with pytest.raises(UserError, match="cannot read the split"):
        parse_split(split, SPLITS)


def test_unknown_split_names_the_near_one():
    with pytest.raises(UserError, match="unknown split 'trian': did you mean 'train'"):
        parse_split("trian", SPLITS)


@pytest.mark.parametrize("split", ["train[:901]", "train[:101%]", "test[-102:]"])
def test_beyond_the_end(split):
    with pytest.raises(UserError, match=r"there are \d+ examples"):
        parse_split(split, SPLITS)


def test_split_sizes():
    assert split_sizes(100) == (90, 10)
    assert split_sizes(3) == (2, 1)
    assert split_sizes(1) == (1, 0)
