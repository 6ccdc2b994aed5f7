import json
import os
from pathlib import Path

import pytest
from data.episodes import sample_episodes
from data.folds import Split, novel_classes
from data.image_list import read_list
from data.masks import read_mask
from data.preparation.coco import prepare_coco
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


def change_first(**more):
    """A change of the first annotation; a key that is None is taken out."""

    def change(content):
        merged = content["annotations"][0] | more
        content["annotations"][0] = {key: value for key, value in merged.items() if value is not None}

    return lambda coco: rewrite(coco / TRAIN, change)


def change_image(**more):
    return lambda coco: rewrite(coco / TRAIN, lambda content: content["images"][0].update(more))


def add_categories(*numbers):
    added = [{"id": number, "name": f"c{number}"} for number in numbers]
    return lambda coco: rewrite(coco / TRAIN, lambda content: content["categories"].extend(added))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda coco: (coco / TRAIN).write_text((coco / TRAIN).read_text()[:-9]), "expected a JSON in COCO's format"),
        (lambda coco: (coco / TRAIN).write_text("[]"), "expected a JSON in COCO's format"),
        (lambda coco: rewrite(coco / TRAIN, lambda c: c.pop("categories")), "with categories, got none"),
        (change_first(category_id=99), "000001.jpg: annotation 1: expected a listed category, got 99"),
        (add_categories(91), "expected the same categories in train and val"),
        (add_categories(*range(100, 400)), r"instances_train2014.json: expected 1 to 254 classes.*got 304"),
        (
            change_first(segmentation={"size": [40, 60], "counts": [600, 400]}),
            r"000001.jpg: annotation 1: expected run lengths .* fill the picture's 2400 pixels, got 1000",
        ),
        (change_first(segmentation={"size": [60, 40], "counts": [2400]}), r"000001.jpg: annotation 1: .*got .60, 40."),
        (change_first(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "000001.jpg: annotation 1: expected an even number"),
        (change_image(height=41), r"000001.jpg: expected the listed size \(41, 60\) \(height, width\), got \(40, 60\)"),
        (change_image(file_name="../../x.jpg"), "image 1: expected a path below the folder of images, without blanks"),
        (change_image(file_name="my cup.jpg"), "got 'my cup.jpg'; let prepare.py coco-json read this file"),
        (lambda coco: (coco / "train2014/COCO_train2014_000000000002.jpg").write_bytes(b"\xff\xd8"), "000002.jpg"),
    ],
)
def test_damaged_files_are_named(download, tmp_path, damage, message):
    damage(download)
    with pytest.raises(ValueError, match=message) as caught:
        prepare_coco(download, tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [lambda c: c.pop("categories"), lambda c: c["images"][0].pop("file_name")])
