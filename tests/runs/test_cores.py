"""How the cores are shared out among branches, and who decides it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tfvae import options, recipes
from tfvae.runs import cores, default_config
from tfvae.runs.build import build_model
from tfvae.trainer.branches import why_whole

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.argv = ["tfvae-train", "--config=configs/digits.py", "--workdir=" + sys.argv[1],
            "--config.epochs=1", "--config.train_split=train[:128]"]
import os
os.sched_getaffinity = lambda _: set(range(4))
from tfvae.cli import train
from tfvae.runs import loop
build = loop.build_model
def seen(*args, **kwargs):
    vae = build(*args, **kwargs)
    import tensorflow as tf
    threads = tf.config.threading
    print(vae.branches, threads.get_intra_op_parallelism_threads(),
          threads.get_inter_op_parallelism_threads())
    sys.exit(0)
loop.build_model = seen
train.run()
"""


@pytest.fixture
def threads(monkeypatch):
    """Four cores, no wish of the user's; what is set, as (intra, inter)."""
    found = {"intra": 0, "inter": 0}
    monkeypatch.setattr(cores, "_cores", lambda: 4)
    for name in cores.OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    for kind in found:
        setter = f"set_{kind}_op_parallelism_threads"
        monkeypatch.setattr(
            tf.config.threading, setter, lambda n, kind=kind: found.__setitem__(kind, n)
        )
    monkeypatch.setattr(
        tf.config.threading, "get_intra_op_parallelism_threads", lambda: found["intra"]
    )
    return found


def config(**fields):
    changed = default_config()
    changed.update({"train_split": "train[:64]", "batch_size": 32, "hidden": (4,), **fields})
    return changed


def test_each_branch_gets_its_share(threads):
    cores.share_cores(2)
    assert threads == {"intra": 2, "inter": 2}


@pytest.mark.parametrize("branches", [1, 5])
def test_one_branch_and_more_than_there_are_cores_set_nothing(threads, branches):
    cores.share_cores(branches)
    assert threads == {"intra": 0, "inter": 0}


@pytest.mark.parametrize("name", cores.OF_THE_USER)
def test_what_the_user_set_stays(threads, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    cores.share_cores(2)
    assert threads == {"intra": 0, "inter": 0}


def test_a_started_tensorflow_is_no_failure(monkeypatch):
    tf.constant(0)
    monkeypatch.setattr(cores, "_cores", lambda: 64)
    for name in cores.OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    cores.share_cores(2)


@pytest.mark.parametrize(
    ("fields", "options", "branches"),
    [
        ({}, {}, 2),
        ({"recipe": "iwae"}, {"strategy": "one_device"}, 2),
        ({}, {"strategy": "mirrored"}, 1),
        ({}, {"strategy": "multi_worker"}, 1),
        ({}, {"strategy": "mirrored", "replicas": 3}, 3),
        ({"branches": 3}, {}, 3),
        ({"branches": 1}, {}, 1),
        ({"xla": True}, {}, 1),
        ({"free_bits": 0.1}, {}, 1),
        ({"capacity": 1.0}, {}, 1),
        ({"recipe": "vq_vae"}, {}, 1),
        ({"network": "conv"}, {}, 2),
        ({"network": "conv", "recipe": "iaf_vae"}, {}, 1),
        ({"network": "resnet"}, {}, 1),
    ],
)
def test_where_branches_are_wanted(fields, options, branches):
    assert cores.wanted_branches(config(**fields), **options) == branches


@pytest.mark.parametrize("recipe", cores.PAYS["mlp"])
def test_no_recipe_gets_branches_that_would_be_refused(recipe, threads):
    one = config(recipe=recipe, dataset="digits")
    cores.share_cores(cores.wanted_branches(one))
    vae = build_model(one)
    assert why_whole(vae) is None
    assert vae.branches == 2


def test_without_shared_cores_a_batch_stays_whole(threads):
    assert build_model(config()).branches == 1
    assert build_model(config(branches=2)).branches == 2


def test_the_lists_are_of_networks_and_recipes():
    for network, names in cores.PAYS.items():
        assert network in options.names("network")
        assert set(names) <= set(recipes.names())


@pytest.mark.exhaustive
def test_the_command_shares_them(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in cores.OF_THE_USER}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["2", "2", "2"], done
