import numpy as np
import pytest
from data.mask_formats import foreground_mask, read_values
from data.pictures import ORIENTATION, Damaged
from PIL import Image, ImageDraw

SIZE = (6, 8)
BLOCK = np.zeros(SIZE, np.uint8)
BLOCK[1:4, 2:5] = 1
VOC = [value for c in range(256) for value in ((0, 0, 0) if c == 0 else (224, 224, 192) if c == 255 else (c, 128, 0))]


@pytest.fixture
def save(tmp_path):
    """Save pixels, in a mode, as a file of a name; returns its path."""

    def saved(pixels, mode=None, name="mask.png", palette=None, **options):
        picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        picture = picture.convert(mode) if mode and palette is None else picture
        if palette:
            picture = Image.fromarray(pixels, "P") if not isinstance(pixels, Image.Image) else pixels
            picture.putpalette(palette)
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return saved


def in_colours(mask, *colours):
    return np.array(colours, np.uint8)[mask]


def refusal(path, size=SIZE, **options):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as found:
        foreground_mask(path, size, **options)
    assert str(found.value).startswith(str(path))
    return str(found.value)


# What every kind of file holds.


def test_values_are_read_as_stored(save):
    wide = np.array([[0, 300], [65535, 7]], np.uint16)
    assert read_values(save(wide)).tolist() == wide.tolist()
    assert read_values(save(wide.astype(np.int32), name="32.tif")).tolist() == wide.tolist()
    assert read_values(save(BLOCK * 255, "1")).tolist() == BLOCK.tolist()
    assert read_values(save(BLOCK * 9)).tolist() == (BLOCK * 9).tolist()
    assert read_values(save(BLOCK * 9, palette=VOC)).tolist() == (BLOCK * 9).tolist()


def test_colours_lose_their_transparency(save):
    colours = in_colours(BLOCK, (1, 2, 3), (200, 0, 9))
    for mode in ("RGB", "RGBA"):
        assert read_values(save(colours, mode)).tolist() == colours.tolist()
    grey = read_values(save(BLOCK * 9, "LA"))
    assert grey.shape == SIZE and grey.tolist() == (BLOCK * 9).tolist()


def test_a_file_that_is_cut_off_anywhere_or_foreign_is_named(save, tmp_path):
    path = save(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))
    whole = path.read_bytes()
    for length in (0, 1, 8, 20, 40, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged, match=r"mask\.png: expected a whole mask"):
            read_values(path)
    for foreign in (b"<html></html>", bytes(range(256)), b"{}"):
        path.write_bytes(foreign)
        with pytest.raises(Damaged, match=r"mask\.png: expected a whole mask"):
            read_values(path)
    with pytest.raises(FileNotFoundError, match=r"none\.png: expected a mask, got no such file"):
        read_values(tmp_path / "none.png")


def test_numbers_with_fractions_are_refused(save):
    with pytest.raises(ValueError, match="expected whole numbers"):
        read_values(save(BLOCK.astype(np.float32), name="f.tif"))


# Masks that say by themselves what is foreground.


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_black_and_white_in_any_mode(save, white, mode):
    assert foreground_mask(save(BLOCK * white, mode), SIZE).tolist() == BLOCK.tolist()


def test_black_and_white_of_one_bit_and_of_sixteen(save):
    assert foreground_mask(save(BLOCK * 255, "1"), SIZE).tolist() == BLOCK.tolist()
    for white in (1, 255, 65535):
        assert foreground_mask(save(BLOCK.astype(np.uint16) * white), SIZE).tolist() == BLOCK.tolist()


def test_all_foreground_is_a_mask(save):
    for white in (1, 255):
        assert foreground_mask(save(np.full(SIZE, white, np.uint8)), SIZE).all()


def test_a_palette_of_two_colours_counts_where_index_and_colour_agree(save):
    assert foreground_mask(save(BLOCK, palette=VOC), SIZE).tolist() == BLOCK.tolist()
    assert foreground_mask(save(BLOCK, palette=[0, 0, 0, 255, 255, 255]), SIZE).tolist() == BLOCK.tolist()
    assert foreground_mask(save(Image.fromarray(BLOCK * 255).convert("P")), SIZE).tolist() == BLOCK.tolist()
    # White comes first: the index says the block, the colour the rest.
    inverse = save(BLOCK, palette=[255, 255, 255, 0, 0, 0])
    assert "values 0, 1; name the one that is foreground with --class N" in refusal(inverse)
    assert foreground_mask(inverse, SIZE, class_index=0).tolist() == (1 - BLOCK).tolist()
    # VOC's 255 is unlabelled, and shown in cream.
    assert "values 0, 255; name" in refusal(save(BLOCK * 255, palette=VOC))


def disc(size=(200, 240)):
    picture = Image.new("L", size[::-1])
    ImageDraw.Draw(picture).ellipse((30, 40, 150, 170), fill=255)
    return picture


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [75, 95])
def test_a_jpeg_of_black_and_white_is_read_to_the_pixel(save, mode, quality):
    path = save(disc(), mode, name="mask.jpg", quality=quality)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2
    expected = np.asarray(disc()) // 255
    assert foreground_mask(path, expected.shape).tolist() == expected.tolist()


