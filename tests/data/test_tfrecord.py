import itertools
import json
import os
import pathlib
import time

import numpy as np
import pytest
import tensorflow as tf

from tfvae import data
from tfvae.data import tfrecord
from tfvae.data.checksums import masked_crc
from tfvae.data.record_index import count_records
from tfvae.errors import MissingFileError, UserError, readable_errors


def images(start, stop, shape=(3, 3, 1)):
    return np.stack([np.full(shape, number, np.uint8) for number in range(start, stop)])


def levels(name, split, batch_size=4, **keywords):
    dataset = data.load(name, split, batch_size, values="levels", **keywords)
    return [int(one) for x in dataset.as_numpy_iterator() for one in x[:, 0, 0, 0]]


@pytest.fixture
def name(tmp_path):
    """Four files, 10 + 20 + 3 + 12 records."""
    for number, (start, stop) in enumerate([(0, 10), (10, 30), (30, 33), (33, 45)]):
        data.write_tfrecord(
            tmp_path / f"part{number}.tfrecord", images(start, stop), range(start, stop)
        )
    return f"tfrecord:{tmp_path}/part*.tfrecord"


def test_every_tenth_record_is_for_testing(name):
    assert data.info(name).splits == {"train": 41, "test": 4, "all": 45}
    assert levels(name, "test") == [9, 19, 29, 39]
    train = levels(name, "train", shuffle=False)
    assert train == [number for number in range(45) if number % 10 != 9]
    assert sorted(levels(name, "all")) == list(range(45))


def test_slices(name):
    train = levels(name, "train", shuffle=False)
    assert levels(name, "train[5:20]", shuffle=False) == train[5:20]
    assert sorted(levels(name, "train[5:20]", drop_remainder=False)) == train[5:20]
    assert levels(name, "test[50%:]") == [29, 39]


def test_names_tell_the_split(tmp_path):
    data.write_tfrecord(tmp_path / "a-latest-train.tfrecord", images(0, 6))
    data.write_tfrecord(tmp_path / "b-train.tfrecord", images(6, 9))
    data.write_tfrecord(tmp_path / "a_test01.tfrecord", images(9, 13))
    name = f"tfrecord:{tmp_path}/*.tfrecord"
    assert data.info(name).splits == {"train": 9, "test": 4, "all": 13}
    assert levels(name, "test") == [9, 10, 11, 12]
    assert levels(name, "train[5:8]", shuffle=False) == [5, 6, 7]
    data.write_tfrecord(tmp_path / "c.tfrecord", images(0, 1))
    with pytest.raises(UserError, match=r"cannot tell the split of .*c\.tfrecord"):
        data.info(name)


def test_files_and_records_are_shuffled(name):
    order = levels(name, "all", 45, shuffle=True)
    assert sorted(order) == list(range(45))
    assert np.corrcoef(order, np.arange(45))[0, 1] < 0.6


def test_order_depends_on_seed_and_epoch_alone(name):
    tf.random.set_seed(1)
    one = levels(name, "train")
    tf.random.set_seed(2)
    assert levels(name, "train") == one
    assert levels(name, "train", seed=1) != one


def test_static_bits_belong_to_the_record(name):
    def bits(**keywords):
        dataset = data.load(name, "train", labels=True, binarization="static", **keywords)
        return {
            int(one): image.tobytes()
            for x, label in dataset.as_numpy_iterator()
            for image, one in zip(x, label, strict=True)
        }

    ordered = bits(batch_size=10, shuffle=False)
    shuffled = bits(batch_size=3, shuffle=True, drop_remainder=False)
    assert shuffled == ordered
    assert len(set(ordered.values())) > 10  # dark images: many are black


def test_resizing_and_channels(name):
    assert data.info(name, size=(6, 5), channels=3).shape == (6, 5, 3)
    dataset = data.load(name, "test", 4, size=(6, 5), channels=3, values="levels")
    x = next(dataset.as_numpy_iterator())
    assert np.array_equal(x[:, 3, 3, 1], [9, 19, 29, 39])


def test_another_shape_names_the_record(tmp_path):
    path = tmp_path / "mixed.tfrecord"
    data.write_tfrecord(path, [*images(0, 2), *images(2, 3, shape=(4, 3, 1))])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"record 2 of .*mixed\.tfrecord is 4x3"
    ):
        levels(f"tfrecord:{path}", "all")


