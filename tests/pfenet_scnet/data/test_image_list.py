import pytest
from data.image_list import read_list, shared_images
from data.pictures import Damaged
from voc_tree import mask_with, write_voc


@pytest.fixture
def root(tmp_path):
    return write_voc(tmp_path, [mask_with(c) for c in (1, 2, 3)])


def write_names(root, *names):
    (root / "ImageSets/Segmentation/train.txt").write_text("".join(f"{name}\n" for name in names))


def test_an_image_named_twice_counts_once(root, capsys):
    write_names(root, "train1", "train0", "JPEGImages/train1.jpg SegmentationClassAug/train1.png")
    assert [item.image.stem for item in read_list(root, "train", 100).items] == ["train1", "train0"]
    assert "3 lines name 2 images; each counts once" in capsys.readouterr().out


def test_shared_images_are_those_of_both_lists(root):
    write_voc(root, [mask_with(4)], "val")
    assert shared_images(read_list(root, "train", 100), read_list(root, "val", 100)) == []
    (root / "ImageSets/Segmentation/val.txt").write_text("val0\ntrain2\n")
    (found,) = shared_images(read_list(root, "train", 100), read_list(root, "val", 100))
    assert found.name == "train2.jpg"


def test_damage_is_named_or_left_out_and_said(root, capsys):
    for name in ("JPEGImages/train0.jpg", "SegmentationClassAug/train2.png"):
        (root / name).write_bytes((root / name).read_bytes()[:90])
    with pytest.raises(Damaged, match=r"train2\.png: .*; .*train0\.jpg: .*; or add --skip_damaged true"):
        read_list(root, "train", 100)
    assert [item.pixels for item in read_list(root, "train", 100, skip_damaged=True).items] == [{2: 100}]
    assert "left out 2 of 3 images" in capsys.readouterr().out


def test_values_beyond_the_classes_are_refused(root):
    (root / "classes.txt").write_text("ring\ncube\n")
    with pytest.raises(ValueError, match=r"train2\.png: expected class indices 1 to 2 \(classes\.txt\), got 3"):
        read_list(root, "train", 100)
