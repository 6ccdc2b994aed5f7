import hashlib

import pytest
from data.image_list import read_list
from data.synthetic import MIN_PIXELS, make_scenes
from drawn_scenes import drawn_scenes
from PIL import Image


def tree_digest(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p.relative_to(root)).encode() + p.read_bytes() for p in files)).hexdigest()


def test_identical_bytes_for_identical_seeds(tmp_path):
    trees = [make_scenes(tmp_path / str(i), 0.25, 12, 6, seed=seed) for i, seed in enumerate((3, 3, 4))]
    assert tree_digest(trees[0]) == tree_digest(trees[1]) != tree_digest(trees[2])


@pytest.mark.parametrize("hidden", [0.0, 0.25, 0.5])
def test_the_share_of_scenes_that_hide_novel_objects_is_as_asked_in_every_fold(tmp_path, hidden):
    images = read_list(make_scenes(tmp_path / "scenes", hidden, 120, 1), "train", MIN_PIXELS)
    for fold in range(4):
        assert images.training(fold, "keep").hidden_share(fold) == pytest.approx(100 * hidden, abs=2)


def test_every_class_can_serve_in_both_splits():
    for split in ("train", "val"):
        table = read_list(drawn_scenes(), split, MIN_PIXELS).by_class
        assert set(table) == set(range(1, 21)) and min(map(len, table.values())) >= 2


def test_an_existing_folder_is_left_alone_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    make_scenes(tmp_path / "mine", 0.25, 2, 1)
    assert list((tmp_path / "mine").iterdir()) == []
    monkeypatch.setattr(Image.Image, "save", lambda *_args, **_options: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        make_scenes(tmp_path / "new", 0.25, 2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_refuses_a_share_that_leaves_no_pure_scene():
    with pytest.raises(ValueError, match=r"hidden: expected 0 to 0.5"):
        make_scenes("unused", 0.6)
