import json

import pytest
from data.outlines.coco_table import check_names, read_table

IMAGE = {"id": 1, "file_name": "a.jpg"}
ANNOTATION = {"image_id": 1, "category_id": 0}
CATEGORY = {"id": 0, "name": "cup"}


def write(tmp_path, images=(IMAGE,), annotations=(ANNOTATION,), categories=(CATEGORY,)):
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_ids_may_have_gaps_start_at_nought_and_stand_in_any_order(tmp_path):
    categories = [{"id": 90, "name": "fork"}, {"id": 0, "name": " cup "}, {"id": 7, "name": 5}]
    images = [{"id": 9, "file_name": "b.jpg", "height": 40, "width": 60.0}, IMAGE | {"height": 0, "width": None}]
    annotations = [{"image_id": 9, "category_id": 7}, ANNOTATION, {"image_id": 404, "category_id": 7}]
    table = read_table(write(tmp_path, images, annotations, categories))
    assert table.names == {0: "cup", 7: "5", 90: "fork"} and list(table.names) == [0, 7, 90]
    assert [(one.file_name, one.size, len(one.annotations)) for one in table.images] == [
        ("a.jpg", None, 1),
        ("b.jpg", (40, 60), 1),
    ]
    assert table.strays == [annotations[2]]


def test_an_image_listed_twice_is_one(tmp_path):
    assert len(read_table(write(tmp_path, images=[IMAGE, IMAGE])).images) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("[]", "got a list"),
        ('"text"', "got a str"),
        ("plain text", "Expecting value"),
        ("", "Expecting value"),
        ("<!doctype html>", "got a web page"),
        ("[" * 100_000, "nested too deep"),
        ('{"images": []}', "with images, got none"),
        ('{"images": {"1": 2}}', "with images, got a dict"),
    ],
)
def test_what_is_no_coco_is_named_in_one_line(tmp_path, content, found):
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(ValueError, match="expected a JSON in COCO's format") as caught:
        read_table(tmp_path / "export.json")
    assert str(caught.value).startswith(f"{tmp_path / 'export.json'}: ") and found in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"images": [{"id": 1, "coco_url": "http://c/1.jpg"}]},
            "image 1: expected a file_name, got only coco_url http://c/1",
        ),
        ({"images": [{"id": 1}]}, "image 1: expected a file_name, got none"),
        ({"images": [{"file_name": "a.jpg"}]}, "image number 1: expected a id, got none"),
        ({"images": [3]}, "image number 1: expected its entries by name, got 3"),
        ({"images": [IMAGE, IMAGE | {"file_name": "b.jpg"}]}, "got 1 for a.jpg and b.jpg"),
        (
            {"images": [IMAGE | {"height": "high", "width": 3}]},
            r"image 1: expected a height and width in pixels, got \['high'",
        ),
        ({"annotations": [{"id": 6, "image_id": 1}]}, "annotation 6: expected a category_id, got none"),
        *(
            ({"images": [IMAGE | {"height": side, "width": 3}]}, "image 1: expected a height and width in pixels")
            for side in (float("nan"), float("inf"), -float("inf"), 10**400, -4, 2.5, [4])
        ),
        (
            {"annotations": [{"image_id": [1], "category_id": 0}]},
            r"annotation number 1: expected a image_id, got \[1\]",
        ),
        ({"annotations": [ANNOTATION | {"image_id": "1"}]}, "got 1 of other images, such as '1'"),
        ({"categories": [{"id": 4, "name": ""}]}, "category 4: expected a name, got ''"),
        ({"categories": [CATEGORY, CATEGORY | {"name": "mug"}]}, "category 0: expected one name, got cup and mug"),
    ],
)
def test_an_entry_that_lacks_something_is_named(tmp_path, parts, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, **parts))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cup", "  "], "got an empty one"),
        (["cup\nplate"], r"got cup\\nplate; "),
        (["cup\u2028"], r"got cup\\u2028; "),
        (["\x1b[2Jcup"], r"without control characters, got \\x1b\[2Jcup; "),
        (["cup", "fork", "cup"], "got cup twice"),
        ([f"c{number}" for number in range(255)], "expected 1 to 254 classes.*got 255"),
        ([], "got 0"),
    ],
)
def test_names_that_a_list_cannot_hold_are_refused(names, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_names(names, "here")
    assert str(caught.value).startswith("here: ") and len(str(caught.value).splitlines()) == 1


def test_254_names_are_taken():
    check_names([f"c{number}" for number in range(254)], "here")
