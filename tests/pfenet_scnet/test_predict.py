"""The command as a shell calls it, with a run that train.py made. prediction/ tries the rest."""

import re
import shutil

import numpy as np
import pytest
from photographs import files, table, write_photographs
from PIL import Image
from processes import SHORT, carried_out, refused
from voc_tree import mask_with, write_voc

SUPPORT = ("--support", "marked.jpg", "marked.png")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A trained run whose data are gone, and photographs."""
    work = tmp_path_factory.mktemp("work")
    for split in ("train", "val"):
        write_voc(work / "voc", [mask_with(c, size=(40, 60)) for c in range(1, 21) for _ in range(2)], split)
    carried_out("train", "--data", "voc", *SHORT, "--out", "run", cwd=work)
    shutil.rmtree(work / "voc")
    write_photographs(work)
    return work


def test_a_process_writes_masks_overlays_and_a_table(work):
    printed = carried_out("predict", "run", *SUPPORT, "--query", "photos", "--out", "out", cwd=work)
    names = ["a.png", "b.png", "sub/a.png"]
    assert files(work / "out") == [*(f"{part}/{name}" for part in ("masks", "overlays") for name in names), "table.csv"]
    sizes = {"photos/a.jpg": (70, 50), "photos/b.png": (40, 90), "photos/sub/a.jpg": (64, 64)}
    for row, name in zip(table(work / "out"), names, strict=True):
        mask, overlay = Image.open(work / "out/masks" / name), Image.open(work / "out/overlays" / name)
        assert mask.size == overlay.size == sizes[row["picture"]] == (int(row["width"]), int(row["height"]))
        assert mask.mode == "L" and set(np.unique(mask)) <= {0, 255}
        share = 100 * (np.asarray(mask) == 255).mean()
        assert float(row["foreground_percent"]) == pytest.approx(share, abs=0.001)
        assert re.search(rf"{row['picture']} +{row['width']} +{row['height']} +{share:.1f}\n", printed)
    assert "read upright, as viewers show them" in printed and "written: out\n" in printed


def test_a_process_ends_a_mistake_in_one_line(work):
    line = refused("predict", "run", *SUPPORT, "--query", "nowhere", "--out", "out2", cwd=work)
    assert line == "predict.py: nowhere: expected a picture, a folder or a pattern, got none; check the path"
    assert not (work / "out2").exists()