def test_jpeg_records(tmp_path):
    encoded = tf.io.encode_jpeg(np.full((8, 8, 3), 77, np.uint8), quality=95).numpy()
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    example = tf.train.Example(features=tf.train.Features(feature={"image": feature}))
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(example.SerializeToString())
    x = next(data.load(f"tfrecord:{tmp_path}/a.tfrecord", "all", 1).as_numpy_iterator())
    assert np.abs(x * 255 - 77).max() <= 2


def test_count_records(tmp_path):
    path = str(tmp_path / "a.tfrecord")
    data.write_tfrecord(path, images(0, 17))
    assert count_records(path) == 17
    content = (tmp_path / "a.tfrecord").read_bytes()
    for damaged in (content[:-1], content + b"x", b"hello, world: this is no record file"):
        (tmp_path / "a.tfrecord").write_bytes(damaged)
        with pytest.raises(UserError, match="is no TFRecord file, is compressed or was cut short"):
            count_records(path)


def test_refusals(tmp_path):
    with pytest.raises(MissingFileError, match=r"no file matches 'none\*'"):
        data.load("tfrecord:none*", data_dir=tmp_path)
    (tmp_path / "empty.tfrecord").write_bytes(b"")
    with pytest.raises(MissingFileError, match="there is no record"):
        data.load("tfrecord:empty.tfrecord", data_dir=tmp_path)
    with tf.io.TFRecordWriter(str(tmp_path / "other.tfrecord")) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(UserError, match="no feature 'image'"):
        data.load("tfrecord:other.tfrecord", data_dir=tmp_path)
    data.write_tfrecord(tmp_path / "bare.tfrecord", images(0, 3))
    with pytest.raises(UserError, match="labels asked of"):
        data.load("tfrecord:bare.tfrecord", "all", labels=True, data_dir=tmp_path)


def test_writer_refusals(tmp_path):
    with pytest.raises(UserError, match="3 images and 2 labels"):
        data.write_tfrecord(tmp_path / "a", images(0, 3), [0, 1])
    with pytest.raises(UserError, match="image 0 is float64"):
        data.write_tfrecord(tmp_path / "a", np.zeros((2, 3, 3)))


def test_shards_and_their_manifest(tmp_path):
    def stream():
        yield from images(0, 10)

    path = tmp_path / "train.tfrecord"
    manifest = data.write_tfrecord(path, stream(), iter(range(10)), shards=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *(f"train-0000{i}-of-00003.tfrecord" for i in range(3)), "train.tfrecord.manifest.json",
    ]  # fmt: skip
    content = json.loads((tmp_path / "train.tfrecord.manifest.json").read_text())
    assert content["examples"] == 10
    assert [entry["records"] for entry in content["files"]] == [4, 3, 3]
    assert data.check_tfrecord(manifest) == 10
    name = f"tfrecord:{tmp_path}/train*"
    assert sorted(levels(name, "all", 5)) == list(range(10))

    shard = tmp_path / "train-00001-of-00003.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    with pytest.raises(UserError, match=r"train-00001-of-00003\.tfrecord is damaged"):
        data.check_tfrecord(manifest)
    shard.write_bytes(whole[:-7])
    with pytest.raises(UserError, match=rf"has {len(whole) - 7} bytes and {len(whole)} in its"):
        data.info(name)
    shard.unlink()
    with pytest.raises(UserError, match=r"train-00001-of-00003\.tfrecord is missing"):
        data.info(name)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="there are 2 labels and more images"):
        data.write_tfrecord(tmp_path / "a.tfrecord", iter(images(0, 3)), iter([0, 1]), shards=2)
    with pytest.raises(UserError, match="shards is 0"):
        data.write_tfrecord(tmp_path / "a.tfrecord", images(0, 3), shards=0)
    assert list(tmp_path.iterdir()) == []


