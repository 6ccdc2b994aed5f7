import pytest
from data.folds import VOC_CLASSES, base_classes, class_names, novel_classes


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4,), "fold: expected 0 to 3"),
        ((0, 80, "random"), "split: expected one of"),
        ((0, 81), "expected a multiple of 4"),
    ],
)
def test_refuses_what_it_does_not_know(arguments, message):
    with pytest.raises(ValueError, match=message):
        novel_classes(*arguments)
