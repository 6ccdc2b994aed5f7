"""How much of its region a hidden object fills: against a loop, at its ends, and by command on drawn scenes."""

import json

import purity
import pytest
import torch
from evidence.page_tables import purity_block
from tiny_cells import tiny, tiny_folders


def test_purity_against_a_loop():
    torch.manual_seed(0)
    labels, background, hidden = torch.randint(3, (2, 5, 7)), torch.rand(2, 5, 7) > 0.2, torch.rand(2, 5, 7) > 0.7
    regions = (labels[:, None] == torch.arange(3)[:, None, None]) & background[:, None]
    shares = []
    for image in range(2):
        for row in range(5):
            for column in range(7):
                if hidden[image, row, column] and background[image, row, column]:
                    mates = regions[image, labels[image, row, column]]
                    shares.append(100 * float((mates & hidden[image]).sum() / mates.sum()))
    assert purity.purity(regions, hidden) == pytest.approx(sum(shares) / len(shares))


@pytest.mark.parametrize(("together", "expected"), [(False, 100.0), (True, 25.0)])
def test_a_region_of_its_own_is_pure_and_one_for_all_holds_the_objects_share(together, expected):
    hidden = torch.zeros(1, 4, 4, dtype=torch.bool)
    hidden[0, 0] = True
    regions = torch.ones(1, 1, 4, 4, dtype=torch.bool) if together else torch.stack([hidden, ~hidden], 1)
    assert purity.purity(regions, hidden) == expected
    with pytest.raises(ValueError, match="got none; look at more images"):
        purity.purity(regions & ~hidden[:, None], hidden)


def test_the_command_looks_at_images_that_hide_a_novel_object(tmp_path, monkeypatch):
    folders, cell = tiny_folders(tmp_path), tiny(size=128)
    cells = {("SCNet", 0, 0): cell}
    monkeypatch.setattr(purity, "STUDIES", {"main": type("Study", (), {"cells": lambda _: cells})()})
    monkeypatch.setattr(purity, "LOOKED_AT", {"scenes": ("main", "SCNet")})
    monkeypatch.setattr(purity, "FOLDS", (0,))
    purity.main(["--work", str(folders.work), "--results", str(folders.results)])
    report = json.loads((folders.results / "purity.json").read_text())
    (row,) = report["rows"]
    shown = purity.looked_at(folders, cell, counts=(1,), images=3)
    assert shown["images"] == 3 < row["images"] and list(shown["purity"]) == ["1"]
    assert 0 < row["purity"]["1"] < row["purity"]["10"] <= 100
    # 128 pixels at a stride of 16: were the kept maps read in another order, the cells would be others, and many more.
    assert row["cells"] == 8 * 8 and 0 < row["hidden_cells"] < 10
    assert row["purity"]["10"] > 2 * row["purity"]["1"]
    line = purity_block(report).splitlines()[2]
    assert line.startswith(f"| scenes | 0 | {row['images']} | ") and line.count("|") == 5 + len(purity.COUNTS)
    assert purity_block(None) == "not run yet"
