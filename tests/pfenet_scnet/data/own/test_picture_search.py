import pytest
from data.own.picture_search import Pictures, Untold

PICTURES = ["a/x.jpg", "b/x.jpg", "x.jpg", "my cup.png", "deep/er/y.JPG", "größe.jpg", "e.f.jpg"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("x.jpg", "x.jpg"),
        ("b/x.jpg", "b/x.jpg"),
        ("/home/me/data/b/x.jpg", "b/x.jpg"),
        ("C:\\data\\a\\x.jpg", "a/x.jpg"),
        ("../../etc/x.jpg", "x.jpg"),
        ("file:///data/a/x.jpg", "a/x.jpg"),
        ("s3://bucket/my%20cup.png", "my cup.png"),
        ("other/y.jpg", "deep/er/y.JPG"),
        ("gro\u0308ße.jpg", "größe.jpg"),
        ("?d=b%2Fx.jpg", "b/x.jpg"),
        ("images/89abcdef-my cup.png", "my cup.png"),
    ],
)
def test_a_name_finds_its_picture(written, found):
    assert Pictures(PICTURES).find(written) == found


def test_a_folder_to_look_in_first_comes_first():
    assert Pictures(PICTURES).find("x.jpg", near="a") == "a/x.jpg"
    assert Pictures(PICTURES).find("my cup.png", near="a") == "my cup.png"


def test_endings_may_lack_where_that_is_asked():
    assert Pictures(PICTURES, with_stems=True).find("b/x") == "b/x.jpg"
    assert Pictures(PICTURES, with_stems=True).find("e.f") == "e.f.jpg"
    with pytest.raises(Untold, match="no such picture"):
        Pictures(PICTURES).find("b/x")


def test_capitals_tell_two_pictures_apart():
    assert Pictures(["X.jpg", "x.jpg"]).find("x.jpg") == "x.jpg"
    assert Pictures(["a/X.jpg", "a/x.jpg"]).find("data/a/X.jpg") == "a/X.jpg"


@pytest.mark.parametrize("written", ["", "/", "..", "z.jpg", "89abcdef-z.jpg", "%"])
def test_what_fits_nothing_is_not_told(written):
    with pytest.raises(Untold, match="no such picture"):
        Pictures(PICTURES).find(written)


def test_what_fits_twice_is_not_told():
    with pytest.raises(Untold, match=r"a/x.jpg, b/x.jpg fit"):
        Pictures(["a/x.jpg", "b/x.jpg"]).find("c/x.jpg")
