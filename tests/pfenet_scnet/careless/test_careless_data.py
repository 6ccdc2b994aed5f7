"""Data as careless hands leave them: read as meant, or one line that says what is wrong and what to do."""

import re

import numpy as np
import pytest
from PIL import Image
from processes import SHORT, carried_out, refused
from voc_tree import mask_with, write_voc

LEAKAGE = ("voc", "--min_pixels", "50")


def write_own(root, classes, train=2, val=2):
    """A small data set with names of its own."""
    for split, count in (("train", train), ("val", val)):
        write_voc(root, [mask_with(c) for c in range(1, classes + 1) for _ in range(count)], split)
    (root / "classes.txt").write_text("".join(f"thing{c}\n" for c in range(1, classes + 1)))
    return root


@pytest.fixture
def work(tmp_path):
    write_own(tmp_path / "voc", 8)
    return tmp_path


@pytest.fixture
def names(work):
    return (work / "voc/ImageSets/Segmentation/train.txt").read_text().split()


def write_list(work, content, name="train"):
    (work / "voc/ImageSets/Segmentation" / f"{name}.txt").write_bytes(content)


def change_masks(work, change):
    """Save every mask anew, from its class indices."""
    for path in (work / "voc/SegmentationClassAug").iterdir():
        with Image.open(path) as picture:
            indices = np.asarray(picture)
        change(indices).save(path)


def in_pairs(names, image, mask):
    return "".join(f"{image}{name}.jpg {mask}{name}.png\r\n" for name in names)


@pytest.mark.parametrize(
    "written",
    [
        lambda names, root: "\n".join(names).encode("utf-8-sig"),
        lambda names, root: "\r\n".join(names).encode("utf-16"),
        lambda names, root: "".join(f"{name} \t \r\n\r\n" for name in names).encode(),
        lambda names, root: in_pairs(names, "JPEGImages\\", "SegmentationClassAug\\").encode(),
        lambda names, root: in_pairs(names, "/JPEGImages/", "/SegmentationClassAug/").encode(),
        lambda names, root: in_pairs(names, f"{root}/JPEGImages/", f"{root}/SegmentationClassAug/").encode(),
        lambda names, root: "".join(f"{name}.jpg\n" for name in names).encode(),
    ],
    ids=["byte order mark", "utf-16", "CRLF and blanks", "backslashes", "DeepLab's", "absolute", "with ending"],
)
def test_lists_are_read_as_they_are_meant(work, names, written):
    plain = carried_out("leakage", *LEAKAGE, cwd=work)
    write_list(work, written(names, work / "voc"))
    assert carried_out("leakage", *LEAKAGE, cwd=work) == plain and "16 images of train" in plain


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("größe\n".encode("latin-1"), r"expected UTF-8, got 'gr\xf6\xdfe' in line 17"),
        ("train0\u200b\n".encode(), r"train0\u200b.jpg, got no such file"),
        (b"two words here\n", "names hold no blanks"),
        (b"train99\n", "train99.jpg, got no such file; 1 of 17 images"),
    ],
)
def test_what_cannot_be_read_is_shown_with_its_invisible_characters(work, names, line, shown):
    write_list(work, "".join(f"{name}\n" for name in names).encode() + line)
    assert shown in refused("leakage", *LEAKAGE, cwd=work)


def test_a_name_twice_counts_once_and_aloud(work, names):
    plain = carried_out("leakage", *LEAKAGE, cwd=work)
    write_list(work, "\n".join(sorted(names * 2)).encode())
    said = carried_out("leakage", *LEAKAGE, cwd=work)
    assert "train.txt: 32 lines name 16 images; each counts once" in said
    assert said.splitlines()[1:] == plain.splitlines()


def test_images_of_val_in_train_are_refused_unless_the_benchmark_has_them(work, names):
    write_list(work, "\n".join([*names, "val0", "val3"]).encode())
    said = refused("train", "--data", "voc", *SHORT, "--out", "run", cwd=work)
    assert "got 2 in both" in said and "val0.jpg" in said and not (work / "run").exists()
    said = carried_out("train", "--data", "voc", *SHORT, "--benchmark", "PASCAL-5i", "--out", "run", cwd=work)
    assert "2 images are in the lists of both training and evaluation" in said


def test_a_cut_off_picture_is_named_or_left_out(work):
    for name, part in (("JPEGImages/train0.jpg", 0.3), ("SegmentationClassAug/train3.png", 0.5)):
        path = work / "voc" / name
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        said = refused("leakage", *LEAKAGE, cwd=work)
        assert name in said and "--skip_damaged true" in said
        said = carried_out("leakage", *LEAKAGE, "--skip_damaged", "true", cwd=work)
        assert "left out 1 of 16 images, whose picture or mask is damaged" in said and "15 images of train" in said
        path.write_bytes(whole)


def test_a_picture_damaged_behind_a_whole_end_never_trains_as_grey(work):
    for path in (work / "voc/JPEGImages").glob("train*.jpg"):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    words = ["--data", "voc", *SHORT, "--workers", "1", "--out"]
    assert re.search(r"train\d+\.jpg: expected a picture, got a damaged one", refused("train", *words, "a", cwd=work))
    said = refused("train", *words, "b", "--skip_damaged", "true", cwd=work)
    assert "expected at least one whole image, got damaged ones alone" in said


