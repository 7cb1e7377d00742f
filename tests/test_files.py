import os
import stat

import pytest

from tfvae.errors import UserError
from tfvae.files import (
    checksum,
    is_regular,
    kind_of,
    open_regular,
    read_json,
    set_aside,
    write_whole,
    written_whole,
)


@pytest.fixture
def precious(tmp_path):
    """A file that nobody may write to."""
    path = tmp_path / "elsewhere" / "precious"
    path.parent.mkdir()
    path.write_text("precious")
    yield path
    assert path.read_text() == "precious"


def put(kind, path, precious):
    if kind == "a link":
        path.symlink_to(precious)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a FIFO":
        os.mkfifo(path)
    assert kind_of(path) == kind


@pytest.mark.parametrize("kind", ["a link", "a directory", "a FIFO"])
def test_a_part_file_that_is_none_is_refused(kind, precious, tmp_path):
    put(kind, tmp_path / "part-m.json", precious)
    with pytest.raises(UserError, match=f"part-m.json' is {kind}.*remove it"):
        write_whole(tmp_path / "m.json", "new")
    assert kind_of(tmp_path / "part-m.json") == kind
    assert not (tmp_path / "m.json").exists()


def test_a_part_file_that_a_kill_left_is_written_anew(precious, tmp_path):
    os.link(precious, tmp_path / "part-m.json")  # even where the file has another name as well
    write_whole(tmp_path / "m.json", "new")
    assert (tmp_path / "m.json").read_text() == "new"
    assert not (tmp_path / "part-m.json").exists()


def test_a_link_in_the_place_of_the_file_is_replaced(precious, tmp_path):
    (tmp_path / "m.json").symlink_to(precious)
    write_whole(tmp_path / "m.json", "new")
    assert is_regular(tmp_path / "m.json")
    assert (tmp_path / "m.json").read_text() == "new"


@pytest.mark.parametrize("kind", ["a directory", "a FIFO"])
def test_what_is_no_file_is_not_replaced(kind, precious, tmp_path):
    put(kind, tmp_path / "m.json", precious)
    with pytest.raises(UserError, match=f"m.json' is {kind}.*remove it"):
        write_whole(tmp_path / "m.json", "new")
    assert kind_of(tmp_path / "m.json") == kind
    assert not (tmp_path / "part-m.json").exists()


def test_a_file_has_the_rights_that_any_new_file_has(tmp_path):
    (tmp_path / "other").touch()
    write_whole(tmp_path / "m.json", "new")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "m.json")]
    assert modes[0] == modes[1]


def test_nothing_is_read_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, "/dev/zero"):
        with pytest.raises(UserError, match="and no file"):
            checksum(path)
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").symlink_to("a")  # where a link leads to is read
    with open_regular(tmp_path / "b") as file:
        assert file.read() == b"1"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"\0", b"[" * 100_000])
def test_no_json_is_one_line(content, tmp_path):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(UserError) as error:
        read_json(tmp_path / "m.json")
    assert "\n" not in str(error.value)


def test_what_is_set_aside_takes_the_place_of_nothing(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / "m.csv").write_text(str(number))
        assert set_aside(tmp_path / "m.csv").name == f"m.csv.damaged-{number}"
    assert (tmp_path / "m.csv.damaged-1").read_text() == "1"


def test_the_part_is_gone_where_writing_fails(tmp_path):
    with pytest.raises(KeyError), written_whole(tmp_path / "m.json"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
