import errno
import os
import resource
import time
from contextlib import contextmanager

import pytest
import torch
from PIL import Image
from runtime.atomic_files import (
    DAY,
    check_writable,
    remove_unfinished,
    write_atomically,
    write_picture_atomically,
    write_text_atomically,
)


@contextmanager
def room_for(size):
    """No file can grow beyond `size` bytes: the error of a full disk, but for its number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_writes_and_makes_folders(tmp_path):
    write_text_atomically(tmp_path / "a" / "b.txt", "λ")
    assert (tmp_path / "a" / "b.txt").read_text() == "λ"


def test_a_failure_leaves_what_was_there(tmp_path):
    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    (tmp_path / "b.txt").write_text("before")
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "b.txt", fail)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text_atomically(path, "x" * 100_000),
        lambda path: write_atomically(path, lambda file: torch.save(torch.zeros(100_000), file)),
        lambda path: write_picture_atomically(path, lambda file: Image.effect_noise((300, 300), 9).save(file, "PNG")),
    ],
    ids=["text", "torch", "picture"],
)
def test_a_full_disk_is_said_with_the_file_and_changes_nothing(tmp_path, write):
    (tmp_path / "b").write_text("before")
    with room_for(5_000), pytest.raises(OSError, match="File too large") as raised:
        write(tmp_path / "b")
    assert raised.value.errno == errno.EFBIG and raised.value.filename == str(tmp_path / "b")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_an_error_that_is_none_of_the_disk_stays_what_it_is(tmp_path):
    def fail(_file):
        try:
            (tmp_path / "other").read_text()
        except OSError:
            raise KeyError("x") from None

    with pytest.raises(KeyError, match="x"):
        write_atomically(tmp_path / "b", fail)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_is_told_before_the_work(tmp_path):
    check_writable(tmp_path / "new" / "b.json")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/b\.json") as raised:
        check_writable(tmp_path / "file" / "b.json")
    assert raised.value.errno in (errno.ENOTDIR, errno.EEXIST)
    with pytest.raises(OSError, match=r"none/b\.json"):
        check_writable(tmp_path.__class__("/proc/none/b.json"))
    assert not list((tmp_path / "new").iterdir()) and (tmp_path / "file").read_bytes() == b""


def test_what_a_process_that_died_left_is_removed(tmp_path):
    names = (".a.pt.1.unfinished", ".b.2.unfinished", "kept.unfinished", "a.pt")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / ".c.3.unfinished").mkdir()
    os.utime(tmp_path / names[0], (time.time() - 2 * DAY,) * 2)
    remove_unfinished(tmp_path, age=DAY)
    assert not (tmp_path / names[0]).exists() and (tmp_path / names[1]).exists()
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "kept.unfinished"]
    remove_unfinished(tmp_path / "none")
