import json
import os
from pathlib import Path

import numpy as np
import pytest
from data.outlines.instances import has_outline, name_of, pixels
from data.pictures import Damaged
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as run_lengths

SIZE = (40, 60)
SQUARE = [3, 4, 13, 4, 13, 14, 3, 14]
MASKS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 1))


@given(MASKS)
def test_packed_run_lengths_are_those_of_pycocotools(mask):
    packed = run_lengths.encode(np.asfortranarray(mask))["counts"].decode()
    drawn = pixels({"segmentation": {"size": list(mask.shape), "counts": packed}}, mask.shape)
    assert drawn.dtype == bool and np.array_equal(drawn, mask)


def test_long_runs_are_unpacked_too():
    mask = np.zeros((700, 900), np.uint8)
    mask[100:600:3, 50:800] = 1
    packed = run_lengths.encode(np.asfortranarray(mask))["counts"].decode()
    assert np.array_equal(pixels({"segmentation": {"size": [700, 900], "counts": packed}}, (700, 900)), mask)


def test_plain_run_lengths_go_down_the_columns():
    drawn = pixels({"segmentation": {"size": [2, 3], "counts": [1, 2, 3]}}, (2, 3))
    assert drawn.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("outline", [[SQUARE], SQUARE, [[1, 1, 5, 5], SQUARE], [SQUARE, [1, 1, 5, 5]], [[], SQUARE]])
def test_good_polygons_are_drawn_whatever_lies_beside_them(outline):
    drawn = pixels({"segmentation": outline}, SIZE)
    assert drawn.sum() == 100 and drawn[4:14, 3:13].all()


@pytest.mark.parametrize("annotation", [{}, *({"segmentation": s} for s in (None, [], [[]], [[10, 10, 30, 30]], {}))])
def test_what_holds_no_outline_is_none(annotation):
    assert pixels(annotation | {"bbox": [1, 2, 3, 4]}, SIZE) is None
    assert not has_outline(annotation)


@pytest.mark.parametrize(
    ("outline", "cause"),
    [
        ({"size": [60, 40], "counts": [2400]}, r"for a picture of \[40, 60\] \(height, width\), got \[60, 40\]"),
        ({"counts": [2400]}, "got None"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "got \\[1000000000, 1000000000\\]"),
        ({"size": [40, 60], "counts": [600, 400]}, "fill the picture's 2400 pixels, got 1000"),
        ({"size": [40, 60], "counts": [600, 10**30]}, "fill the picture's 2400 pixels"),
        ({"size": [40, 60], "counts": [2500, -100]}, "run lengths of 0 and more"),
        ({"size": [40, 60], "counts": [1.5, 2398.5]}, "whole numbers"),
        ({"size": [40, 60]}, "whole numbers or as COCO's text, got None"),
        ({"size": [40, 60], "counts": "o"}, "cut off"),
        ({"size": [40, 60], "counts": "o" * 10**6}, "another text"),
        ({"size": [40, 60], "counts": "1\n"}, "another text"),
        ({"size": [40, 60], "counts": "11"}, "got 2"),
        ([[1, 2, 3, 4, 5, 6, 7]], "an even number of coordinates x, y, x, y, ..., got 7"),
        ([[1, 2, 3, "4", 5, 6]], "a polygon's coordinates"),
        ([[[1, 2], [3, 4], [5, 6], [7, 8], [9, 9], [1, 1]]], "a polygon's coordinates"),
        ([{"size": [40, 60], "counts": [2400]}], "a polygon's coordinates"),
        ([[1, 2, 3, 4, 5, float("nan")]], "got nan"),
        ([[1, 2, 3, 4, 5, 1e300]], "got 1e[+]300"),
        ([[1, 2, 3, 4, 5, 10**400]], "coordinates in a picture of 40 x 60"),
        ("polygon", "expected polygons or run lengths, got 'polygon'"),
    ],
)
def test_what_cannot_be_drawn_is_named_before_memory_is_taken(outline, cause):
    with pytest.raises(Damaged, match=cause) as caught:
        pixels({"id": 77, "segmentation": outline}, SIZE)
    assert str(caught.value).startswith("annotation 77: expected ") and "\n" not in str(caught.value)


def test_an_annotation_without_id_is_called_by_its_image():
    assert name_of({"image_id": 5}) == "an annotation without id of image 5"
    with pytest.raises(Damaged, match=r"^an annotation without id of image 5: "):
        pixels({"image_id": 5, "segmentation": "x"}, SIZE)


@pytest.mark.skipif("SELFCONTRAST_COCO" not in os.environ, reason="set SELFCONTRAST_COCO to a COCO tree")
def test_every_real_instance_is_drawn_as_pycocotools_draws_it():
    table = json.loads((Path(os.environ["SELFCONTRAST_COCO"]) / "annotations/instances_val2017.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in table["images"]}
    for one in table["annotations"]:
        size = sizes[one["image_id"]]
        packed = run_lengths.frPyObjects(one["segmentation"], *size)
        expected = run_lengths.decode(run_lengths.merge(packed) if isinstance(packed, list) else packed)
        assert np.array_equal(pixels(one, size), expected)