def test_nothing_is_written_before_both_tables_are_read(download, tmp_path, change):
    rewrite(download / TRAIN.replace("train", "val"), change)
    with pytest.raises(ValueError, match=r"instances_val2014.json: "):
        prepare_coco(download, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("outline", [{"segmentation": []}, {"segmentation": [[1, 2, 8, 9]]}, {"segmentation": None}])
def test_an_instance_without_outline_is_named_and_left_out(download, tmp_path, capsys, outline):
    change_first(**outline)(download)
    prepare_coco(download, tmp_path / "out")
    said = capsys.readouterr().out
    assert "train2014: instances without an outline, left out: 1 (a polygon needs three points" in said
    assert said.count("annotation 1\n") == 1
    mask = mask_of(tmp_path / "out", 1)
    assert (mask == 1).sum() == 400, "the person is drawn, the bottle in front of it is not"


def test_iscrowd_and_area_may_be_missing(download, tmp_path):
    prepare_coco(download, tmp_path / "stated")
    rewrite(download / TRAIN, lambda c: [(one.pop("iscrowd"), one.pop("area")) for one in c["annotations"][:2]])
    prepare_coco(download, tmp_path / "out")
    assert (mask_of(tmp_path / "out", 1) == mask_of(tmp_path / "stated", 1)).all()


def test_damaged_images_are_left_out_where_that_is_asked(download, tmp_path, capsys):
    (download / "train2014/COCO_train2014_000000000002.jpg").write_bytes(b"\xff\xd8")
    change_first(segmentation="nonsense")(download)
    prepare_coco(download, tmp_path / "out", skip_damaged=True)
    said = capsys.readouterr().out
    assert "left out 2 of 3, which are damaged: " in said and "000002.jpg: expected a picture" in said
    assert (tmp_path / "out/ImageSets/Segmentation/train.txt").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("names", "masks"),
    [
        (("a/x.jpg", "b/x.jpg", "y.jpg"), ("a/x.png", "b/x.png", "y.png")),
        (("x.jpg", "x.png", "x.jpg.png"), ("x.jpg.png", "x.png.png", "x.jpg.png.png")),
        (("x.jpg", "x.bmp", "y.jpg"), ("x.jpg.png", "x.bmp.png", "y.png")),
    ],
)
def test_images_of_one_stem_each_have_their_own_mask(tmp_path, names, masks):
    images = [[instance(category, 5, 5, 9)] for category in (PERSON, CAR, BOTTLE)]
    coco = write_coco(tmp_path / "coco", {"train": images, "val": images[:1]})
    for number, name in enumerate(names, 1):
        (coco / "train2014" / name).parent.mkdir(exist_ok=True)
        (coco / f"train2014/COCO_train2014_{number:012d}.jpg").rename(coco / "train2014" / name)
    rewrite(coco / TRAIN, lambda c: [one.update(file_name=name) for one, name in zip(c["images"], names, strict=True)])
    prepare_coco(coco, tmp_path / "out")
    lines = (tmp_path / "out/ImageSets/Segmentation/train.txt").read_text().splitlines()
    assert lines == [f"train2014/{a} annotations/train2014/{b}" for a, b in zip(names, masks, strict=True)]
    assert [item.pixels for item in read_list(tmp_path / "out", "train", 1).items] == [{1: 81}, {2: 81}, {3: 81}]


def test_an_image_that_is_listed_twice_has_one_mask_with_all_its_instances(download, tmp_path, capsys):
    def change(content):
        content["images"].append(content["images"][0] | {"id": 99})
        content["annotations"].append(instance(CAR, 35, 3, 5) | {"image_id": 99})
        content["annotations"].append(instance(CAR, 35, 3, 5) | {"image_id": 12345})

    rewrite(download / TRAIN, change)
    prepare_coco(download, tmp_path / "out")
    said = capsys.readouterr().out
    assert "images listed twice, with their annotations put together: 1" in said
    assert "annotations of images that are not listed, left out: 1 (12345)" in said
    assert len(read_list(tmp_path / "out", "train").items) == 3 and (mask_of(tmp_path / "out", 1) == 2).sum() == 25


def test_refuses_to_write_into_the_download(download):
    with pytest.raises(ValueError, match="out: expected a folder of its own"):
        prepare_coco(download, download)
    assert not (download / "classes.txt").exists()


@pytest.mark.parametrize("piece", ["train2014", "val2014", "annotations/instances_val2014.json"])
def test_a_missing_piece_is_named_with_where_to_get_it(download, tmp_path, piece):
    (download / piece).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=os.path.basename(piece)) as caught:
        prepare_coco(download, tmp_path / "out")
    assert "images.cocodataset.org" in str(caught.value)


@pytest.mark.skipif("SELFCONTRAST_COCO" not in os.environ, reason="set SELFCONTRAST_COCO to a COCO tree")
def test_reads_real_instances(tmp_path):
    prepare_coco(Path(os.environ["SELFCONTRAST_COCO"]), tmp_path)
    images = read_list(tmp_path, "val", 500, Split("interleaved"))
    assert len(images.class_names) == 80 and images.class_names[79] == "toothbrush"
    novel = images.novel_classes(0)
    assert novel == novel_classes(0, 80, "interleaved") and 0 < images.training(0, "keep").hidden_share(0) < 100
    assert images.training(0, "drop").hidden_share(0) == 0
    served = [c for c in novel if len(images.by_class.get(c, [])) > 1]
    assert sample_episodes(images, served, 1, 0, 20)
