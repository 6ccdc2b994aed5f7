import json

import numpy as np
import pytest
from data.mask_formats import foreground_mask

SIZE = (6, 8)
BLOCK = np.zeros(SIZE, np.uint8)
BLOCK[1:4, 2:5] = 1
RECTANGLE = [[2, 1, 5, 1, 5, 4, 2, 4]]


def outline(number=1, category=1, **content):
    return {"id": number, "image_id": 9, "category_id": category, "segmentation": RECTANGLE} | content


@pytest.fixture
def write(tmp_path):
    def written(*annotations, text=None, **content):
        whole = {"images": [{"id": 9, "height": 6, "width": 8}], "annotations": list(annotations)} | content
        (tmp_path / "mask.json").write_text(json.dumps(whole) if text is None else text)
        return tmp_path / "mask.json"

    return written


def test_outlines_of_all_categories_or_of_one(write):
    run_lengths = {"size": list(SIZE), "counts": [0, 6, 42]}
    path = write(outline(), outline(2, 7, segmentation=run_lengths, iscrowd=1))
    column = np.zeros(SIZE, np.uint8)
    column[:, 0] = 1
    assert foreground_mask(path, SIZE).tolist() == (BLOCK | column).tolist()
    assert foreground_mask(path, SIZE, class_index=1).tolist() == BLOCK.tolist()
    assert foreground_mask(path, SIZE, class_index=7).tolist() == column.tolist()


def test_a_file_as_windows_saves_it(write):
    path = write(outline())
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert foreground_mask(path, SIZE).tolist() == BLOCK.tolist()


@pytest.mark.parametrize(
    ("annotations", "content", "options", "words"),
    [
        (
            [outline()],
            {},
            {"class_index": 4},
            "expected annotations of category 4, got those of 1; use another --class",
        ),
        ([], {}, {}, "expected annotations, got none"),
        ([outline(segmentation=[], bbox=[1, 1, 2, 2])], {}, {}, "annotation 1: expected an outline, got none or a box"),
        ([outline(segmentation=[[1, 2, 3]])], {}, {}, "annotation 1: expected an outline"),
        ([outline(segmentation={"size": [2, 2], "counts": [4]})], {}, {}, "annotation 1: expected run lengths for"),
        ([outline(), outline(image_id=8)], {}, {}, "expected annotations of one picture, got those of 2"),
        ([outline()], {"images": [{}, {}, {}]}, {}, "expected annotations of one picture, got those of 3"),
        ([outline()], {"images": [{"height": 8, "width": 6}]}, {}, "got 8 x 6; it fits the picture turned"),
        ([outline()], {}, {"colour": (1, 2, 3)}, "expected no colour for outlines, got 1,2,3; use --class N"),
        (["box"], {}, {}, "expected COCO's format with a list of annotations, got images, annotations"),
        *(
            ([outline()], {"images": images}, {}, "expected COCO's format with a list of images")
            for images in (7, [None], ["a.jpg"], {"a": 1}, [[]])
        ),
        ([outline(image_id=[1]), outline(image_id={})], {}, {}, "expected annotations of one picture, got those of 2"),
        ([outline(category=[1])], {}, {"class_index": 4}, "got those of [1]; use another --class"),
        ([], {"text": "[" * 100_000}, {}, "expected JSON, got something else (nested too deep)"),
        ([], {"annotations": 3}, {}, "expected COCO's format with a list of annotations"),
        ([], {"text": "[1, 2]"}, {}, "expected COCO's format with a list of annotations, got list"),
        ([], {"text": '{"shapes": []}'}, {}, "expected COCO's format with a list of annotations, got shapes"),
        ([], {"text": '{"annotations": ['}, {}, "expected JSON, got something else"),
        ([outline(segmentation=[[60, 1, 65, 1, 65, 4]])], {}, {}, "outlines that cover none"),
    ],
)
def test_outlines_that_do_not_tell(write, annotations, content, options, words):
    path = write(*annotations, **content)
    with pytest.raises(ValueError, match=r"^[^\n]*$") as found:
        foreground_mask(path, SIZE, **options)
    assert str(found.value).startswith(f"{path}: ") and words in str(found.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json: expected a mask, got no such file"):
        foreground_mask(tmp_path / "none.json", SIZE)