def test_a_jpeg_of_anything_else_is_refused_with_the_reason(save):
    grey = save(disc().point(lambda value: value // 2), name="mask.jpg")
    assert "a JPEG, which keeps no value exactly, got the values 0, 1" in refusal(grey, (200, 240))
    coloured = save(in_colours(BLOCK, (0, 0, 0), (255, 0, 0)), name="mask.jpg")
    assert "a JPEG, which keeps no value exactly, got the colours" in refusal(coloured)
    for options in ({"class_index": 255}, {"colour": (255, 255, 255)}):
        assert "save the mask as a PNG" in refusal(save(disc(), name="mask.jpg"), (200, 240), **options)
    small = save(BLOCK * 3, name="mask.jpg", quality=100)
    assert "expected white pixels, got the values 0" in refusal(small)


def test_the_tolerance_is_for_jpegs_alone(save):
    soft = BLOCK * 250
    assert "values 0, 250" in refusal(save(soft))


# Masks that need a word.


@pytest.mark.parametrize("palette", [None, VOC])
def test_a_class_of_an_index_mask(save, palette):
    mask = BLOCK * 3
    mask[0], mask[5] = 7, 255
    found = foreground_mask(save(mask, palette=palette), SIZE, class_index=3)
    assert found.dtype == np.uint8
    assert np.array_equal(found == 1, mask == 3) and np.array_equal(found == 255, mask == 255)
    assert set(np.unique(found)) == {0, 1, 255}
    assert np.array_equal(foreground_mask(save(mask, palette=palette), SIZE, class_index=255), mask == 255)


def test_a_class_of_sixteen_bits_knows_no_unlabelled(save):
    mask = BLOCK.astype(np.uint16) * 300
    mask[0] = 255
    assert foreground_mask(save(mask), SIZE, class_index=300).tolist() == BLOCK.tolist()


def test_a_colour_as_it_is_shown(save):
    red, green = (255, 0, 0), (0, 200, 10)
    shown = Image.fromarray(in_colours(BLOCK, red, green))
    for mode, picture in {"RGB": shown, "RGBA": shown.convert("RGBA"), "P": shown.quantize(2)}.items():
        path = save(picture)
        assert foreground_mask(path, SIZE, colour=green).tolist() == BLOCK.tolist(), mode
    palette = save(BLOCK * 3, palette=VOC)
    assert foreground_mask(palette, SIZE, colour=(3, 128, 0)).tolist() == BLOCK.tolist()


@pytest.mark.parametrize(
    ("mask", "options", "words"),
    [
        (BLOCK * 7, {}, "expected 0 and 1, or black 0 and white 255, got the values 0, 7; name the one"),
        (BLOCK * 7, {"class_index": 3}, "expected class 3, got the values 0, 7; try another --class"),
        (BLOCK * 0, {}, "expected foreground pixels, got the value 0 alone"),
        (BLOCK * 0, {"class_index": 3}, "expected class 3, got the value 0; try another --class"),
        (np.arange(48, dtype=np.uint8).reshape(SIZE), {}, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 38 more; name the one"),
        (BLOCK.astype(np.uint16) * 300, {"colour": (1, 1, 1)}, "expected colours, got the values 0, 300"),
    ],
)
def test_values_that_do_not_tell_are_named(save, mask, options, words):
    assert words in refusal(save(mask), **options)


def test_a_class_mask_with_unlabelled_pixels_wants_a_word(save):
    mask = BLOCK.copy()
    mask[0] = 255
    assert "got the values 0, 1, 255; name the one that is foreground with --class N" in refusal(save(mask))


def test_colours_that_do_not_tell_are_named_the_commonest_first(save):
    path = save(in_colours(BLOCK, (255, 0, 0), (0, 200, 10)))
    expected = "expected one value a pixel, got the colours 255,0,0; 0,200,10; name the foreground with --colour R,G,B"
    assert expected in refusal(path) and expected in refusal(path, class_index=1)
    words = "expected the colour 1,2,3, got the colours 255,0,0; 0,200,10; try another --colour"
    assert words in refusal(path, colour=(1, 2, 3))


def test_class_and_colour_together_are_refused(save):
    with pytest.raises(ValueError, match="colour: expected none beside class 1, got 1,2,3"):
        foreground_mask(save(BLOCK), SIZE, class_index=1, colour=(1, 2, 3))


def test_a_shape_in_the_transparency_alone_is_refused(save):
    white = np.full((*SIZE, 4), 255, np.uint8)
    white[..., 3] *= BLOCK
    for options in ({}, {"colour": (255, 255, 255)}):
        assert "got it in the transparency, over the colour 255,255,255 alone" in refusal(save(white), **options)
    assert "over the value 255 alone" in refusal(save(white[..., 2:], "LA"))


# Size and direction.


def test_another_size_is_refused_and_a_turned_one_says_how_to_turn(save):
    assert "expected the picture's size 6 x 9 (height x width), got 6 x 8; the mask belongs" in refusal(
        save(BLOCK), (6, 9)
    )
    assert "turned by a quarter: --orientation stored" in refusal(save(BLOCK), (8, 6))


@pytest.mark.parametrize(("note", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_mask_with_a_note_turns_as_its_picture_does(save, note, turns):
    exif = Image.Exif()
    exif[ORIENTATION] = note
    path, upright = save(BLOCK * 255, exif=exif), np.rot90(BLOCK, turns)
    assert foreground_mask(path, upright.shape, upright=True).tolist() == upright.tolist()
    assert foreground_mask(path, SIZE).tolist() == BLOCK.tolist()
