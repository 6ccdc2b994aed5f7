"""Exports of annotation tools through `prepare.py coco-json`, as a user types it."""

import json

import numpy as np
import pytest
from data.image_list import read_list
from data.masks import read_mask
from own_tree import SIZE, TURNED_A_QUARTER, outline, write_export, write_picture
from pycocotools import mask as run_lengths

CUP, PLATE = 3, 7


@pytest.fixture
def prepare(command, tmp_path):
    """Prepare the export and pictures below tmp_path; what was printed."""

    def call(*words, status=0, name="export.json"):
        places = ("--json", tmp_path / name, "--images", tmp_path / "images", "--out", tmp_path / "out")
        done = command("coco-json", *places, *words)
        assert done.status == status and "Traceback" not in done.err, done.out + done.err
        return done.out if status == 0 else done.err.replace("\r", "\n").splitlines()[-1]

    return call


def of(image, category=CUP, **more):
    """An annotation as bare as a tool may write it."""
    return {"image_id": image, "category_id": category, "segmentation": outline()} | more


def everything(root):
    items = read_list(root, "train", 1).items + read_list(root, "val", 1).items
    return {item.image.name: item.pixels for item in items}


def test_bare_annotations_of_all_kinds_are_drawn(prepare, tmp_path):
    square = np.zeros(SIZE, np.uint8)
    square[4:24, 6:26] = 1
    packed = run_lengths.encode(np.asfortranarray(square))["counts"].decode()
    runs = np.diff(np.flatnonzero(np.diff(square.ravel("F"), prepend=0, append=0)), prepend=0).tolist()
    plain = [*runs, square.size - sum(runs)]
    annotations = [
        of(0),
        of(1, segmentation=outline()[0]),
        of(2, segmentation={"size": list(SIZE), "counts": packed}),
        of(3, PLATE, segmentation={"size": list(SIZE), "counts": plain}, iscrowd=1),
        of(4, PLATE, segmentation=[[1, 1, 5, 5], *outline()]),
        of(4, CUP, segmentation=outline(8, 8, 5)),
        of(4, PLATE, segmentation=[], bbox=[1, 2, 3, 4], id=88),
        of(4, PLATE, segmentation=[[1, 1, 5, 5]], id=89),
        of(777, PLATE),
    ]
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(6)]
    write_export(tmp_path, annotations, images, [(0, "all things"), (PLATE, "plate"), (CUP, "cup"), (900, "fork")])
    said = prepare()
    assert (tmp_path / "out/classes.txt").read_text() == "cup\nplate\n", "in the order of the ids, and only those used"
    whole = {"0.jpg": {1: 400}, "1.jpg": {1: 400}, "2.jpg": {1: 400}, "3.jpg": {2: 400}, "4.jpg": {1: 25, 2: 375}}
    assert everything(tmp_path / "out") == whole
    assert "categories without an outline, left out: 2 (all things, fork)" in said
    assert "annotations of images that are not listed, left out: 1 (777)" in said
    assert "images without annotations, in no list, as an episode needs an object: 1" in said
    assert "1 annotations say iscrowd; they are drawn as others" in said
    assert "instances without an outline, left out: 2 (a polygon needs three points, a box is none): " in said
    assert "annotation 88, annotation 89" in said
    assert said.count("1 cup") == 1 and "base class" in said


@pytest.mark.parametrize(
    "written",
    [
        "C:\\Users\\me\\camera a\\shot 1.jpg",
        "/data/upload/7/camera%20a/shot%201.jpg",
        "https://store.example/camera a/shot 1.jpg?Expires=9&Signature=x",
        "/data/local-files/?d=camera%20a/shot%201.jpg",
        "..\\..\\media\\camera a\\0123abcd-shot 1.jpg",
        "./camera a/SHOT 1.JPG",
        "shot 1.jpg",
    ],
)
def test_a_picture_is_found_however_its_tool_calls_it(prepare, tmp_path, written):
    write_picture(tmp_path / "images/camera a/shot 1.jpg")
    write_picture(tmp_path / "images/b.jpg")
    images = [{"id": 1, "file_name": "b.jpg"}, {"id": 2, "file_name": written}]
    (tmp_path / "export.json").write_text(
        json.dumps({"images": images, "annotations": [of(1), of(2)], "categories": [{"id": CUP, "name": "cup"}]})
    )
    prepare()
    assert (tmp_path / "out/JPEGImages/camera_a/shot_1.jpg").readlink() == tmp_path / "images/camera a/shot 1.jpg"
    assert everything(tmp_path / "out") == {"b.jpg": {1: 400}, "shot_1.jpg": {1: 400}}


