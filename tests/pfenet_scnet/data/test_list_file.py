from pathlib import Path

import pytest
from data.list_file import Listed, read_lines, read_list_file

ROOT = Path("root")


def listed(tmp_path, text, encoding="utf-8"):
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    return read_list_file(tmp_path / "list.txt", ROOT)


def pair(image, mask):
    return Listed(ROOT / image, ROOT / mask)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a", pair("JPEGImages/a.jpg", "SegmentationClassAug/a.png")),
        ("a.JPG", pair("JPEGImages/a.JPG", "SegmentationClassAug/a.png")),
        ("sub/a.png", pair("sub/a.png", "SegmentationClassAug/a.png")),
        ("i/a.jpg m/a.png", pair("i/a.jpg", "m/a.png")),
        ("/i/a.jpg /m/a.png", pair("i/a.jpg", "m/a.png")),
        ("i\\a.jpg\tm\\a.png  ", pair("i/a.jpg", "m/a.png")),
        ("2007.5_a", pair("JPEGImages/2007.5_a.jpg", "SegmentationClassAug/2007.5_a.png")),
    ],
)
def test_a_line_is_read_as_it_is_meant(tmp_path, line, expected):
    assert listed(tmp_path, f"\r\n{line}\r\n \n") == [expected]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_windows_are_read(tmp_path, encoding):
    assert listed(tmp_path, "größe\nb", encoding)[0].image.stem == "größe"


def test_an_absolute_path_is_kept_where_it_exists(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert listed(tmp_path, f"{tmp_path}/a.jpg m/a.png")[0].image == tmp_path / "a.jpg"


def test_what_cannot_be_read_is_shown(tmp_path):
    with pytest.raises(ValueError, match=r"list\.txt: expected UTF-8, got 'gr\\xf6\\xdfe' in line 2"):
        listed(tmp_path, "a\ngröße\n", "latin-1")
    with pytest.raises(ValueError, match="names hold no blanks"):
        listed(tmp_path, "a b c")
    with pytest.raises(ValueError, match="got an empty file"):
        listed(tmp_path, "\n \n")


def test_lines_are_stripped(tmp_path):
    (tmp_path / "a.txt").write_text(" a \n\n\tb\n")
    assert read_lines(tmp_path / "a.txt") == ["a", "b"]
