import pytest
from data.own.colour_table import read_colours


def read(tmp_path, text):
    (tmp_path / "colours.txt").write_text(text)
    return read_colours(tmp_path / "colours.txt")


def test_black_is_background_unless_it_has_a_name(tmp_path):
    assert read(tmp_path, "cup 9 8 7") == (["cup"], {(0, 0, 0): 0, (9, 8, 7): 1})
    assert read(tmp_path, "cup 0 0 0\nsky 1 1 1") == (["cup", "sky"], {(0, 0, 0): 1, (1, 1, 1): 2})
    assert read(tmp_path, "Background 5 5 5\ncup 1 1 1")[1] == {(0, 0, 0): 0, (5, 5, 5): 0, (1, 1, 1): 1}


def test_what_is_to_be_ignored_is_unlabelled(tmp_path):
    names, class_of = read(tmp_path, "cup 1 1 1\nvoid 224 224 192\nplate 2 2 2")
    assert names == ["cup", "plate"] and class_of[(224, 224, 192)] == 255 and class_of[(2, 2, 2)] == 2


def test_names_may_hold_blanks_and_numbers(tmp_path):
    assert read(tmp_path, "large cup 2 1 2 3\n# a remark\n\nfork:4,5,6:handle,tine:cut")[0] == ["large cup 2", "fork"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cup 1 2", "expected a name and a colour, got 'cup 1 2'"),
        ("cup 1 2 256", "expected a colour of three numbers 0 to 255, got 'cup 1 2 256'"),
        ("cup 1 2 3\nplate 1 2 3", "a colour of its own for each class, got 1,2,3 twice"),
        ("cup 1 2 3\ncup 4 5 6", "each class name once, got cup twice"),
        ('{"cup": [1, 2, 3], "cup": [4, 5, 6]}', "each class name once, got cup twice"),
        ('{"cup": [1, 2]}', r"three numbers 0 to 255, got 'cup: \[1, 2\]'"),
        ('{"cup": "red"}', "three numbers 0 to 255, got 'cup: red'"),
        ('{"": [1, 2, 3]}', "expected a name for each class, got an empty one"),
        ('{"cup": ', "expected a JSON object of names and colours"),
        ("[[1, 2, 3]]", "expected a JSON object of names and colours"),
        ("{}", "expected a JSON object of names and colours"),
        ("", "expected 1 to 254 classes"),
    ],
)
def test_what_is_no_table_is_shown(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'colours.txt'}: ") and "\n" not in str(caught.value)
