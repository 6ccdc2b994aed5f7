from pathlib import Path

import numpy as np
import pytest
from data.own.masks import Meaning, Survey, meaning_of_colours, meaning_of_values, survey, to_classes
from data.pictures import Damaged
from own_tree import SIZE, block, write_mask
from PIL import Image


def told(*held, names=None):
    """What masks that hold these values mean."""
    return meaning_of_values([Survey(Path(f"{number}.png"), one, False) for number, one in enumerate(held)], names)


@pytest.mark.parametrize(
    ("held", "names", "class_of"),
    [
        ([(0, 255)], ["class1"], {0: 0, 255: 1}),
        ([(0,), (255,)], ["class1"], {0: 0, 255: 1}),
        ([(0, 65535)], ["class1"], {0: 0, 65535: 1}),
        ([(0, 1)], ["class1"], {0: 0, 255: 255, 1: 1}),
        ([(0, 1, 255), (0, 1)], ["class1"], {0: 0, 255: 255, 1: 1}),
        ([(0, 2), (1, 2, 3)], ["class1", "class2", "class3"], {0: 0, 255: 255, 1: 1, 2: 2, 3: 3}),
    ],
)
def test_the_meaning_is_told_over_all_masks(held, names, class_of):
    assert told(*held)[:3] == (names, class_of, False)


def test_names_say_how_many_classes_there_are():
    assert told((0, 5), names=list("abcdef")).names == list("abcdef")
    assert told((0, 255), names=["cup"]).names == ["cup"]


@pytest.mark.parametrize(
    ("held", "names", "message"),
    [
        ([(0,), (0,)], None, "got 0 alone, which is background"),
        ([(0, 255)], ["cup", "plate"], "names: expected one name, as the masks hold only 0 and 255"),
        ([(0, 38), (0, 75, 113)], None, "1.png: expected class indices 1, 2, 3, ... without a gap.*38, 75, 113"),
        ([tuple(range(256))], None, "100 at most, got the values 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 244 more"),
        ([(0, 128)], None, "name each in a file with a line 'name v v v' and add --colours FILE"),
        ([(0, 1), (0, 255)], None, "1.png: expected masks of one kind, got 0 and 255 here and 0 and 1 in 0.png"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_values(held, names, message):
    with pytest.raises(ValueError, match=message):
        meaning_of_values([Survey(Path(f"{n}.png"), one, False) for n, one in enumerate(held)], names)


def test_the_commonest_colours_are_named(tmp_path):
    mask = block((255, 0, 0))
    mask[0, :30] = np.arange(90).reshape(30, 3)
    found = survey(write_mask(tmp_path / "m.png", mask))
    assert found.colours and len(found.held) == 10 and found.held[:2] == (0, 255 << 16)
    with pytest.raises(ValueError, match=r"m.png: expected class indices, got colours \(1 of 1 masks\): 0,0,0; "):
        meaning_of_values([found], None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16", "I", "1"])
def test_grey_masks_in_any_mode_are_values(tmp_path, mode):
    indices = block(1)
    picture = {
        "I;16": lambda: Image.fromarray(indices.astype(np.uint16)),
        "I": lambda: Image.fromarray(indices.astype(np.int32)),
        "1": lambda: Image.fromarray(indices.astype(bool)),
    }.get(mode, lambda: Image.fromarray(indices).convert(mode))()
    assert picture.mode == mode
    picture.save(tmp_path / "m.tif")
    found = survey(tmp_path / "m.tif")
    assert (found.held, found.colours) == ((0, 1), False)
    assert np.array_equal(to_classes(tmp_path / "m.tif", told((0, 1)), SIZE), indices)


def test_palettes_of_their_own_are_refused_and_read_by_a_table(tmp_path):
    paths = []
    for name, colours in (("a", ((0, 0, 0), (255, 0, 0))), ("b", ((0, 0, 0), (0, 255, 0))), ("c", ((0, 0, 0),))):
        picture = Image.fromarray(block(len(colours) - 1), "P")
        picture.putpalette([channel for colour in colours for channel in colour])
        picture.save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match=r"b.png: expected one palette.*got 0,255,0 for index 1.*255,0,0 in .*a.png"):
        meaning_of_values([survey(path) for path in paths], None)
    assert meaning_of_values([survey(path) for path in (paths[0], paths[2])], None).names == ["class1"]
    (tmp_path / "colours.txt").write_text("cup 255 0 0\nplate 0 255 0")
    meaning = meaning_of_colours(tmp_path / "colours.txt")
    assert [int(to_classes(path, meaning, SIZE).max()) for path in paths] == [1, 2, 0]


def test_black_and_white_jpegs_are_sharpened_and_others_refused(tmp_path):
    write_mask(tmp_path / "white.jpg", block(255))
    assert survey(tmp_path / "white.jpg").held == (0, 255)
    assert np.array_equal(to_classes(tmp_path / "white.jpg", told((0, 255)), SIZE), block(1))
    with pytest.raises(Damaged, match=r"grey.jpg: expected black and white in a JPEG, which keeps no value exactly"):
        survey(write_mask(tmp_path / "grey.jpg", block(120)))


def test_a_table_reads_colours_greys_and_palettes(tmp_path):
    (tmp_path / "colours.txt").write_text("cup 3 252 1\nplate 38 38 38")
    meaning = meaning_of_colours(tmp_path / "colours.txt")
    for path in (
        write_mask(tmp_path / "rgb.png", block((3, 252, 1))),
        write_mask(tmp_path / "palette.png", block(3), "P"),
    ):
        classes = to_classes(path, meaning._replace(class_of=meaning.class_of | {255 << 8: 0}), SIZE)
        assert np.array_equal(classes, block(1))
    assert np.array_equal(to_classes(write_mask(tmp_path / "grey.png", block(38)), meaning, SIZE), block(2))


@pytest.mark.parametrize("value", [3, 254, 300, 70_000, -1])
def test_a_value_of_no_class_is_damage(tmp_path, value):
    mask = write_mask(tmp_path / "m.tif", block(1).astype(np.int32) * value)
    with pytest.raises(Damaged, match=f"m.tif: expected the indices of 2 classes, got the value {value}; "):
        to_classes(mask, told((0, 1, 2)), SIZE)


def test_a_mask_is_turned_by_its_own_note(tmp_path):
    picture = Image.fromarray(block(1))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "m.png", exif=exif)
    meaning = Meaning(["cup"], {0: 0, 1: 1}, False, "")
    assert np.array_equal(to_classes(tmp_path / "m.png", meaning, SIZE[::-1]), np.rot90(block(1), -1))