def test_damaged_records_are_refused_or_left_out_and_counted(tmp_path):
    path = tmp_path / "a.tfrecord"
    data.write_tfrecord(path, images(0, 12), range(12))
    data.write_tfrecord(tmp_path / "b.tfrecord", images(12, 15), range(12, 15))
    (tmp_path / "a.tfrecord.manifest.json").unlink()
    name = f"tfrecord:{tmp_path}/*.tfrecord"
    content = bytearray(path.read_bytes())
    offsets = [0]
    while offsets[-1] < len(content):
        offsets.append(offsets[-1] + 16 + int.from_bytes(content[offsets[-1] :][:8], "little"))
    for number in (3, 7):  # a bit of the data: the checksum no longer fits
        content[offsets[number] + 30] ^= 1
    path.write_bytes(content[: offsets[11] + 20])  # and the last one is cut off
    with pytest.raises(UserError, match="cut short"):
        data.info(name)
    path.write_bytes(content)
    for shuffle in (False, True):
        with pytest.raises(UserError) as error, readable_errors():
            list(data.load(name, "all", 4, shuffle=shuffle, labels=shuffle))
        assert f"record 3 of {path} cannot be decoded" in str(error.value)
        assert "damaged='skip'" in str(error.value)
        assert "\n" not in str(error.value)

    path.write_bytes(content[: offsets[11] + 20])
    left = [n for n in range(15) if n not in (3, 7, 11)]
    assert data.info(name, damaged="skip").left_out == 3
    assert data.info(name, damaged="skip").splits["all"] == 12
    assert levels(name, "all", shuffle=False, damaged="skip") == left
    shuffled = levels(name, "all", shuffle=True, damaged="skip")
    assert sorted(shuffled) == left
    assert shuffled == levels(name, "all", shuffle=True, damaged="skip")


def test_behind_a_broken_length_the_next_record_is_found(tmp_path):
    path = tmp_path / "a.tfrecord"
    data.write_tfrecord(path, images(0, 12))
    (tmp_path / "a.tfrecord.manifest.json").unlink()
    name, whole = f"tfrecord:{path}", path.read_bytes()
    offsets = [0]
    while offsets[-1] < len(whole):
        offsets.append(offsets[-1] + 16 + int.from_bytes(whole[offsets[-1] :][:8], "little"))
    length = int.to_bytes(1 << 40, 8, "little")
    huge = length + int(masked_crc(np.frombuffer(length, np.uint8)[None])[0]).to_bytes(4, "little")
    for begin, filling, lost, left_out in (
        (offsets[4], b"\xff", {4}, 1),  # a length
        (offsets[4], bytes(offsets[6] - offsets[4] + 3), {4, 5, 6}, 1),  # three, and it says one
        (offsets[0], b"\xff", {0}, 1),
        (offsets[11], b"\xff", {11}, 1),
        (offsets[2], huge, {2}, 1),  # a length that is right and cannot be
        (offsets[8] + 8, b"\0\0\0\0", {8}, 1),  # the checksum of a length
    ):
        path.write_bytes(whole[:begin] + filling + whole[begin + len(filling) :])
        number = min(lost)
        with pytest.raises(
            UserError, match=rf"its record {number} at byte {offsets[number]} of {len(whole)}"
        ):
            data.info(name)
        assert data.info(name, damaged="skip").left_out == left_out
        left = [n for n in range(12) if n not in lost]
        assert levels(name, "all", shuffle=False, damaged="skip") == left


def test_files_without_any_record_are_soon_given_up(tmp_path):
    path, begin = tmp_path / "a.tfrecord", time.process_time()
    empty = bytes(8) + int(masked_crc(np.zeros((1, 8), np.uint8))[0]).to_bytes(4, "little")
    for content in (bytes(16_384), bytes(4 << 20), 2000 * (empty + bytes(4)), b"\xff" * 50_000):
        path.write_bytes(content)
        with pytest.raises(MissingFileError, match="there is no whole record in the files of"):
            data.info(f"tfrecord:{path}", damaged="skip")
        with pytest.raises(UserError, match="damaged"):
            data.info(f"tfrecord:{path}")
    assert time.process_time() - begin < 10  # the first alone took 35 s


def test_what_is_no_file_is_refused(tmp_path):
    data.write_tfrecord(tmp_path / "a.tfrecord", images(0, 3))
    for name, make in (
        ("b.tfrecord", lambda path: path.mkdir()),
        ("c.tfrecord", os.mkfifo),
        ("d.tfrecord", lambda path: path.symlink_to("/dev/zero")),
        ("e.tfrecord.manifest.json", os.mkfifo),
    ):
        make(tmp_path / name)
        with pytest.raises(UserError, match=rf"{name} is a (folder|pipe|device): "):
            data.info(f"tfrecord:{tmp_path}/*.tfrecord")
        os.rename(tmp_path / name, tmp_path / "x")
        (tmp_path / "x").rmdir() if (tmp_path / "x").is_dir() else (tmp_path / "x").unlink()


