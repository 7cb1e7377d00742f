from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import distribute
from tfvae.data.worker_shares import share_of
from tfvae.distribute import workers
from tfvae.runs.own_folder import own_folder

OTHER = SimpleNamespace(extended=SimpleNamespace(should_checkpoint=False))  # not the chief
POLICY = tf.data.experimental.AutoShardPolicy


class Cluster(tf.distribute.MultiWorkerMirroredStrategy):
    """What `lost_workers` asks of a strategy, without a cluster."""

    cluster_resolver = SimpleNamespace(task_type="worker", task_id=0)

    def __init__(self):
        pass


def test_one_process_is_the_chief_and_agrees_with_itself(mirrored):
    assert distribute.is_chief()
    assert distribute.is_chief(mirrored)
    assert not distribute.is_chief(OTHER)
    assert not workers.several_workers(mirrored)
    assert workers.sums(mirrored, [3, 4]) == workers.from_chief(mirrored, [3, 4]) == [3, 4]


@pytest.mark.parametrize(
    ("message", "who"),
    [
        ("from /job:worker/task:1: stopped: /job:worker/replica:0/task:1", "worker 1"),
        ("/job:worker/replica:0/task:0 calls /job:chief/replica:0/task:0", "chief 0"),
        ("/job:worker/task:2 and /job:worker/task:11", "worker 11 and worker 2"),
        ("Socket closed", "another worker"),
    ],
)
@pytest.mark.parametrize("error", [tf.errors.UnavailableError, tf.errors.AbortedError])
def test_a_lost_worker_is_named(error, message, who):
    with (
        pytest.raises(tfvae.UserError, match=f"^{who} of the cluster stopped.*start all") as raised,
        workers.lost_workers(Cluster()),
    ):
        raise error(None, None, message)
    assert isinstance(raised.value, tfvae.errors.LostWorkerError)


def test_other_errors_stay_what_they_are(mirrored):
    with pytest.raises(tf.errors.UnavailableError), workers.lost_workers(mirrored):
        raise tf.errors.UnavailableError(None, None, "no cluster here")
    with pytest.raises(tf.errors.InvalidArgumentError), workers.lost_workers(Cluster()):
        raise tf.errors.InvalidArgumentError(None, None, "a mistake")


def test_data_are_shared_by_batches_unless_they_say_otherwise(mirrored):
    def policy(data):
        return data.options().experimental_distribute.auto_shard_policy

    data = tf.data.Dataset.range(4).batch(2)
    assert policy(workers.shared(data, mirrored)) == POLICY.DATA
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = POLICY.FILE
    assert policy(workers.shared(data.with_options(options), mirrored)) == POLICY.FILE
    assert workers.shared(None, mirrored) is None
    assert list(workers.shared(data, mirrored).unbatch().as_numpy_iterator()) == [0, 1, 2, 3]


def test_a_workers_share_is_shared_out_among_its_replicas():
    data = tfvae.data.load("sprites", "train[:10]", 7, labels=True, shuffle=False)
    whole = list(data.as_numpy_iterator())
    parts = [
        iter(workers._of_worker(share_of(data), tf.distribute.InputContext(2, pipeline, 6)))
        for pipeline in range(2)
    ]
    for batch in whole:  # of 7 and of 3, on two workers with three replicas each
        of_replicas = [next(part) for part in parts for _ in range(3)]
        for k in range(2):
            assert np.array_equal(batch[k], np.concatenate([one[k] for one in of_replicas]))
    assert [len(list(part)) for part in parts] == [0, 0]
    assert share_of(data.map(lambda x, label: x)) is None
    assert share_of(tfvae.data.load("digits")) is None  # in memory: shared by batches


def test_callbacks_of_a_worker_that_is_not_the_chief(mirrored, tmp_path):
    stop = keras.callbacks.EarlyStopping()
    writers = [
        keras.callbacks.CSVLogger(tmp_path / "a.csv"),
        keras.callbacks.TensorBoard(tmp_path),
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras"),
    ]
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    every = [stop, *writers, backup]
    assert workers.callbacks_here(mirrored, every) == every
    assert workers.callbacks_here(mirrored, None) == []
    ready = keras.callbacks.CallbackList(writers)
    assert workers.callbacks_here(OTHER, ready) is ready
    first, restore = workers.callbacks_here(OTHER, every)
    assert first is stop
    restored = []
    backup.on_train_begin = restored.append
    restore.set_model(keras.Sequential())
    restore.on_train_begin({})
    restore.on_epoch_end(0, {})
    restore.on_train_end({})
    assert restored == [{}]
    assert not (tmp_path / "backup").exists()


@pytest.fixture
def a_worker(monkeypatch):
    """This process passes for worker 1; gives the numbers that the chief says."""
    said = []
    monkeypatch.setattr(workers, "several_workers", lambda strategy: True)
    monkeypatch.setattr(workers, "is_chief", lambda strategy: False)
    monkeypatch.setattr(
        workers, "from_chief", lambda strategy, numbers=(0,): said.pop(0) if said else numbers
    )
    return said


def test_a_worker_works_in_a_folder_of_its_own(a_worker, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    files = {"config.json": b"{}", "metrics.csv": b"1", "checkpoints/step-000000001.keras": b"2"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with own_folder(OTHER, tmp_path) as own:
        assert own != tmp_path
        for name, content in files.items():
            assert (own / name).read_bytes() == content
            (own / name).unlink()
        (own / "config.json").write_text("new")
    assert not own.exists()
    for name, content in files.items():
        assert (tmp_path / name).read_bytes() == content


def test_a_worker_that_sees_another_folder_is_refused(a_worker, tmp_path):
    a_worker.append([1])
    with (
        pytest.raises(tfvae.UserError, match="a file system that all workers share"),
        own_folder(OTHER, tmp_path),
    ):
        pass


def test_one_process_works_in_the_folder_itself(mirrored, tmp_path):
    with own_folder(mirrored, str(tmp_path)) as own:
        assert own == tmp_path
