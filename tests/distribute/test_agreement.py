import importlib.metadata
import json

import pytest

from tfvae.distribute import agreement
from tfvae.distribute.agreement import agree, difference, versions
from tfvae.errors import UserError

NAMES = ["chief 0", "worker 0", "worker 1"]


def test_what_differs_is_named():
    same = {"seed": 0, "beta": None, "hidden": [2, 3]}
    assert difference([same] * 3, NAMES) is None
    assert difference([same], NAMES[:1]) is None
    found = difference([same, same, {**same, "seed": 1, "more": True}], NAMES)
    assert found.startswith("worker 1 of the cluster differs from chief 0: seed is 1 and not 0; ")
    assert "more is True and not None: start all workers with the same command" in found
    many = dict.fromkeys("abcdef", 1)
    found = difference([many, dict.fromkeys("abcdef", 2), many], NAMES)
    assert found.count(" and not ") == 3
    assert ", and 3 more: " in found
    found = difference([same, same, {"error": "no file 'x'"}], NAMES)
    assert found == "worker 1 of the cluster: no file 'x'"


def test_one_process_agrees_with_itself_and_its_mistakes_are_its_own(mirrored):
    agree(mirrored, lambda: {"seed": 0})

    def mistake():
        raise UserError("no file")

    with pytest.raises(UserError, match="no file"):
        agree(mirrored, mistake)


def test_long_values_are_compared_by_a_digest():
    one, other = ({"weights": list(range(n))} for n in (100, 101))
    plain = [agreement._plain(value) for value in (one, other, dict(one))]
    assert plain[0] == plain[2] != plain[1]
    assert len(json.dumps(plain[0])) < 50
    assert agreement._plain((1, 2)) == [1, 2]


def test_versions():
    found = versions()
    assert found["keras"] == importlib.metadata.version("keras")
    assert {"tfvae", "python", "tensorflow", "numpy"} <= set(found)
