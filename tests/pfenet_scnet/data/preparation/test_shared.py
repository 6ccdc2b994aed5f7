"""Links to folders of images, also where a system makes none without a privilege, as Windows does."""

import os
from pathlib import Path

import pytest
from data.preparation.shared import link_folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "source" / "JPEGImages"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.jpg", "deep/b.jpg"):
        (folder / name).write_bytes(name.encode())
    return folder


def refuse(*_, **__):
    error = OSError(22, "A required privilege is not held by the client")
    error.winerror = 1314
    raise error


@pytest.fixture
def without_links(monkeypatch):
    monkeypatch.setattr("os.symlink", refuse)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folder_is_a_link_and_a_second_time_nothing_is_done(images, tmp_path):
    for _ in range(2):
        link_folder(images, tmp_path / "out")
        assert (tmp_path / "out/JPEGImages").readlink() == images.resolve()


@pytest.mark.usefixtures("without_links")
def test_without_the_privilege_each_file_gets_a_second_name(images, tmp_path, capsys):
    link_folder(images, tmp_path / "out")
    linked = tmp_path / "out/JPEGImages"
    assert "no link to a folder can be made here" in capsys.readouterr().out
    assert not linked.is_symlink() and names(linked) == ["a.jpg", "deep/b.jpg"]
    assert os.path.samefile(images / "deep/b.jpg", linked / "deep/b.jpg")


@pytest.mark.usefixtures("without_links")
def test_on_another_disk_files_are_copied_and_an_interrupted_copy_is_completed(images, tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", refuse)
    linked = tmp_path / "out/JPEGImages"
    link_folder(images, tmp_path / "out")
    assert names(linked) == ["a.jpg", "deep/b.jpg"] and not os.path.samefile(images / "a.jpg", linked / "a.jpg")
    kept = (linked / "a.jpg").stat().st_ino
    (linked / "deep/b.jpg").unlink()
    (linked / ".b.jpg.1.unfinished").write_bytes(b"d")
    link_folder(images, tmp_path / "out")
    assert (linked / "deep/b.jpg").read_bytes() == b"deep/b.jpg" and (linked / "a.jpg").stat().st_ino == kept


@pytest.mark.parametrize("other", ["JPEGImages", "JPEGImages/c.jpg", "JPEGImages/a.jpg"])
def test_another_folder_or_file_is_left_as_it_is(images, tmp_path, other):
    path = tmp_path / "out" / other
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"expected no .*JPEGImages or a link to"):
        link_folder(images, tmp_path / "out")
    assert path.read_text() == "mine"


def test_a_link_to_another_folder_is_left_as_it_is(images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/JPEGImages").symlink_to(tmp_path)
    with pytest.raises(FileExistsError, match="or a link to"):
        link_folder(images, tmp_path / "out")
    assert Path(tmp_path / "out/JPEGImages").readlink() == tmp_path
