"""The tutorial docs/own-data.md, run from top to bottom on the pictures that it draws, in a folder of its own."""

import csv
import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import warm_python
from data.synthetic import DRAWING
from drawn_scenes import drawn_scenes
from PIL import Image, ImageOps
from processes import SHORT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-data.md").read_text()
# The page's commands take minutes; a test changes nothing but how much they do.
SHORTER = {
    "train.py": " ".join([*SHORT, "--size 224", "--cache_features false"]),
    "evaluate.py": "--episodes 4",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder in which every command of the page ran."""
    work = tmp_path_factory.mktemp("tutorial")
    for folder in ("examples", "docs"):
        (work / folder).symlink_to(ROOT / folder)
    (work / "runs").mkdir()
    (work / "runs" / f"scenes-{DRAWING}-hidden0.25").symlink_to(drawn_scenes())
    settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}
    settings |= {"SELFCONTRAST_CACHE": str(work / "cache")}
    for line in (line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()):
        more = next((words for name, words in SHORTER.items() if name in line.split("--")[0]), "")
        done = warm_python.run(*shlex.split(line)[1:], *more.split(), cwd=work, env=settings)
        assert done.returncode == 0, line + done.stdout + done.stderr
    return work


def test_every_picture_gets_a_mask_of_its_upright_size(work):
    rows = list(csv.DictReader((work / "mugs" / "table.csv").open()))
    assert len(rows) == 10
    for row in rows:
        with Image.open(work / row["picture"]) as picture:
            size = ImageOps.exif_transpose(picture).size
        mask = Image.open(work / "mugs" / "masks" / f"{Path(row['picture']).stem}.png")
        assert mask.size == size == (int(row["width"]), int(row["height"])) and set(np.unique(mask)) <= {0, 255}
    held = {Image.open(path).getexif().get(0x0112) for path in (work / "photos").glob("*.jpg")}
    assert held == {1, 3, 6, 8}, "the pictures are stored as a phone stores them"


def test_masks_and_export_give_the_same_data(work):
    names = [(work / "data" / data / "classes.txt").read_text() for data in ("album", "export")]
    assert names[0] == names[1] == "mug\nkey\nleaf\ncup\ncomb\ncoin\ntoy\nlid\n"
    lists = [
        sorted(Path(line.split()[0]).stem for line in (work / "data" / data / "ImageSets/Segmentation" / name).open())
        for data in ("album", "export")
        for name in ("train.txt", "val.txt")
    ]
    assert lists[:2] == lists[2:]
    for data, other in (("album", "export"), ("export", "album")):
        masks = {path.stem: path for path in (work / "data" / data / "SegmentationClassAug").rglob("*.png")}
        for path in (work / "data" / other / "SegmentationClassAug").rglob("*.png"):
            assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(masks[path.stem])))


def test_the_class_that_was_named_is_held_out(work):
    result = json.loads((work / "runs/album/result.json").read_text())
    assert result["class_iou"].keys() == {"key"} and result["held_out"] == "novel-key"
    assert len(list((work / "keys/masks").rglob("*.png"))) == 120


def test_the_notebooks_lines_run(work, monkeypatch):
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(work)
    names = {}
    exec(lines, names)
    assert names["probability"].shape == names["query"].shape[1:] and 0 <= names["probability"].min() <= 1


def test_its_figures_are_made_by_the_command_that_it_names(work, tmp_path):
    words = ("figures", "--work", work, "--out", tmp_path / "figures")
    warm_python.run(ROOT / "docs/own_data.py", *words, cwd=work, env=os.environ).check_returncode()
    shown = set(re.findall(r"\]\((pictures/own-data/[\w.-]+)\)", PAGE))
    assert {f"pictures/own-data/{path.name}" for path in (tmp_path / "figures").iterdir()} == shown
    for path in shown:
        assert (ROOT / "docs" / path).is_file()
        if path.endswith(".jpg"):
            assert Image.open(ROOT / "docs" / path).size == Image.open(tmp_path / "figures" / Path(path).name).size


def test_what_the_page_says_about_errors_is_what_the_commands_say():
    said = re.findall(r"^\| `([^`]+)` \| [^|]+ \|$", PAGE.partition("When something is wrong")[2], re.MULTILINE)
    sources = " ".join(path.read_text() for path in (ROOT / "examples/pfenet_scnet").rglob("*.py"))
    whole = re.sub(r'"\n +f?"', "", sources)
    assert len(said) == 6 and all(sentence in whole for sentence in said)
