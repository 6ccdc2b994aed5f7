"""A pack gives the lists and the masks of the data set itself, in the same bytes whenever it is written."""

import pytest
import torch
from data.episodes import digest, sample_episodes
from data.image_list import read_list
from data.masks import read_mask
from data.pictures import read_image
from data.transforms import evaluation_transform, read_pair
from gpu.pack import main, pack, resized
from gpu.packed_photographs import as_listed, unpack
from torchvision.transforms import v2
from voc_tree import mask_with, write_voc

SIZE = 32


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    mask = mask_with(3, 7)
    mask[:5] = 255
    root = write_voc(tmp_path_factory.mktemp("voc"), [mask_with(3), mask, mask_with(7, size=(60, 30))])
    return write_voc(root, [mask_with(3), mask_with(7, 3)], "val")


@pytest.fixture(scope="module")
def unpacked(voc, tmp_path_factory):
    root = tmp_path_factory.mktemp("pack")
    pack(voc, root / "pack.zip", SIZE, 95)
    return unpack(root / "pack.zip", root / "work")


@pytest.mark.parametrize("name", ["train", "val"])
def test_lists_and_episodes_are_those_of_the_data_set(voc, unpacked, name):
    whole = read_list(voc, name, 90)
    small = read_list(unpacked, name, 90)
    listed = as_listed(small, unpacked, name)
    assert [one.image.stem for one in listed.items] == [one.image.stem for one in whole.items]
    # The smaller masks hold too few pixels for the rule, which the numbers kept beside them mend.
    assert listed.by_class == whole.by_class and small.by_class == {}
    drawn = [sample_episodes(one, [3], 1, 0, 20) for one in (whole, listed)]
    assert drawn[0] == drawn[1] and digest(whole, drawn[0]) == digest(listed, drawn[1])


def test_masks_are_those_that_evaluation_makes_and_pictures_are_nearly(voc, unpacked):
    transform = evaluation_transform(SIZE)
    for before, after in zip(read_list(voc, "train", 90).items, read_list(unpacked, "train", 90).items, strict=True):
        expected, found = (transform(*read_pair(item, 3)) for item in (before, after))
        assert torch.equal(found[1], expected[1])
        # Random pixels are what compression keeps worst: near in the mean, and nearer than any other picture.
        assert (found[0] - expected[0]).abs().mean() < 0.6 * (found[0] - expected[0].flip(2)).abs().mean()


def test_a_mask_keeps_every_class_and_what_is_unlabelled(voc):
    item = read_list(voc, "train", 90).items[1]
    image, mask = resized(item, SIZE)
    assert image.shape[1:] == mask.shape and max(mask.shape) == SIZE
    labels = torch.from_numpy(read_mask(item.mask).copy())
    nearest = v2.functional.resize(labels[None], list(mask.shape), v2.InterpolationMode.NEAREST)[0]
    assert torch.equal(mask, nearest) and mask.unique().tolist() == [0, 3, 7, 255]
    plain = v2.functional.resize(read_image(item.image), list(mask.shape), antialias=True)
    assert torch.equal(image, plain)


def test_equal_data_give_equal_bytes(voc, tmp_path):
    reports = [pack(voc, tmp_path / name, SIZE, 80) for name in ("one.zip", "other.zip")]
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert reports[0] == reports[1] and reports[0]["pictures"] == 5 and reports[0]["lists"] == {"train": 3, "val": 2}
    worse = pack(voc, tmp_path / "worse.zip", SIZE, 10)
    assert worse["mebibytes"] <= reports[0]["mebibytes"]
    assert worse["mean_signal_to_noise_decibels"] < reports[0]["mean_signal_to_noise_decibels"]


def test_names_of_the_classes_travel(tmp_path):
    root = write_voc(tmp_path / "voc", [mask_with(1), mask_with(2)])
    write_voc(root, [mask_with(1)], "val")
    (root / "classes.txt").write_text("chair\ntable\nlamp\n")
    pack(root, tmp_path / "pack.zip", SIZE, 80)
    assert read_list(unpack(tmp_path / "pack.zip", tmp_path), "val").class_names == ("chair", "table", "lamp")


def test_a_file_that_is_no_pack_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pack: expected a file that experiments/gpu/pack\.py wrote"):
        unpack(tmp_path / "none.zip", tmp_path)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ValueError, match=r"text.zip: expected a file .* write it again"):
        unpack(tmp_path / "text.zip", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["text.zip"]


def test_pictures_of_one_name_are_refused_before_anything_is_written(tmp_path):
    root = write_voc(tmp_path / "voc", [mask_with(3)])
    write_voc(root / "more", [mask_with(3)])
    lines = (
        "JPEGImages/train0.jpg SegmentationClassAug/train0.png",
        "more/JPEGImages/train0.jpg more/SegmentationClassAug/train0.png",
    )
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="expected pictures of different names, got train0 twice"):
        pack(root, tmp_path / "pack.zip", SIZE, 80)
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize(("option", "value"), [("--size", "8"), ("--quality", "101")])
def test_a_number_out_of_range_is_refused(voc, tmp_path, option, value):
    with pytest.raises(ValueError, match=rf"{option[2:]}: expected .*, got {value}"):
        main(["--data", str(voc), "--out", str(tmp_path / "pack.zip"), option, value])
    assert not list(tmp_path.iterdir())
