"""From cell files to documents: what is there is shown, what is not is said; the committed page is up to date."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from assemble import assemble, fill, paper_rows, spent
from cell_files import write_cell
from grid.studies import STUDIES
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "evidence"


@pytest.fixture
def pages(tmp_path):
    return Path(shutil.copytree(PAGES, tmp_path / "docs" / "evidence"))


def blocks(pages):
    texts = {name: (pages / f"{name}.md").read_text() for name in STUDIES}
    return {
        name: text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]
        for name, text in texts.items()
    }


def test_the_committed_pages_and_tables_are_what_the_committed_cells_give(pages, tmp_path):
    results = tmp_path / "experiments" / "results"
    shutil.copytree(ROOT / "experiments" / "results", results)
    assemble(results, pages)
    for path in PAGES.iterdir():
        assert (pages / path.name).read_bytes() == path.read_bytes(), path
    for path in (ROOT / "experiments" / "results").rglob("*.json"):
        assert (results / path.relative_to(ROOT / "experiments" / "results")).read_bytes() == path.read_bytes(), path


def test_every_page_is_linked_from_the_summary():
    summary = (ROOT / "docs" / "evidence.md").read_text()
    assert len(summary.splitlines()) <= 100
    assert all(f"](evidence/{path.name})" in summary for path in PAGES.iterdir())


def test_a_study_that_has_not_been_run_says_so(pages, tmp_path):
    assemble(tmp_path / "results", pages)
    assert set(blocks(pages).values()) == {"not run yet"}
    assert not list((tmp_path / "results").glob("*.png"))


def test_a_part_of_a_study_is_shown_as_a_part(pages, tmp_path):
    for (arm, fold, seed), cell in STUDIES["table3"].cells().items():
        if arm in ("n = 0", "n = 1") and fold < 2:
            write_cell(tmp_path / "results", cell, 30.0 + (arm == "n = 1") * (1 + seed))
    assemble(tmp_path / "results", pages)
    table3 = blocks(pages)["table3"]
    assert table3.startswith("**Incomplete**: 8 of 48 cells, seeds 0, 1. n = 0: 4 of 8; n = 1: 4 of 8; n = 2: 0 of 8;")
    assert "Training images that hide a novel object: fold 0 7.5 %, fold 1 7.5 %." in table3
    assert "| n = 0 | 1 | mIoU | 30.0 | 30.0 | – | – | – |" in table3
    gained = "+1.5 [+1.0, +2.0]"
    assert f"| n = 1 − n = 0 | 1 | mIoU | {gained} | {gained} | – | – | {gained} (2 folds) | 4 of 4 |" in table3
    assert "| n = 1 | 1 | 25.0 | 20.0 | 50.0 | – |" in table3
    assert "| n = 3 | 3 | 62.2 | 70.5 | 61.1 | 58.1 | 63.0 | +2.2 |" in table3
    assert "![table3](../../results/table3.png)" in table3
    with Image.open(tmp_path / "results" / "table3.png") as picture:
        # Ours, 1-shot, and the paper's.
        assert 2 * picture.height < picture.width < 3 * picture.height
    report = json.loads((tmp_path / "results" / "table3.json").read_text())
    assert report["cells"] == 8 and report["missing"]["n = 1"] == "4 of 8" and report["commits"] == ["abc"]
    assert blocks(pages)["dose"] == "not run yet"


def test_arms_with_other_training_images_are_told_apart(pages, tmp_path):
    for (_, fold, seed), cell in STUDIES["novel"].cells().items():
        if fold == 0 and seed == 0:
            write_cell(tmp_path / "results", cell, 30.0)
    assemble(tmp_path / "results", pages)
    novel = blocks(pages)["novel"]
    assert "hide a novel object (PFENet, keep; SCNet, keep): fold 0 7.5 %." in novel
    assert "hide a novel object (PFENet, drop; SCNet, drop): fold 0 0.0 %." in novel


def test_the_budget_counts_what_is_finished(tmp_path):
    cells = list(STUDIES["main"].cells().values())
    for cell in cells[:3]:
        write_cell(tmp_path, cell, 30.0)
    rows = {row["study"]: row for row in spent(tmp_path)}
    assert (rows["main"]["finished"], rows["main"]["measured"]) == (3, 100)
    assert (rows["all"]["finished"], rows["all"]["measured"], rows["all"]["hours_measured"]) == (3, 100, 0.04)
    assert rows["dose"]["finished"] == 0 and rows["dose"]["measured"] is None


def test_the_whole_grid_fits_its_hours_as_measured_and_where_it_has_not_run_as_assumed():
    """Six hours for the first grid; eighteen, as assumed, under the regime, whose rule chose 6400 steps.

    Cells of so many steps took 0.6 of what is assumed.
    """
    *studies, _ = spent(ROOT / "experiments" / "results")
    hours = [row["hours_measured"] + (row["new"] - row["finished"]) * row["seconds"] / 7200 for row in studies]
    first = [row["study"] for row in studies].index("regime")
    assert 3 < sum(hours[:first]) <= 6 and 0 < sum(hours[first:]) <= 18


def test_the_papers_arms_are_ours():
    for name, study in STUDIES.items():
        rows = paper_rows(name, study)
        assert {row["arm"] for row in rows} <= study.arms.keys()
        assert len(rows) == (len(study.arms) if name in ("main", "table3", "table4", "table5", "table6") else 0)
    gains = {row["arm"]: row["gain"] for row in paper_rows("table5", STUDIES["table5"])}
    assert (gains["λ = 0"], gains["λ = 0.5"], gains["λ = 1"]) == (None, 2.2, -35.7)


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="expected the markers <!-- main --> and <!-- /main -->, got none"):
        fill("nothing", "main", "new")


def test_the_command_assembles(pages, tmp_path):
    write_cell(tmp_path / "results", STUDIES["schedule"].cells()["200 steps of 8, rate 0.001", 0, 100], 40.0)
    script = [sys.executable, ROOT / "experiments" / "assemble.py", "--results", tmp_path / "results"]
    done = subprocess.run([*script, "--pages", pages], check=True, capture_output=True, text=True)
    assert "schedule: 1 of 36 cells" in done.stdout
    assert "| 200 steps of 8, rate 0.001 | 1 | mIoU | 40.0 | – | – | – | – |" in blocks(pages)["schedule"]