def test_pictures_of_one_name_in_two_folders_are_told_apart(prepare, tmp_path):
    names = ["a/x.jpg", "b/x.jpg", "x.jpg"]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    write_export(tmp_path, [of(number, segmentation=outline(side=10 + number)) for number in range(3)], images)
    prepare()
    for number, name in enumerate(names):
        mask = read_mask(tmp_path / "out/SegmentationClassAug" / name.replace("jpg", "png"))
        assert (mask == 1).sum() == (10 + number) ** 2


def test_a_picture_that_cannot_be_told_is_refused_or_left_out(prepare, tmp_path):
    write_export(tmp_path, [of(0), of(1), of(2), of(3)])
    for name in ("a/9.jpg", "b/9.jpg"):
        write_picture(tmp_path / "images" / name)
    (tmp_path / "images/2.jpg").unlink()
    (tmp_path / "images/3.jpg").rename(tmp_path / "images/a/3.jpg")
    content = json.loads((tmp_path / "export.json").read_text())
    content["images"].append({"id": 4, "file_name": "c/9.jpg"})
    content["annotations"].append(of(4))
    (tmp_path / "export.json").write_text(json.dumps(content))
    error = prepare(status=2)
    assert "got none for 2.jpg (no such picture), c/9.jpg (a/9.jpg, b/9.jpg fit); add them, or" in error
    said = prepare("--skip_damaged", "true")
    assert "left out: 2 (2.jpg (no such picture), c/9.jpg (a/9.jpg, b/9.jpg fit))" in said
    assert set(everything(tmp_path / "out")) == {"0.jpg", "1.jpg", "3.jpg"}


def test_a_picture_listed_twice_is_one_and_two_pictures_never_are(prepare, tmp_path):
    images = [{"id": number, "file_name": f"{min(number, 2)}.jpg"} for number in range(4)]
    write_export(tmp_path, [of(0), of(1), of(2), of(3, PLATE, segmentation=outline(40, 30, 5))], images)
    assert "pictures listed twice, with their annotations put together: 2.jpg" in prepare()
    assert everything(tmp_path / "out")["2.jpg"] == {1: 400, 2: 25}
    images[3]["file_name"] = "other/2.jpg"
    write_export(tmp_path, [of(0), of(1), of(2), of(3)], images, name="second.json")
    (tmp_path / "images/other/2.jpg").unlink()
    error = prepare("--out", tmp_path / "again", status=2, name="second.json")
    assert "expected a picture of its own for 2.jpg and for other/2.jpg, got 2.jpg for both" in error


def test_a_second_export_is_for_validation_and_classes_go_by_name(prepare, tmp_path):
    for part, number in (("train", 0), ("valid", 1)):
        images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(2)]
        categories = [(CUP, "cup"), (PLATE, "plate")] if number == 0 else [(CUP, "plate"), (PLATE, "cup"), (9, "fork")]
        annotations = [of(0, CUP), of(1, PLATE)] + ([of(1, 9, segmentation=outline(40, 30, 5))] if number else [])
        for image in images:
            write_picture(tmp_path / "images" / part / image["file_name"], seed=number)
        write_export(tmp_path / "images" / part, annotations, images, categories, "_annotations.coco.json")
    roboflow = ("images/train/_annotations.coco.json", tmp_path / "images/valid/_annotations.coco.json")
    for part in ("train", "valid"):
        for stray in (tmp_path / f"images/{part}/images").iterdir():
            stray.unlink()
        (tmp_path / f"images/{part}/images").rmdir()
    assert "divided by the given lists" in prepare("--val_json", roboflow[1], name=roboflow[0])
    assert (tmp_path / "out/classes.txt").read_text() == "cup\nplate\nfork\n"
    train, val = (read_list(tmp_path / "out", part, 1).items for part in ("train", "val"))
    assert [item.pixels for item in train] == [{1: 400}, {2: 400}]
    assert [item.pixels for item in val] == [{2: 400}, {1: 400, 3: 25}]
    assert [item.image.parent.name for item in (*train, *val)] == ["train", "train", "valid", "valid"]
    error = prepare("--val_json", tmp_path / roboflow[0], "--out", tmp_path / "x", name=roboflow[0], status=2)
    assert "expected other pictures than" in error and "got train/0.jpg, train/1.jpg in both" in error


