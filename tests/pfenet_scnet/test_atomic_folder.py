import os
import time

import pytest
from runtime.atomic_files import DAY
from runtime.atomic_folder import check_free, whole_folder


def test_a_folder_is_there_whole(tmp_path):
    (tmp_path / "out").mkdir()
    with whole_folder(tmp_path / "out") as unfinished:
        (unfinished / "a.txt").write_text("a")
        assert not list((tmp_path / "out").iterdir())
    assert (tmp_path / "out/a.txt").read_text() == "a" and [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_is_there(tmp_path, error):
    def fail():
        with whole_folder(tmp_path / "deep/out") as unfinished:
            (unfinished / "a.txt").write_text("a")
            raise error

    with pytest.raises(error):
        fail()
    assert not list((tmp_path / "deep").iterdir())


def test_only_a_new_or_empty_folder_is_free(tmp_path):
    check_free(tmp_path / "new", "out")
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty", "out")
    (tmp_path / "file").touch()
    for path, got in ((tmp_path / "file", "a file"), (tmp_path, "one that holds files")):
        with pytest.raises(ValueError, match=f"^out: expected a new or empty folder, got {path}, {got}; "):
            check_free(path, "out")


def test_what_was_left_of_the_same_folder_goes_after_a_day(tmp_path):
    left = {".out[1].7.unfinished": 2 * DAY, ".out[1].8.unfinished": 0, ".other.7.unfinished": 2 * DAY}
    for name, age in left.items():
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with whole_folder(tmp_path / "out[1]"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.7.unfinished", ".out[1].8.unfinished", "out[1]"]


def test_an_error_names_the_file_as_it_would_have_been_called(tmp_path):
    with pytest.raises(OSError, match=r"out/a/b\.txt'$"), whole_folder(tmp_path / "out") as unfinished:
        (unfinished / "a" / "b.txt").write_text("b")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/out'$"), whole_folder(tmp_path / "file" / "out"):
        pass
