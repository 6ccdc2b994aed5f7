import json
import os
from pathlib import Path

import pytest
from data.coco import prepare_coco
from data.episodes import read_list, sample_episodes
from data.folds import novel_classes
from data.masks import read_mask
from download_trees import square, write_coco

PERSON, CAR, BOTTLE = 1, 3, 44  # categories 1, 3, 44, 90 become classes 1, 2, 3, 4


def instance(category, x, y, side, **more):
    return {"category_id": category, "segmentation": square(x, y, side), "area": side * side} | more


def crowd(category, columns):
    """Run lengths as COCO writes crowds: the first `columns` columns of 40 pixels."""
    return {
        "category_id": category,
        "segmentation": {"counts": [0, 40 * columns, 40 * (60 - columns)], "size": [40, 60]},
        "area": 40 * columns,
        "iscrowd": 1,
    }


@pytest.fixture
def download(tmp_path):
    images = [
        [instance(BOTTLE, 12, 12, 4), instance(PERSON, 10, 10, 20)],
        [crowd(CAR, 30), instance(CAR, 5, 5, 10)],
        [],
        [instance(BOTTLE, 50.2, 30.2, 0.3)],
    ]
    return write_coco(tmp_path / "coco", {"train": images, "val": images[:1]})


def mask_of(out, number):
    return read_mask(out / f"annotations/train2014/COCO_train2014_{number:012d}.png")


def test_small_instances_stay_visible_on_large_ones(download, tmp_path):
    prepare_coco(download, tmp_path / "out")
    mask = mask_of(tmp_path / "out", 1)
    assert mask[12:16, 12:16].tolist() == [[3] * 4] * 4
    assert (mask == 1).sum() == 20 * 20 - 16


def test_what_a_crowd_alone_covers_is_unlabelled(download, tmp_path):
    prepare_coco(download, tmp_path / "out")
    mask = mask_of(tmp_path / "out", 2)
    assert (mask == 2).sum() == 100 and (mask[:, :30] != 0).all() and (mask[:, 30:] == 0).all()
    assert (mask == 255).sum() == 40 * 30 - 100


def test_images_without_instances_are_no_part_of_the_list(download, tmp_path):
    prepare_coco(download, tmp_path / "out")
    images = read_list(tmp_path / "out", "train", 10)
    assert [item.image.name[-7:] for item in images.items] == ["001.jpg", "002.jpg", "004.jpg"]
    assert images.items[2].pixels.get(3, 0) <= 1, "a tiny instance may cover no pixel's centre, and is drawn if it does"
    assert images.class_names == ("person", "car", "bottle", "toothbrush")
    line = (tmp_path / "out/ImageSets/Segmentation/val.txt").read_text()
    assert line == "val2014/COCO_val2014_000000000001.jpg annotations/val2014/COCO_val2014_000000000001.png\n"


def test_images_that_are_not_there_are_named_and_left_out(download, tmp_path, capsys):
    (download / "train2014/COCO_train2014_000000000001.jpg").unlink()
    prepare_coco(download, tmp_path / "out")
    assert "left out 1 images that are not there: COCO_train2014_000000000001.jpg" in capsys.readouterr().out
    assert len(read_list(tmp_path / "out", "train").items) == 2


def rewrite(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


TRAIN = "annotations/instances_train2014.json"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda coco: (coco / TRAIN).write_text((coco / TRAIN).read_text()[:-9]), "expected COCO's instances"),
        (lambda coco: (coco / TRAIN).write_text("[]"), "expected COCO's instances"),
        (lambda coco: rewrite(coco / TRAIN, lambda c: c.pop("categories")), "expected COCO's instances"),
        (
            lambda coco: rewrite(coco / TRAIN, lambda c: c["categories"].pop(3)),
            "000001.jpg: an instance cannot be drawn",
        ),
        (
            lambda coco: rewrite(coco / TRAIN, lambda c: c["categories"].append({"id": 91, "name": "cup"})),
            "expected the same categories in train and val",
        ),
        (
            lambda coco: rewrite(coco / TRAIN, lambda c: c["annotations"][0].update(segmentation=[[1, 2]])),
            "000001.jpg: an instance cannot be drawn",
        ),
        (
            lambda coco: rewrite(coco / TRAIN, lambda c: c["images"][0].update(height=41)),
            r"\(40, 60\) pixels high and wide, its mask \(41, 60\)",
        ),
        (lambda coco: (coco / "train2014/COCO_train2014_000000000002.jpg").write_bytes(b"\xff\xd8"), "000002.jpg"),
    ],
)
def test_damaged_files_are_named(download, tmp_path, damage, message):
    damage(download)
    with pytest.raises(ValueError, match=message):
        prepare_coco(download, tmp_path / "out")


@pytest.mark.parametrize("piece", ["train2014", "val2014", "annotations/instances_val2014.json"])
def test_a_missing_piece_is_named_with_where_to_get_it(download, tmp_path, piece):
    (download / piece).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=os.path.basename(piece)) as caught:
        prepare_coco(download, tmp_path / "out")
    assert "images.cocodataset.org" in str(caught.value)


@pytest.mark.skipif("SELFCONTRAST_COCO" not in os.environ, reason="set SELFCONTRAST_COCO to a COCO tree")
def test_reads_real_instances(tmp_path):
    prepare_coco(Path(os.environ["SELFCONTRAST_COCO"]), tmp_path)
    images = read_list(tmp_path, "val", 500, "interleaved")
    assert len(images.class_names) == 80 and images.class_names[79] == "toothbrush"
    novel = images.novel_classes(0)
    assert novel == novel_classes(0, 80, "interleaved") and 0 < images.training(0, "keep").hidden_share(0) < 100
    assert images.training(0, "drop").hidden_share(0) == 0
    served = [c for c in novel if len(images.by_class.get(c, [])) > 1]
    assert sample_episodes(images, served, 1, 0, 20)