def test_a_manifest_that_counts_more_than_a_file_can_hold(tmp_path):
    manifest = data.write_tfrecord(tmp_path / "a.tfrecord", images(0, 3))
    content = json.loads(pathlib.Path(manifest).read_text())
    content["files"][0]["records"] = 10**12
    pathlib.Path(manifest).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        data.info(f"tfrecord:{tmp_path}/a.tfrecord")


def test_an_image_in_a_record_that_cannot_be_decoded(tmp_path):
    def record(content):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
        example = tf.train.Example(features=tf.train.Features(feature={"image": feature}))
        return example.SerializeToString()

    png = [tf.io.encode_png(image).numpy() for image in images(0, 4)]
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for content in (png[0], png[1][:20], png[2], b"", png[3]):
            writer.write(record(content))
    name = f"tfrecord:{tmp_path}/a.tfrecord"
    with pytest.raises(UserError, match=r"record 1 of .* cannot be decoded"), readable_errors():
        levels(name, "all", shuffle=False)
    assert levels(name, "all", shuffle=False, damaged="skip") == [0, 2, 3]
    assert data.info(name, damaged="skip").left_out == 2
    with pytest.raises(UserError, match="did you mean 'skip'"):
        data.info(name, damaged="skp")


def spy_on_reading(monkeypatch):
    """Notes the files that TensorFlow opens as records."""
    opened = set()
    whole = tfrecord.whole_or_empty

    def note(file):
        opened.add(file.numpy().decode())
        return file

    def noted(file, count, offset):
        return whole(tf.py_function(note, [file], tf.string), count, offset)

    monkeypatch.setattr(tfrecord, "whole_or_empty", noted)
    return opened


@pytest.mark.parametrize(
    ("files", "shuffle", "size", "workers", "own"),
    [(6, True, 6, 2, True), (6, True, 6, 3, True), (6, True, 7, 2, False), (1, True, 6, 2, False),
     (5, False, 6, 2, False), (2, True, 50, 2, False)],
)  # fmt: skip
@pytest.mark.representatives("6-True-6-3-True", "1-True-6-2-False")
def test_workers_share_the_batches(tmp_path, monkeypatch, files, shuffle, size, workers, own):
    data.write_tfrecord(tmp_path / "a.tfrecord", images(0, 53), range(53), shards=files)
    name = f"tfrecord:{tmp_path}/a*"
    opened = spy_on_reading(monkeypatch)

    def read(worker, workers, split="train", **keywords):
        opened.clear()
        dataset = data.load(
            name, split, size, labels=True, binarization="dynamic", shuffle=shuffle,
            shard=(worker, workers), **keywords,
        )  # fmt: skip
        return list(dataset.as_numpy_iterator())

    whole = read(0, 1)
    assert len(whole) == (max(48 // size, 1) if shuffle else -(-48 // size))
    assert len(opened) == files
    parts, files_of = [], []
    for worker in range(workers):
        parts.append(read(worker, workers))
        files_of.append(set(opened))
    epoch = tf.Variable(0, dtype=tf.int64)
    start = min(3, len(whole) - 1)  # and in the middle of an epoch
    rest = [read(worker, workers, epoch=epoch, start_step=start) for worker in range(workers)]
    for batch, *of_workers in [
        *zip(whole, *parts, strict=True), *zip(whole[start:], *rest, strict=True)
    ]:  # fmt: skip
        for part in range(2):  # in the same order, and with the same noise
            assert np.array_equal(batch[part], np.concatenate([one[part] for one in of_workers]))
    # A file may lie on the border between two of them.
    assert max(map(len, files_of)) <= (files // workers + 1 if own else files)
    with pytest.raises(UserError, match=r"shard=\(2, 2\)"):
        read(2, 2)


@pytest.mark.parametrize("sizes", [(1, 30, 2, 9, 11), (40, 1, 1, 1, 1), (3, 3, 3, 3)])
@pytest.mark.parametrize("split", ["all", "train", "all[7:11]"])
@pytest.mark.representatives("*-sizes0", "train-sizes2")
def test_each_record_once_an_epoch_however_long_the_files(tmp_path, sizes, split):
    starts = np.cumsum([0, *sizes])
    for start, stop in itertools.pairwise(starts):
        data.write_tfrecord(tmp_path / f"{start}.tfrecord", images(start, stop))
    name = f"tfrecord:{tmp_path}/*"
    expected = levels(name, split, 8, shuffle=False)
    seen = levels(name, split, 8, shuffle=True, drop_remainder=False)
    assert sorted(seen) == sorted(expected)
    assert len(set(seen)) == len(seen) == data.num_examples(name, split)
