import hashlib
import os

import numpy as np
import pytest
from data.image_list import read_list
from data.masks import read_mask
from data.preparation.voc import prepare_pascal
from download_trees import write_download
from PIL import Image
from voc_tree import mask_with, write_voc


@pytest.fixture
def download(tmp_path):
    """VOC: a1 for training, v1 to test on. SBD: s1, s2, its own a1, and v1, which must not train."""
    sbd = {"s1": mask_with(3), "s2": mask_with(4, 15), "a1": mask_with(20), "v1": mask_with(6)}
    sbd = {name: np.where(mask == 255, 0, mask) for name, mask in sbd.items()}
    return write_download(tmp_path, {"a1": mask_with(1, 2), "v1": mask_with(5)}, sbd)


def names(path):
    return [line.split()[0].split("/")[1] for line in path.read_text().splitlines()]


def test_lists_follow_the_published_rule(download, tmp_path, capsys):
    voc, sbd = download
    prepare_pascal(voc, tmp_path / "out", sbd)
    lists = tmp_path / "out/ImageSets/Segmentation"
    assert names(lists / "train.txt") == ["a1.jpg", "s1.jpg", "s2.jpg"]
    assert (lists / "val.txt").read_text() == "JPEGImages/v1.jpg SegmentationClassAug/v1.png\n"
    said = capsys.readouterr().out
    assert "3   (the full set has 5,953)" in said and "not PFENet's published list" in said
    assert "4   (the full set has 11,355)" in said


def test_the_published_list_is_recognised_in_any_order(download, tmp_path, capsys, monkeypatch):
    voc, sbd = download
    digest = hashlib.sha256(b"a1\ns1\ns2").hexdigest()[:12]
    monkeypatch.setattr("data.preparation.voc.PUBLISHED", {"train": (3, digest), "val": (1449, "unlike")})
    (sbd / "train.txt").write_text("s2\nv1\na1\ns1\n")
    prepare_pascal(voc, tmp_path / "out", sbd)
    said = capsys.readouterr().out
    assert "train: PFENet's published list" in said and "val: not PFENet's published list" in said


def test_masks_hold_indices_and_vocs_own_win(download, tmp_path):
    voc, sbd = download
    prepare_pascal(voc, tmp_path / "out", sbd)
    masks = tmp_path / "out/SegmentationClassAug"
    assert np.array_equal(read_mask(masks / "a1.png"), mask_with(1, 2)), "VOC's, with its 255"
    assert set(np.unique(read_mask(masks / "s2.png"))) == {0, 4, 15}, "SBD's has no 255"
    with Image.open(masks / "a1.png") as picture:
        assert picture.mode == "L", "the published code's reader would turn a palette into grey colours"
    images = read_list(tmp_path / "out", "train", 100)
    assert [item.pixels for item in images.items] == [{1: 100, 2: 100}, {3: 100}, {4: 100, 15: 100}]
    assert images.items[0].image.resolve() == (voc / "JPEGImages/a1.jpg").resolve(), "no image is copied"


def test_a_second_run_changes_nothing(download, tmp_path):
    voc, sbd = download
    prepare_pascal(voc, tmp_path / "out", sbd)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
    prepare_pascal(voc, tmp_path / "out", sbd)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}


def test_the_users_own_list_and_finished_masks_are_taken(tmp_path):
    voc = write_voc(tmp_path / "voc", [mask_with(3), mask_with(4)], names=["m1", "m2"])
    (voc / "ImageSets/Segmentation/val.txt").write_text("m2\n")
    (tmp_path / "mine.txt").write_text("JPEGImages/m1.jpg SegmentationClassAug/m1.png\n")
    prepare_pascal(voc, tmp_path / "out", train_list=tmp_path / "mine.txt")
    assert read_list(tmp_path / "out", "train", 100).items[0].pixels == {3: 100}
    with pytest.raises(ValueError, match="train_list: expected a list where no SBD is given"):
        prepare_pascal(voc, tmp_path / "other")


