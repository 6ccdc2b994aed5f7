import json
import os

import numpy as np
import pytest
from bombs import png_bomb
from data import masks
from data.mask_formats import read_values
from data.masks import count_masks, count_pixels, read_mask
from data.pictures import Damaged
from PIL import Image


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Three masks, and what was opened since."""
    monkeypatch.setenv("SELFCONTRAST_CACHE", str(tmp_path / "cache"))
    paths = [tmp_path / f"{c}.png" for c in (1, 2, 3)]
    for c, path in enumerate(paths, 1):
        save(path, c)
    opened = []
    monkeypatch.setattr(masks, "read_mask", lambda path: opened.append(path.name) or read_mask(path))
    return tmp_path, paths, opened


def save(path, *classes):
    mask = np.zeros((8, 8), np.uint8)
    mask[0], mask[1, : len(classes)] = 255, classes
    Image.fromarray(mask).save(path)


def test_counts_neither_background_nor_unlabelled():
    assert count_pixels(np.array([[0, 0, 7], [7, 2, 255]], np.uint8)) == {2: 1, 7: 2}


def test_a_second_start_opens_no_mask(tree):
    root, paths, opened = tree
    assert count_masks(root, paths) == [{1: 1}, {2: 1}, {3: 1}]
    assert sorted(opened) == ["1.png", "2.png", "3.png"]
    assert count_masks(root, paths[::-1]) == [{3: 1}, {2: 1}, {1: 1}]
    assert len(opened) == 3


def test_a_changed_mask_alone_is_counted_again(tree):
    root, paths, opened = tree
    count_masks(root, paths)
    opened.clear()
    save(paths[1], 5, 6)
    assert count_masks(root, paths)[1] == {5: 1, 6: 1}
    assert opened == ["2.png"]


def test_a_damaged_index_is_made_again(tree):
    root, paths, opened = tree
    count_masks(root, paths)
    (index,) = (root / "cache" / "masks").iterdir()
    index.write_text(index.read_text()[:-5])
    opened.clear()
    assert count_masks(root, paths)[0] == {1: 1} and len(opened) == 3


@pytest.mark.parametrize(
    "entry",
    [3, None, [], [[1, 2]], [[1, 2], {"a": 3}], [[1, 2], {"1": "a"}], [[1, 2], {"300": 1}], [[1, 2], [3]], "text", {}],
)
def test_counts_of_another_form_are_made_again(tree, entry):
    root, paths, opened = tree
    count_masks(root, paths)
    (index,) = (root / "cache" / "masks").iterdir()
    kept = json.loads(index.read_text())
    stamp = kept[str(paths[0])][0]
    strange = [stamp, entry[1]] if isinstance(entry, list) and len(entry) == 2 else entry
    index.write_text(json.dumps(kept | {str(paths[0]): strange}))
    opened.clear()
    assert count_masks(root, paths) == [{1: 1}, {2: 1}, {3: 1}] and opened == ["1.png"]


@pytest.mark.parametrize("content", [b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'])
def test_an_index_of_another_form_is_made_again(tree, content):
    root, paths, opened = tree
    count_masks(root, paths)
    (index,) = (root / "cache" / "masks").iterdir()
    index.write_bytes(content)
    opened.clear()
    assert count_masks(root, paths)[0] == {1: 1} and len(opened) == 3


def test_what_a_killed_process_left_beside_the_counts_goes_after_a_day(tree):
    root, paths, _ = tree
    left = root / "cache" / "masks" / ".a.json.1.unfinished"
    left.parent.mkdir(parents=True)
    left.touch()
    os.utime(left, (0, 0))
    count_masks(root, paths)
    assert not left.exists()


@pytest.mark.parametrize("content", [png_bomb(), b"", b"\x89PNG\r\n", b"text"])
def test_a_mask_that_is_none_or_would_fill_the_memory_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(Damaged, match=r"a\.png: expected (a whole mask|at most 268,435,456 pixels), got"):
        read_mask(tmp_path / "a.png")
    with pytest.raises(Damaged, match=r"a\.png: expected (a whole mask|at most 268,435,456 pixels), got"):
        read_values(tmp_path / "a.png")


def test_refuses_colours(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "colours.png")
    with pytest.raises(ValueError, match="expected one byte a pixel, got mode RGB"):
        read_mask(tmp_path / "colours.png")
