import json

import pytest

import tfvae
from tfvae import distribute
from tfvae.distribute import cluster

SLURM = {
    "SLURM_JOB_ID": "1234",
    "SLURM_PROCID": "2",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "node[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ("TF_CONFIG", "TPU_NAME", *SLURM):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tf_config(monkeypatch):
    """Sets TF_CONFIG to a cluster and a task of it."""

    def put(kind="worker", index=0, **jobs):
        jobs = jobs or {"worker": ["a:1", "b:1"]}
        text = json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})
        monkeypatch.setenv("TF_CONFIG", text)

    return put


@pytest.mark.parametrize(
    ("kind", "index", "jobs"),
    [
        ("worker", 1, {"worker": ["a:1", "b:1"]}),
        ("worker", "1", {"worker": ["a:1", "b:1"]}),  # as text
        ("chief", 0, {"chief": ["a:1"], "worker": ["b:1"]}),
        ("worker", 0, {"chief": ["a:1"], "worker": ["b:1"]}),
        ("worker", 0, {"worker": ["a:1"]}),
    ],
)
def test_a_cluster_of_tf_config(tf_config, kind, index, jobs):
    tf_config(kind, index, **jobs)
    resolver = cluster.worker_resolver()
    assert resolver.cluster_spec().as_dict() == jobs
    assert (resolver.task_type, resolver.task_id) == (kind, int(index))


def test_the_master_of_older_managers_is_the_chief(tf_config):
    tf_config("master", 0, master=["a:1"], worker=["b:1"])
    resolver = cluster.worker_resolver()
    assert resolver.cluster_spec().as_dict() == {"chief": ["a:1"], "worker": ["b:1"]}
    assert resolver.task_type == "chief"


@pytest.mark.parametrize(
    ("kind", "index", "jobs", "message"),
    [
        ("worker", 2, {}, "the task is worker 2, and the cluster has 2 worker"),
        ("chief", 0, {}, "the task is chief 0"),
        ("worker", -1, {}, "the task is worker -1"),
        ("evaluator", 0, {}, "a task 'evaluator', which has no part"),
        ("worker", 0, {"worker": ["a:1"], "evaluator": ["b:1"]}, "'evaluator'"),
        ("worker", 0, {"worker": ["a:1"], "ps": ["b:1"]}, "a task 'ps', which has no part"),
        ("worker", 0, {"worker": ["a:1", "a:1"]}, "an address twice"),
        ("worker", 0, {"chief": ["a:1", "c:1"], "worker": ["b:1"]}, "several chiefs"),
    ],
)
def test_what_is_no_cluster_of_workers_is_refused(tf_config, kind, index, jobs, message):
    tf_config(kind, index, **jobs)
    with pytest.raises(tfvae.UserError, match=message):
        distribute.strategy("multi_worker")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"cluster": {}}', '{"cluster": {"a": 1}}'])
def test_a_tf_config_that_cannot_be_read_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(tfvae.UserError, match=r"TF_CONFIG='.*distributed.md"):
        distribute.strategy("multi_worker")


def test_a_job_step_of_slurm(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    resolver = cluster.worker_resolver()
    port = 15000 + 1234 * 16 % 16000
    workers = [f"node07:{port}", f"node07:{port + 1}", f"node08:{port}"]
    assert resolver.cluster_spec().as_dict() == {"worker": workers}
    assert (resolver.task_type, resolver.task_id) == ("worker", 2)
    # What a user sets counts, inside a job as well.
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'
    )
    assert cluster.worker_resolver().cluster_spec().as_dict() == {"worker": ["a:1"]}


def test_a_job_of_slurm_without_a_step_is_refused(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(tfvae.UserError, match=r"SLURM_STEP_NUM_TASKS.*srun"):
        distribute.strategy("multi_worker")


@pytest.mark.usefixtures("no_tpu")
def test_no_cluster_and_no_tpu():
    with pytest.raises(tfvae.UserError, match=r"finds no cluster: set TF_CONFIG, or .*srun"):
        distribute.strategy("multi_worker")
    with pytest.raises(tfvae.UserError, match=r"finds no TPU under the name 'local'.*TPU_NAME"):
        distribute.strategy("tpu")


def test_a_strategy_that_comes_too_late_is_refused(tf_config):
    distribute.strategy("one_device")  # lists the devices: TensorFlow has started
    tf_config()
    with pytest.raises(tfvae.UserError, match="'multi_worker' comes too late"):
        distribute.strategy("multi_worker")
    with pytest.raises(tfvae.UserError, match="logical_devices=5 comes too late"):
        distribute.strategy("mirrored", logical_devices=5)


@pytest.mark.parametrize(("name", "devices"), [("auto", 2), ("multi_worker", 2), ("mirrored", 1)])
def test_logical_devices_are_for_mirrored(name, devices):
    with pytest.raises(tfvae.UserError, match=f"logical_devices={devices} with strategy '{name}'"):
        distribute.strategy(name, logical_devices=devices)


def test_logical_devices_that_are_there_already():
    assert distribute.strategy("mirrored", logical_devices=2).num_replicas_in_sync == 2
