import re

import pytest
from data.folds import VOC_CLASSES, Split, base_classes, class_names, novel_classes


@pytest.mark.parametrize(("classes", "split"), [(20, "sequential"), (80, "sequential"), (80, "interleaved")])
def test_folds_partition_the_classes(classes, split):
    folds = [novel_classes(f, classes, split) for f in range(4)]
    assert sorted(c for fold in folds for c in fold) == list(range(1, classes + 1))
    assert all(len(fold) == classes // 4 for fold in folds)
    assert all(sorted(novel_classes(f, classes, split) + base_classes(f, classes, split)) == list(range(1, classes + 1))
               for f in range(4))  # fmt: skip


def test_folds_are_the_published_ones():
    assert [novel_classes(f) for f in range(4)] == [list(range(5 * f + 1, 5 * f + 6)) for f in range(4)]
    assert [novel_classes(f, 80, "interleaved") for f in range(4)] == [list(range(f + 1, 81, 4)) for f in range(4)]
    assert novel_classes(3, 80, "sequential") == list(range(61, 81))


def test_names_come_from_the_data_set_or_are_vocs(tmp_path):
    assert class_names(tmp_path) == VOC_CLASSES
    (tmp_path / "classes.txt").write_text("ring\ncube\n")
    assert class_names(tmp_path) == ("ring", "cube")


@pytest.mark.parametrize("split", ["sequential", "interleaved"])
@pytest.mark.parametrize(("classes", "folds"), [(2, 2), (3, 2), (6, 4), (7, 3), (81, 4), (5, 5)])
def test_any_count_is_cut_into_nearly_equal_parts(classes, split, folds):
    parts = [novel_classes(fold, classes, split, folds) for fold in range(folds)]
    assert sorted(c for part in parts for c in part) == list(range(1, classes + 1))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_named_classes_are_names_or_numbers():
    names = ("ring", "cube", "cone", "7")
    assert Split(named=("cone", "1")).novel_classes(None, names) == [1, 3]
    assert Split(named=("cone", "1")).base_classes(None, names) == [2, 4]
    assert Split(named=("7",)).novel_classes(None, names) == [4], "a name comes before a number"
    assert Split("interleaved", 2).novel_classes(1, names) == [2, 4]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("conee",), "got 'conee'; did you mean cone?"),
        (("5",), "numbers 1 to 4, got '5'"),
        (("1", "2", "3", "4"), "at least one class left to train on, got all 4"),
    ],
)
def test_refuses_names_that_leave_nothing_or_mean_nothing(named, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Split(named=named).novel_classes(None, ("ring", "cube", "cone", "star"))


@pytest.mark.parametrize("content", ["", "ring\nring\n", "".join(f"c{i}\n" for i in range(255))])
def test_refuses_names_that_no_mask_can_mean(tmp_path, content):
    (tmp_path / "classes.txt").write_text(content)
    with pytest.raises(ValueError, match=r"classes\.txt: expected 1 to 254 names, each once"):
        class_names(tmp_path)


def test_a_name_that_commands_a_terminal_is_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("cup\n\x1b[31mplate\n")
    with pytest.raises(ValueError, match=r"without control characters, got \\x1b\[31mplate; mend the file"):
        class_names(tmp_path)


def test_reads_names_as_windows_writes_them(tmp_path):
    (tmp_path / "classes.txt").write_bytes("\ufeffring \r\nblue cube\r\n\r\n".encode())
    assert class_names(tmp_path) == ("ring", "blue cube")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4,), "fold: expected 0 to 3"),
        ((0, 80, "random"), "split: expected one of"),
        ((0, 3), "folds: expected 2 to 3 for 3 classes, got 4; add --folds 3 --fold 0, or --novel_classes"),
        ((0, 1), "classes: expected at least 2, got 1: .* predict.py can use one class alone"),
    ],
)
def test_refuses_what_it_does_not_know(arguments, message):
    with pytest.raises(ValueError, match=message):
        novel_classes(*arguments)