def test_pictures_count_as_viewers_show_them(prepare, tmp_path):
    sizes = [{}, {"height": SIZE[1], "width": SIZE[0]}]
    images = [{"id": number, "file_name": f"{number}.jpg"} | size for number, size in enumerate(sizes)]
    for number in range(2):
        write_picture(tmp_path / f"images/{number}.jpg", SIZE, TURNED_A_QUARTER)
    write_export(tmp_path, [of(0), of(1)], images)
    assert "pictures written upright as PNG: 2" in prepare()
    assert read_mask(tmp_path / "out/SegmentationClassAug/0.png").shape == SIZE[::-1]
    images[1] |= {"height": SIZE[0], "width": SIZE[1]}
    write_export(tmp_path, [of(0), of(1)], images)
    error = prepare("--out", tmp_path / "again", status=2)
    assert "images/1.jpg: expected the listed size (48, 64) (height, width), got (64, 48)" in error
    assert "remove the orientation note from the picture" in error


@pytest.mark.parametrize(
    ("outlines", "categories", "message"),
    [
        ([{"size": [10**9, 10**9], "counts": [10**18]}], None, "images/0.jpg: an annotation without id of image 0: "),
        ([{"size": list(SIZE), "counts": [600, 400]}], None, "fill the picture's 3072 pixels, got 1000"),
        ([[], None, {}, [[1, 2, 3, 4]]], None, "expected outlines, got none in any annotation (a box is none)"),
        ([outline(), outline()], [(CUP, "cup"), (PLATE, "cup")], "expected each class name once, got cup twice"),
        ([outline(), outline()], [(CUP, "cup"), (PLATE, "")], "category 7: expected a name, got ''"),
        (
            [outline(), outline()],
            [(CUP, "cup"), (PLATE, "a\nb")],
            r"expected class names of one line without control characters, got a\nb",
        ),
        ([outline(), outline()], [(8, "cup")], "expected annotations of listed categories, got 3, 7"),
        ([outline(), outline()], [(CUP, "cup")], "expected a listed category, got 7"),
    ],
)
def test_what_cannot_be_drawn_or_called_is_refused_by_name(prepare, tmp_path, outlines, categories, message):
    annotations = [of(n, (CUP, PLATE)[n % 2], segmentation=segmentation) for n, segmentation in enumerate(outlines)]
    write_export(tmp_path, annotations, categories=categories or [(CUP, "cup"), (PLATE, "plate")])
    assert message in prepare(status=2)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_what_is_no_export_is_one_line(prepare, tmp_path):
    (tmp_path / "images").mkdir()
    assert "json: expected" in prepare(status=2) and "got no such file" in prepare(status=2)
    (tmp_path / "export.json").write_text("[" * 100_000)
    assert prepare(status=2).startswith(f"prepare.py: {tmp_path}/export.json: expected a JSON in COCO's format")


def test_damaged_pictures_and_outlines_are_left_out_where_that_is_asked(prepare, tmp_path):
    write_export(tmp_path, [of(0), of(1), of(2), of(3, segmentation=[[1, 2, 3, 4, 5, 6, 7]])])
    path = tmp_path / "images/2.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    error = prepare(status=2)
    assert "images/2.jpg: expected a whole picture" in error or "images/2.jpg: expected a picture" in error
    assert "images/3.jpg: an annotation without id of image 3: expected an even number of coordinates" in error
    assert "left out 2 of 4, which are damaged" in prepare("--skip_damaged", "true")
    assert set(everything(tmp_path / "out")) == {"0.jpg", "1.jpg"}