@pytest.mark.parametrize("cut", ["JPEGImages/val0.jpg", "JPEGImages/train0.jpg"])
def test_a_cut_off_png_under_any_name_is_found(work, cut):
    path = work / "voc" / cut
    with Image.open(path) as picture:
        picture.save(path, "PNG")
    path.write_bytes(path.read_bytes()[:-40])
    assert cut in refused("train", "--data", "voc", *SHORT, "--out", "run", cwd=work)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda indices: Image.fromarray(np.where(indices > 0, 255, 0).astype(np.uint8)), "these masks are binary"),
        (lambda indices: Image.fromarray(np.zeros_like(indices)), "got 0 alone, which is background"),
        (lambda indices: Image.fromarray(np.stack([indices] * 3, -1)), "one byte a pixel, got mode RGB"),
        (lambda indices: Image.fromarray(indices.astype(np.uint16)), "one byte a pixel, got mode I;16"),
        (lambda indices: Image.fromarray(np.where(indices == 255, 255, indices * 10).astype(np.uint8)), "10, 20, 30"),
        (lambda indices: Image.fromarray(np.array([0, 38, 75, *[113] * 253], np.uint8)[indices]), "38, 75, 113"),
    ],
    ids=["binary", "empty", "colours", "sixteen bits", "times ten", "turned to grey"],
)
def test_masks_that_hold_no_class_indices_say_what_they_hold(work, change, sentence):
    change_masks(work, change)
    said = refused("leakage", *LEAKAGE, cwd=work)
    assert sentence in said and "voc" in said


def test_binary_masks_name_the_way_to_a_class(work):
    change_masks(work, lambda indices: Image.fromarray(np.where(indices > 0, 255, 0).astype(np.uint8)))
    said = refused("train", "--data", "voc", *SHORT, "--out", "run", cwd=work)
    assert "0, 255 alone" in said and "prepare.py folder" in said and "--names NAME" in said


@pytest.mark.parametrize(
    ("names_of", "sentence"), [(7, "1 to 7 (classes.txt), got 8"), (None, "1 to 20 (VOC, as there")]
)
def test_a_value_beyond_the_classes_is_named_with_its_mask(work, names_of, sentence):
    listed = work / "voc/classes.txt"
    if names_of is None:
        listed.unlink()
        with Image.open(work / "voc/SegmentationClassAug/train0.png") as picture:
            indices = np.where(np.asarray(picture) == 1, 80, 0).astype(np.uint8)
        Image.fromarray(indices).save(work / "voc/SegmentationClassAug/train0.png")
    else:
        listed.write_text("".join(f"thing{c}\n" for c in range(1, names_of + 1)))
    for words in (("leakage", *LEAKAGE), ("train", "--data", "voc", *SHORT, "--out", "run")):
        said = refused(*words, cwd=work)
        assert sentence in said and "SegmentationClassAug" in said and "one a line" in said


def test_a_mask_of_another_size_is_named(work):
    path = work / "voc/SegmentationClassAug/train0.png"
    with Image.open(path) as picture:
        picture.crop((0, 0, 50, 30)).save(path)
    words = ["--data", "voc", *SHORT, "--out", "run", "--novel_classes", "thing8", "--fold", "null", "--batch", "8"]
    assert "train0.png: expected the image's size (40, 60), got (30, 50)" in refused("train", *words, cwd=work)


@pytest.mark.parametrize(
    "environment", [{"SELFCONTRAST_CACHE": "/proc/none"}, {"SELFCONTRAST_CACHE": "", "HOME": "/proc/none"}]
)
def test_a_home_that_cannot_be_written_costs_time_and_no_result(work, environment):
    said = carried_out("leakage", *LEAKAGE, cwd=work, XDG_CACHE_HOME="", MPLCONFIGDIR=str(work), **environment)
    assert said.count("set SELFCONTRAST_CACHE to a folder that can") == 1 and "16 images of train" in said


@pytest.mark.parametrize(
    ("classes", "words", "held_out"),
    [
        (6, (), "fold 2"),
        (6, ("--folds", "3", "--fold", "1"), "fold 1"),
        (2, ("--folds", "2", "--fold", "1"), "fold 1"),
        (2, ("--novel_classes", "thing2"), "novel classes thing2"),
        (6, ("--novel_classes", "thing1,4"), "novel classes thing1, 4"),
    ],
)
def test_any_number_of_classes_from_two_on_trains(tmp_path, classes, words, held_out):
    write_own(tmp_path / "voc", classes)
    said = carried_out("train", "--data", "voc", *SHORT, "--out", "run", *words, cwd=tmp_path)
    assert f"{held_out}: " in said and "mIoU" in said


@pytest.mark.parametrize(
    ("classes", "words", "sentence"),
    [
        (1, (), "an episodic model is trained on some classes and tried on others; predict.py can use one class alone"),
        (3, (), "expected 2 to 3 for 3 classes, got 4; add --folds 3 --fold 0, or --novel_classes"),
        (6, ("--novel_classes", "thin1"), "got 'thin1'; did you mean thing1?"),
        (6, ("--novel_classes", "1,2,3,4,5,6"), "at least one class left to train on"),
        (6, ("--novel_classes", "7"), "numbers 1 to 6, got '7'"),
        (6, ("--folds", "1"), "folds: expected at least 2, got 1"),
    ],
)
def test_classes_that_cannot_be_divided_say_how_they_can(tmp_path, classes, words, sentence):
    write_own(tmp_path / "voc", classes)
    assert sentence in refused("train", "--data", "voc", *SHORT, "--out", "run", *words, cwd=tmp_path)
    assert not (tmp_path / "run").exists()
