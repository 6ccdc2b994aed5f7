"""Supports as visitors give them: painted or from files, and every mistake a sentence."""

import re

import numpy as np
import pytest
import torch
from data.pictures import ORIENTATION
from photographs import block, pixels
from PIL import Image
from prediction.page.figures import SIDE
from prediction.page.own_supports import assign_slots, own_supports, painted_mask, read_class, read_colour

SIZE = 64


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.png"):
        Image.fromarray(pixels(64, 80)).save(tmp_path / name)
    return tmp_path


def painting(mask, alpha=140):
    """What the page's editor gives: a transparent layer with paint on it."""
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[mask > 0] = 230, 60, 60, alpha
    return {"background": np.zeros_like(layer), "layers": [layer], "composite": layer}


def save(mask, path):
    Image.fromarray(mask).save(path)
    return path


def test_painted_and_filed_masks_stand_beside_their_pictures_in_order(folder):
    pictures = [folder / "b.png", folder / "a.jpg"]
    mask = save(block(64, 80, 255), folder / "a.png")
    (first, painted), (second, filed) = own_supports(
        pictures, {pictures[0]: painting(block(64, 80)), pictures[1]: None}, [mask], SIZE
    )
    assert torch.equal(first, torch.from_numpy(pixels(64, 80).copy()).permute(2, 0, 1)) and second.shape == (3, 64, 80)
    assert np.array_equal(painted, block(64, 80)) and np.array_equal(filed, block(64, 80))


def test_a_painting_on_a_picture_shown_smaller_is_brought_to_its_size(tmp_path):
    Image.fromarray(pixels(400, 2 * SIDE)).save(tmp_path / "large.png")
    small = np.zeros((200, SIDE), np.uint8)
    small[50:100, 100:300] = 1
    path = tmp_path / "large.png"
    ((image, mask),) = own_supports([path], {path: painting(small)}, [], SIZE)
    assert image.shape == (3, 400, 2 * SIDE)
    assert np.array_equal(mask, np.kron(small, np.ones((2, 2), np.uint8)))


def test_layers_add_up_and_a_breath_of_paint_is_none():
    image = torch.zeros(3, 40, 50, dtype=torch.uint8)
    left, right = np.zeros((40, 50), np.uint8), np.zeros((40, 50), np.uint8)
    left[:, :10], right[:, 30:] = 1, 1
    layers = {"layers": [*painting(left)["layers"], *painting(right)["layers"]]}
    assert np.array_equal(painted_mask(layers, image, "a"), left | right)
    for nothing in (None, {"layers": []}, painting(left * 0), painting(left, alpha=20)):
        assert painted_mask(nothing, image, "a") is None


def test_a_turned_photograph_is_upright_as_its_mask_is(tmp_path):
    note = Image.Exif()
    note[ORIENTATION] = 6
    Image.fromarray(pixels(64, 80)).save(tmp_path / "turned.jpg", exif=note)
    save(block(80, 64), tmp_path / "upright.png")
    Image.fromarray(np.rot90(block(80, 64))).save(tmp_path / "noted.png", exif=note)
    for mask in ("upright.png", "noted.png"):
        ((image, found),) = own_supports([tmp_path / "turned.jpg"], {}, [tmp_path / mask], SIZE)
        assert image.shape == (3, 80, 64) and np.array_equal(found, block(80, 64))


def test_class_and_colour_name_the_foreground(folder):
    indexed = save(block(64, 80, 7), folder / "a.png")
    ((_, mask),) = own_supports([folder / "a.jpg"], {}, [indexed], SIZE, class_index=7)
    assert np.array_equal(mask, block(64, 80))
    coloured = save(np.stack([block(64, 80, 200)] * 2 + [block(64, 80, 9)], 2), folder / "a.png")
    ((_, mask),) = own_supports([folder / "a.jpg"], {}, [coloured], SIZE, colour=(200, 200, 9))
    assert np.array_equal(mask, block(64, 80))


def test_one_mask_for_one_picture_may_have_any_name(folder):
    ((_, mask),) = own_supports([folder / "a.jpg"], {}, [save(block(64, 80), folder / "mask.png")], SIZE)
    assert mask.any()


def test_mistakes_are_sentences(folder):
    a, b = folder / "a.jpg", folder / "b.png"
    mask, other = save(block(64, 80), folder / "a.png"), save(block(64, 80), folder / "c.png")
    again = save(block(64, 80), folder / "a.bmp")
    narrow = save(pixels(1, 200), folder / "narrow.png")
    (folder / "cut.jpg").write_bytes(a.read_bytes()[:300])
    for arguments, sentence in (
        (([], {}, []), "supports: expected at least one picture, got none"),
        (([a, b], {}, [mask]), "b.png: expected a mask, got none; paint the object"),
        (([a], {a: painting(block(64, 80))}, [mask]), "a.jpg: expected one mask, got a painted one and a.png"),
        (([a, b], {}, [mask, other]), "c.png: expected a mask that has the name of a support picture (a, b), got c"),
        (([a, b], {}, [mask, again]), "a: expected one mask, got a.png and a.bmp"),
        (([a, a], {}, [mask]), "supports: expected pictures of different names beside files of masks"),
        (([a], {a: painting(block(40, 50))}, []), "a.jpg: expected a painting of the size 64 x 80, as it was shown"),
        (([a], {}, [save(block(64, 81), folder / "wide.png")]), "expected the picture's size 64 x 80"),
        (
            ([a], {}, [save(block(64, 80, 0), folder / "empty.png")]),
            "expected foreground pixels, got the value 0 alone",
        ),
        (([a], {}, [save(block(64, 80, 9), folder / "nine.png")]), "got the values 0, 9; name the one"),
        (([narrow], {}, [mask]), "narrow.png: expected sides of which one is at most 64 times the other"),
        (([folder / "cut.jpg"], {}, [mask]), "cut.jpg: expected a picture, got a damaged one"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            own_supports(*arguments, SIZE)


def test_fields_are_read_or_refused():
    assert read_class(None) is read_class("  ") is read_colour(None) is read_colour("") is None
    assert read_class(" 7 ") == 7 and read_colour(" 255, 0,9") == (255, 0, 9)
    for wrong in ("seven", "-1", "1.5"):
        with pytest.raises(ValueError, match="class: expected a whole number of at least 0"):
            read_class(wrong)
    for wrong in ("red", "1,2", "1,2,3,4", "1,2,256", "1,,2,3"):
        with pytest.raises(ValueError, match="colour: expected three numbers of 0 to 255"):
            read_colour(wrong)


@pytest.mark.parametrize(
    ("pictures", "slots", "expected"),
    [
        ("ab", [None, None, None], ["a", "b", None]),
        ("bc", ["a", "b", None], ["c", "b", None]),
        ("abcde", ["a", None, None], ["a", "b", "c"]),
        ("", ["a", "b", "c"], [None, None, None]),
    ],
)
def test_a_picture_that_stays_keeps_its_slot(pictures, slots, expected):
    assert assign_slots(list(pictures), slots) == expected
