import os

import numpy as np
import pytest
import tensorflow as tf

from tfvae import data
from tfvae.data import file_index, images
from tfvae.errors import MissingFileError, UserError, readable_errors


def write(path, shape=(4, 4, 3), value=None, seed=0):
    if value is None:
        image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    else:
        image = np.full(shape, value, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = tf.io.encode_png if path.suffix.lower() == ".png" else tf.io.encode_jpeg
    path.write_bytes(encode(image).numpy())
    return image


def everything(folder, split="all", **keywords):
    dataset = data.load(f"images:{folder}", split, 2, **keywords)
    return list(dataset.as_numpy_iterator())


def test_pixels_are_those_of_the_files(tmp_path):
    written = [write(tmp_path / f"{i}.png", seed=i) for i in range(5)]
    x = np.concatenate(everything(tmp_path, values="levels"))
    assert {one.tobytes() for one in x} == {one.astype(np.float32).tobytes() for one in written}


def test_endings_subfolders_and_hidden_files(tmp_path):
    for name in ("a.PNG", "b/c.Jpg", "b/d/e.jpeg", ".hidden.png", ".thumbs/f.png", "g.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("not an image")
        else:
            write(tmp_path / name)
    info = data.info(f"images:{tmp_path}")
    assert info.splits["all"] == 3
    assert info.classes is None  # a.PNG lies in no subfolder


def test_classes_are_the_subfolders(tmp_path):
    for number in range(6):
        write(tmp_path / ("cat" if number % 2 else "dog") / f"{number}.png", value=number)
    name = f"images:{tmp_path}"
    assert data.info(name).classes == ("cat", "dog")
    for x, label in data.load(name, "all", 6, labels=True, values="levels").as_numpy_iterator():
        assert np.array_equal(label, 1 - x[:, 0, 0, 0] % 2)


def test_train_and_test_folders_are_the_splits(tmp_path):
    for number in range(5):
        write(tmp_path / "train" / "a" / f"{number}.png", value=number)
    for number in range(5, 8):
        write(tmp_path / "test" / "b" / f"{number}.png", value=number)
    info = data.info(f"images:{tmp_path}")
    assert info.splits == {"train": 5, "test": 3, "all": 8}
    assert info.classes == ("a", "b")
    test = np.concatenate(everything(tmp_path, "test", values="levels"))
    assert sorted(test[:, 0, 0, 0]) == [5, 6, 7]


def test_permuted_split_does_not_depend_on_the_walk(tmp_path):
    for number in range(20):
        write(tmp_path / f"{number:02}.png", value=number)
    assert data.info(f"images:{tmp_path}").splits == {"train": 18, "test": 2, "all": 20}
    one, two = (np.concatenate(everything(tmp_path, "test")) for _ in range(2))
    assert np.array_equal(one, two)
    everyone = np.concatenate(everything(tmp_path, values="levels"))[:, 0, 0, 0]
    assert sorted(everyone) == list(range(20))
    assert list(everyone) != list(range(20))


def test_resizing_averages_and_keeps_levels(tmp_path):
    image = np.zeros((8, 8, 1), np.uint8)
    image[::2] = 255  # stripes: grey when made smaller, not black or white
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    write(tmp_path / "2.png", shape=(5, 9, 1), value=100)
    x = np.concatenate(everything(tmp_path, size=(4, 4), values="levels"))
    assert x.shape == (3, 4, 4, 1)
    assert np.array_equal(x, np.round(x))
    flat = [one for one in x if np.all(one == 100)]
    stripes = [one for one in x if not np.all(one == 100)]
    assert len(flat) == 1
    assert len(stripes) == 2
    assert all(abs(one.mean() - 127.5) < 20 for one in stripes)
    assert all(one.min() > 60 and one.max() < 195 for one in stripes)


def test_size_may_be_a_list_as_in_a_config(tmp_path):
    write(tmp_path / "0.png")
    assert data.info(f"images:{tmp_path}", size=[3, 2]).shape == (3, 2, 3)


@pytest.mark.parametrize(("own", "asked", "got"), [(3, None, 3), (1, None, 1), (4, None, 3),
                                                   (3, 1, 1), (1, 3, 3)])  # fmt: skip
def test_channels(tmp_path, own, asked, got):
    write(tmp_path / "0.png", shape=(4, 5, own))
    write(tmp_path / "1.png", shape=(4, 5, 1), seed=1)  # brought to the channels of the first
    assert data.info(f"images:{tmp_path}", channels=asked).shape == (4, 5, got)
    assert everything(tmp_path, channels=asked)[0].shape == (2, 4, 5, got)


def test_another_shape_names_the_file_and_the_remedy(tmp_path):
    write(tmp_path / "0.png")
    write(tmp_path / "1.png", shape=(6, 4, 3))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        everything(tmp_path)
    message = str(caught.value)
    assert f"{tmp_path}/1.png is 6x4 pixels and the first image is 4x4" in message
    assert "pass size=(4, 4)" in message


def test_undecodable_file_is_named(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png")
    whole = (tmp_path / "1.png").read_bytes()
    for damaged in (b"no image at all", whole[: len(whole) // 2], b""):
        (tmp_path / "1.png").write_bytes(damaged)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"1\.png cannot be decoded"):
            everything(tmp_path)


def test_undecodable_first_file_is_refused_before_any_work(tmp_path):
    (tmp_path / "0.jpg").write_bytes(b"no image at all")
    with pytest.raises(UserError, match=r"0\.jpg cannot be decoded"):
        data.info(f"images:{tmp_path}")


def test_missing_and_empty_folder(tmp_path):
    with pytest.raises(MissingFileError, match="no folder 'nowhere'"):
        data.load("images:nowhere", data_dir=tmp_path)
    with pytest.raises(MissingFileError, match=r"no image in .*: put .png"):
        data.load(f"images:{tmp_path}")


def test_files_are_numbered_in_the_order_of_their_paths(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "_CHUNK", 2)
    monkeypatch.setattr(file_index, "_BLOCK", 3)
    names = [
        "a/b.png", "a-b.png", "a.png", "a.d/x.jpg", "a/b/c.JPEG", "a/bb.png", "a/.c.png", "a/c.txt",
        "z/é z.png", "z/𝛼.png", "z/zz.png", ".h/a.png", "b/c/d/" + 90 * "e" + ".png", "A.jpg",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "m.png").symlink_to(tmp_path / "a.png")
    seen = sorted(
        [n for n in names if "/." not in n and n[0] != "." and n[-4:] != ".txt"] + ["m.png"]
    )
    index = file_index.FileIndex([str(tmp_path)], (".png", ".jpg", ".jpeg"))
    assert len(index) == index.sizes[0] == len(seen)
    paths = [os.fsdecode(path) for batch in index.dataset() for path in batch.numpy()]
    assert paths == [f"{tmp_path}/{name}" for name in seen]
    folders = index.folder_of(np.arange(len(seen)))
    assert [index.classes[folder] for folder in folders] == [
        name.split("/")[0] if "/" in name else "" for name in seen
    ]
    assert index.classes_of(np.array([seen.index("a/b.png"), seen.index("z/zz.png")])) == ["a", "z"]
    some = np.array([5, 0, 5])
    assert [os.fsdecode(p) for p in index.paths(some).numpy()] == [paths[k] for k in some]


def test_links_to_nothing_and_pipes_are_refused_or_left_out(tmp_path):
    write(tmp_path / "a" / "0.png")
    for name, make in (
        ("1.png", lambda path: path.symlink_to(tmp_path / "gone.png")),
        ("2.png", os.mkfifo),
        ("3.png", lambda path: path.symlink_to("/dev/zero")),
    ):
        make(tmp_path / "a" / name)
        with pytest.raises(UserError, match=rf"a/{name} is a (link to nothing|pipe|device): "):
            data.info(f"images:{tmp_path}")
        info = data.info(f"images:{tmp_path}", damaged="skip")
        assert (info.splits["all"], info.left_out) == (1, 1)
        (tmp_path / "a" / name).unlink()


def test_a_file_that_goes_while_the_folder_is_read_is_named(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png")
    dataset = data.load(f"images:{tmp_path}", "all", 2)
    (tmp_path / "1.png").unlink()
    with (
        pytest.raises(UserError, match=r"1\.png cannot be decoded .*damaged or gone: restore") as e,
        readable_errors(),
    ):
        list(dataset)
    assert "\n" not in str(e.value)


EXIT = """
from tfvae import data

rows = iter(data.load("images:FOLDER", "all", 2, repeat=True))
next(rows)
print("null")
"""


@pytest.mark.exhaustive
def test_a_process_ends_beside_a_pipeline_that_goes_on(tmp_path, run_python):
    """Of four such, three hung at exit when Python decoded; now none needs Python's lock."""
    for number in range(40):
        write(tmp_path / f"{number}.png", shape=(64, 64, 3))
    for _ in range(2):
        run_python(EXIT.replace("FOLDER", str(tmp_path)), timeout=60)
    graph = data.load(f"images:{tmp_path}", "all", 2)._variant_tensor
    assert b"PyFunc" not in serialized(graph)


def serialized(variant):
    from tensorflow.python.ops import gen_dataset_ops

    return gen_dataset_ops.dataset_to_graph_v2(variant).numpy()


def test_each_worker_reads_its_own_files(tmp_path, monkeypatch):
    for number in range(11):
        write(tmp_path / "ab"[number % 2] / f"{number}.png", value=20 * number)
    decoded, make = [], images.batch_decoder

    def noted(*args, **kwargs):
        decode = make(*args, **kwargs)

        def note(contents, where):
            tf.py_function(lambda names: decoded.extend(names.numpy()), [where], [])
            return decode(contents, where)

        return note

    monkeypatch.setattr(images, "batch_decoder", noted)
    keywords = {"labels": True, "binarization": "dynamic", "shuffle": True, "drop_remainder": False}
    whole = list(data.load(f"images:{tmp_path}", "all", 4, **keywords).as_numpy_iterator())
    assert len(set(decoded)) == 11
    parts = []
    for worker in range(3):
        decoded.clear()
        own = data.load(f"images:{tmp_path}", "all", 4, shard=(worker, 3), **keywords)
        parts.append(list(own.as_numpy_iterator()))
        assert len(decoded) == sum(len(label) for _, label in parts[-1]) in (3, 4, 5)
    for batch, *of_workers in zip(whole, *parts, strict=True):
        for part in range(2):
            assert np.array_equal(batch[part], np.concatenate([one[part] for one in of_workers]))


def test_images_are_read_when_they_are_needed(tmp_path):
    write(tmp_path / "0.png", value=1)
    dataset = data.load(f"images:{tmp_path}", "all", 1, values="levels")
    write(tmp_path / "0.png", value=2)
    assert np.all(next(dataset.as_numpy_iterator()) == 2)


MEMORY = """
import json
import resource

import numpy as np
from tfvae import data

dataset = data.load("images:FOLDER", "train", 4)
next(iter(dataset))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in dataset:
    pass
print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))
"""


@pytest.mark.exhaustive
def test_memory_does_not_grow_with_the_folder(tmp_path, run_python):
    """200 images make 157 MB as 8-bit pixels, 629 MB as floats; alone, for a peak of its own."""
    content = tf.io.encode_png(np.zeros((512, 512, 3), np.uint8)).numpy()
    for number in range(200):
        (tmp_path / f"{number}.png").write_bytes(content)
    grown = run_python(MEMORY.replace("FOLDER", str(tmp_path))).result
    assert grown < 120, f"{grown:.0f} MB"


def test_damaged_files_are_left_out_and_counted(tmp_path):
    for number in range(6):
        write(tmp_path / f"{number}.png", value=number)
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:30])
    (tmp_path / "4.png").write_bytes(b"")
    info = data.info(f"images:{tmp_path}", damaged="skip")
    assert (info.splits["all"], info.left_out) == (4, 2)
    x = np.concatenate(everything(tmp_path, values="levels", damaged="skip"))
    assert sorted(x[:, 0, 0, 0]) == [0, 1, 3, 5]
    write(tmp_path / "4.png", value=4)  # repaired: it is looked at anew
    assert data.info(f"images:{tmp_path}", damaged="skip").left_out == 1
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no image of .* can be decoded"):
        data.info(f"images:{tmp_path}", damaged="skip")