def test_images_that_are_not_there_are_named_and_left_out(download, tmp_path, capsys):
    voc, sbd = download
    (voc / "JPEGImages/s1.jpg").unlink()
    prepare_pascal(voc, tmp_path / "out", sbd)
    assert "train: left out 1 images without image or mask: s1" in capsys.readouterr().out
    assert names(tmp_path / "out/ImageSets/Segmentation/train.txt") == ["a1.jpg", "s2.jpg"]


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda voc, sbd: cut_off(voc / "JPEGImages/s1.jpg"),
            r"s1.jpg: expected a whole picture, got a file that is cut off",
        ),
        (lambda voc, sbd: (voc / "JPEGImages/s1.jpg").write_bytes(b""), r"s1.jpg"),
        (
            lambda voc, sbd: (voc / "JPEGImages/s1.jpg").write_bytes(b"<html>not found</html>"),
            r"s1.jpg: expected a picture, got a file that is none",
        ),
        (lambda voc, sbd: cut_off(sbd / "cls/s1.mat"), r"s1.mat: not SBD's GTcls.Segmentation"),
        (lambda voc, sbd: (sbd / "cls/s1.mat").write_bytes(b"MATLAB 5.0 MAT-file"), r"s1.mat: not SBD's GTcls"),
        (lambda voc, sbd: cut_off(voc / "SegmentationClass/a1.png"), r"a1.png"),
        (
            lambda voc, sbd: Image.new("L", (9, 9)).save(voc / "SegmentationClass/a1.png"),
            r"a1.jpg: expected a mask of the image's size \(40, 60\) \(height, width\), got \(9, 9\)",
        ),
        (
            lambda voc, sbd: Image.new("L", (60, 40), 77).save(voc / "SegmentationClass/a1.png"),
            "a1.jpg: expected a mask of 0 to 20 and 255, got 77",
        ),
    ],
)
def test_damaged_files_are_named(download, tmp_path, damage, message):
    voc, sbd = download
    damage(voc, sbd)
    with pytest.raises(ValueError, match=message) as caught:
        prepare_pascal(voc, tmp_path / "out", sbd)
    assert str(caught.value).endswith("; or add --skip_damaged true to leave such files out")
    assert "\n" not in str(caught.value)


def test_damaged_files_are_left_out_where_that_is_asked(download, tmp_path, capsys):
    voc, sbd = download
    cut_off(voc / "JPEGImages/s1.jpg")
    cut_off(voc / "SegmentationClass/a1.png")
    prepare_pascal(voc, tmp_path / "out", sbd, skip_damaged=True)
    said = capsys.readouterr().out
    assert "left out 2 of 4, which are damaged: " in said
    assert "train: left out 2 images without image or mask: a1, s1" in said
    assert names(tmp_path / "out/ImageSets/Segmentation/train.txt") == ["s2.jpg"]


def test_lists_as_windows_writes_them_are_read(download, tmp_path):
    voc, sbd = download
    (sbd / "train.txt").write_bytes("\ufeffs1 \r\nJPEGImages\\s2.jpg SegmentationClassAug\\s2.png\r\n".encode())
    prepare_pascal(voc, tmp_path / "out", sbd)
    assert names(tmp_path / "out/ImageSets/Segmentation/train.txt") == ["a1.jpg", "s1.jpg", "s2.jpg"]


@pytest.mark.parametrize(
    ("piece", "fix"),
    [
        ("VOC2012/JPEGImages", "VOCtrainval_11-May-2012.tar"),
        ("VOC2012/SegmentationClass", "VOCtrainval_11-May-2012.tar"),
        ("VOC2012/ImageSets/Segmentation/val.txt", "VOCtrainval_11-May-2012.tar"),
        ("dataset/cls", "benchmark.tgz"),
        ("dataset/train.txt", "benchmark.tgz"),
    ],
)
def test_a_missing_piece_is_named_with_where_to_get_it(download, tmp_path, piece, fix):
    (tmp_path / piece).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=os.path.basename(piece)) as caught:
        prepare_pascal(download[0], tmp_path / "out", download[1])
    assert fix in str(caught.value)


def test_refuses_to_write_into_the_download(download):
    with pytest.raises(ValueError, match="out: expected a folder of its own"):
        prepare_pascal(download[0], download[0], download[1])
