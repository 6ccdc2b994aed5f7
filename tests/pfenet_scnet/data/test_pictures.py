import cv2
import numpy as np
import pytest
import torch
from bombs import jpeg_bomb, png_bomb
from data.pictures import Damaged, check_pixels, is_cut_off, orientation, read_image
from data.preparation.shared import image_size
from PIL import Image, ImageOps

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def as_array(tensor):
    return tensor.permute(1, 2, 0).numpy()


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("noted", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_picture_is_turned_upright_as_viewers_do_or_left_as_stored(tmp_path, noted, ending):
    picture = Image.fromarray(PIXELS)
    exif = picture.getexif()
    exif[0x0112] = noted
    path = saved(tmp_path / f"a.{ending}", picture, exif=exif)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
        assert np.array_equal(as_array(read_image(path)), np.asarray(stored))
    assert np.array_equal(as_array(read_image(path, upright=True)), expected)
    assert orientation(path) == noted


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.fromarray(PIXELS[..., 0]), np.repeat(PIXELS[..., :1], 3, 2)),
        (Image.fromarray(np.dstack([PIXELS, PIXELS[..., 0]])), PIXELS),
        (Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), np.repeat(PIXELS[..., :1], 3, 2)),
        (Image.fromarray(PIXELS[..., 0], "P"), None),
    ],
    ids=["grey", "transparent", "sixteen bits", "palette"],
)
def test_every_kind_of_picture_becomes_rgb(tmp_path, picture, expected):
    if expected is None:
        picture.putpalette(list(range(256)) * 3)
        expected = np.asarray(picture.convert("RGB"))
    found = read_image(saved(tmp_path / "a.png", picture))
    assert found.dtype == torch.uint8 and np.array_equal(as_array(found), expected)


def test_a_printers_jpeg_becomes_rgb(tmp_path):
    flat = Image.new("CMYK", (64, 64), (0, 200, 200, 0))
    path = saved(tmp_path / "a.jpg", flat)
    assert np.abs(as_array(read_image(path)).astype(int) - np.asarray(flat.convert("RGB"))).max() < 8


@pytest.mark.parametrize("quality", [50, 95])
def test_jpegs_are_decoded_as_opencv_does(tmp_path, quality):
    path = saved(tmp_path / "a.jpg", Image.fromarray(PIXELS), quality=quality)
    assert np.array_equal(as_array(read_image(path)), cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_jpeg_cut_off_is_named_also_with_an_end_put_behind(tmp_path, part, end):
    path = saved(tmp_path / "a.jpg", Image.fromarray(PIXELS))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))] + end)
    with pytest.raises(Damaged, match=r"a\.jpg: expected a picture, got a damaged one"):
        read_image(path)
    assert is_cut_off(path) == (not end)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"<html>", b"\xff\xd8", b"BM" + bytes(60)])
def test_what_is_no_picture_is_named_and_nothing_else_is_printed(tmp_path, capfd, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(Damaged, match=r"a\.jpg: expected a picture, got"):
        read_image(tmp_path / "a.jpg")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bomb", [png_bomb(), png_bomb(colours=True), jpeg_bomb()])
def test_a_picture_that_would_fill_the_memory_is_named_by_its_head(tmp_path, bomb, capfd):
    (tmp_path / "a.jpg").write_bytes(bomb)
    for upright in (False, True):
        with pytest.raises(Damaged, match=r"a\.jpg: expected at most 268,435,456 pixels, got 60000 x 60000"):
            read_image(tmp_path / "a.jpg", upright)
    with pytest.raises(Damaged, match=r"a\.jpg: expected at most"):
        image_size(tmp_path / "a.jpg")
    assert capfd.readouterr() == ("", "")


def test_a_phones_largest_picture_is_not_too_large(tmp_path):
    check_pixels(tmp_path / "a.jpg", 16_320, 12_240)


def test_bytes_behind_the_end_do_no_harm(tmp_path):
    """Some cameras write a note of their own there."""
    path = saved(tmp_path / "a.jpg", Image.fromarray(PIXELS))
    whole = read_image(path)
    path.write_bytes(path.read_bytes() + b"a note")
    assert torch.equal(read_image(path), whole) and not is_cut_off(path)


def test_a_missing_picture_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jpg: expected a picture, got no such file"):
        read_image(tmp_path / "none.jpg")
