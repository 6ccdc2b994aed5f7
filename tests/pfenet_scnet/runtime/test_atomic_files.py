import pytest
from runtime.atomic_files import write_atomically, write_text_atomically


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
