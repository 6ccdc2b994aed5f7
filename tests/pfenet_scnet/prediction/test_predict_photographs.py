"""Photographs as cameras and programs save them, and masks in each format, through the command."""

import json

import numpy as np
import pytest
from photographs import block, pixels
from PIL import Image, ImageOps

ORIENTATION = 0x0112
SUPPORT = ("--support", "marked.jpg", "marked.png")


@pytest.mark.parametrize(("note", "upright"), [(6, (80, 50)), (3, (50, 80)), (8, (80, 50))])
def test_a_phone_picture_is_read_upright_as_viewers_show_it(maps, refusal, work, note, upright):
    exif = Image.Exif()
    exif[ORIENTATION] = note
    Image.fromarray(pixels(50, 80, 3)).save(work / "phone.jpg", quality=95, exif=exif)
    ImageOps.exif_transpose(Image.open(work / "phone.jpg")).save(work / "query.png")
    found = maps(query="phone.jpg")
    assert found.shape == upright
    assert np.allclose(found, maps(), atol=0.01)
    # The same picture as a support, with a mask that was drawn upright.
    Image.fromarray(block(*upright, 255)).save(work / "phone.png")
    of_phone = maps(query="photos/a.jpg", support=("--support", "phone.jpg", "phone.png"))
    of_upright = maps(query="photos/a.jpg", support=("--support", "query.png", "phone.png"))
    assert np.allclose(of_phone, of_upright, atol=0.01)
    # As stored, and a mask that was drawn so.
    stored = maps("--orientation", "stored", query="phone.jpg")
    assert stored.shape == (50, 80) and not np.allclose(stored, np.resize(found, stored.shape), atol=1e-3)
    Image.fromarray(block(50, 80, 255)).save(work / "stored.png")
    support = ("--support", "phone.jpg", "stored.png")
    of_stored = maps("--orientation", "stored", query="photos/a.jpg", support=support)
    assert not np.allclose(of_stored, of_phone, atol=1e-6)
    if upright != (50, 80):
        said = refusal("run", *support, "--query", "photos")
        assert said.startswith("stored.png: expected the picture's size 80 x 50") and "--orientation stored" in said


def test_what_was_read_is_said(done, work):
    upright = done("run", *SUPPORT, "--query", "photos", "--out", "out")
    stored = done("run", *SUPPORT, "--query", "photos", "--out", "out2", "--orientation", "stored")
    assert "pictures were read upright, as viewers show them" in upright
    assert "pictures were read as stored, whatever the camera noted" in stored


def test_pictures_of_every_kind_are_what_they_show(maps, work):
    colours, grey = pixels(50, 70, 5), pixels(50, 70, 5)[..., 0]
    of_colours, of_grey = {}, {}
    for kind in ("RGB", "RGBA"):
        Image.fromarray(colours).convert(kind).save(work / "query.png")
        of_colours[kind] = maps()
    for kind, picture in {
        "L": Image.fromarray(grey),
        "LA": Image.fromarray(grey).convert("LA"),
        "RGB": Image.fromarray(grey).convert("RGB"),
        "16 bits": Image.fromarray(grey.astype(np.uint16) * 257),
    }.items():
        picture.save(work / "query.png")
        of_grey[kind] = maps()
    for found in (of_colours, of_grey):
        assert all(np.array_equal(one, found["RGB"]) for one in found.values())
    assert not np.allclose(of_colours["RGB"], of_grey["RGB"], atol=1e-3)
    Image.fromarray(colours).convert("CMYK").save(work / "query.jpg", quality=95)
    assert np.allclose(maps(query="query.jpg"), of_colours["RGB"], atol=0.1)


def test_a_mask_in_any_format_gives_the_same(maps, work):
    mask = block(64, 80)
    expected = maps(query="photos/a.jpg")
    palette = Image.fromarray(mask * 3, "P")
    palette.putpalette([value for c in range(256) for value in (c, 255 - c, 7)])
    (top, left), (bottom, right) = (np.argwhere(mask).min(0), np.argwhere(mask).max(0) + 1)
    corners = [float(value) for value in (left, top, right, top, right, bottom, left, bottom)]
    annotation = {"id": 1, "image_id": 1, "category_id": 5, "segmentation": [corners]}
    (work / "m.json").write_text(json.dumps({"annotations": [annotation]}))
    formats = {
        "m01.png": (Image.fromarray(mask), ()),
        "palette.png": (palette, ("--class", "3")),
        "index.png": (Image.fromarray(mask * 9), ("--class", "9")),
        "colours.png": (
            Image.fromarray(np.array([[0, 0, 0], [255, 0, 128]], np.uint8)[mask]),
            ("--colour", "255,0,128"),
        ),
        "jpeg.jpg": (Image.fromarray(mask * 255), ()),
        "m.json": (None, ()),
    }
    for name, (picture, words) in formats.items():
        if picture:
            picture.save(work / name)
        found = maps(*words, query="photos/a.jpg", support=("--support", "marked.jpg", name))
        assert np.array_equal(found, expected), name
    of_category = maps("--class", "5", query="photos/a.jpg", support=("--support", "marked.jpg", "m.json"))
    assert np.array_equal(of_category, expected)


def test_a_mask_that_does_not_tell_names_its_values(refusal, work):
    Image.fromarray(block(64, 80, 9)).save(work / "index.png")
    support = ("--support", "marked.jpg", "index.png")
    said = refusal("run", *support, "--query", "photos")
    assert said.startswith("index.png: expected 0 and 1, or black 0 and white 255, got the values 0, 9; name the one")
    assert "expected class 4, got the values 0, 9" in refusal("run", *support, "--query", "photos", "--class", "4")
    Image.fromarray(block(64, 80, 0)).save(work / "index.png")
    assert "expected foreground pixels, got the value 0 alone" in refusal("run", *support, "--query", "photos")


def test_an_object_that_the_model_cannot_see_is_named_by_its_mask(refusal, work):
    mask = np.zeros((64, 80), np.uint8)
    mask[3, 3] = 1
    Image.fromarray(mask).save(work / "dot.png")
    said = refusal("run", *SUPPORT, "--support", "marked.jpg", "dot.png", "--query", "photos")
    assert said.startswith("dot.png: expected a foreground that is seen at size 64")
