import json
import re

import pytest
from data.image_list import read_list
from leakage import main, measure
from PIL import Image
from voc_tree import mask_with, write_voc


@pytest.fixture
def root(tmp_path):
    """Fold 0 can train on three images, one of which hides class 2."""
    return write_voc(tmp_path, [mask_with(6), mask_with(7, 2), mask_with(8, 9), mask_with(1)])


def test_counts_images_and_pairs(root):
    share = measure(read_list(root, "train", 100), 0)
    assert share.images == 3
    assert share.hidden == pytest.approx(100 / 3)
    assert share.pairs == pytest.approx(100 / 5), "of the pairs 6, 7, 2, 8, 9 one is novel"


def test_prints_every_fold_and_draws_them(root, tmp_path, capsys):
    shares = main(root, min_pixels=100, out=tmp_path / "bars.png")
    said = capsys.readouterr().out
    assert re.findall(r"^   (\d) +(\d+) +([\d.]+) %", said, re.MULTILINE) == [
        (str(f), str(share.images), f"{share.hidden:.1f}") for f, share in enumerate(shares)
    ]
    written = json.loads((tmp_path / "bars.json").read_text())
    assert [tuple(fold.values()) for fold in written["folds"]] == [tuple(share) for share in shares]
    with Image.open(tmp_path / "bars.png") as picture:
        assert picture.width > 300 and len(picture.convert("RGB").getcolors(100_000)) > 20
