"""From the files in results/ alone: every study's tables and figures, written to results/ and into docs/evidence/.

python experiments/assemble.py          # whatever has been run; the rest stays "not run yet"
"""

import csv
import json
import os
import re
from pathlib import Path
from statistics import mean, median
from typing import Any

from running.example_modules import ROOT

# isort: split
from evidence.conclusions import trends, verdicts
from evidence.figures import draw_gains
from evidence.measured_again import lines_of, measured_again
from evidence.outcomes import errors, finished, gains, missing, scores
from evidence.page_tables import block, budget_block, purity_block, repeated_block
from evidence.repeated import repeated
from evidence.yardstick_tables import draw_yardstick, yardstick_block
from grid.budget import budget
from grid.cell_store import READ, finished_cells
from grid.studies import STUDIES, UNTRAINED, every_cell
from grid.study import FOLDS, Study
from runtime.atomic_files import write_text_atomically
from runtime.command import run_command
from runtime.options import ExactParser

# The studies whose weights were kept and read once more; their pages have a second pair of markers.
READ_AGAIN = ("main", "novel", "table5", "longer", "longest", "regime", "few-shot", "few-shot-weights", "scenes-now")
PAPER = Path(__file__).parent / "evidence" / "paper.csv"
Row = dict[str, Any]


def report_of(name: str, study: Study, results: Path) -> Row:
    """All that is said of a study, from the cells that there are."""
    found, paper = finished(study, results), paper_rows(name, study)
    return {
        "study": name,
        "question": study.question,
        "seeds": study.seeds,
        "cells": len(found),
        "wanted": len(study.cells()),
        "missing": missing(study, found),
        "scores": scores(study, found),
        "gains": gains(study, found),
        "trends": trends(study, found),
        "verdicts": verdicts(study, found),
        "errors": errors(study, found),
        "hidden_share_percent": _hidden_shares(found),
        "paper": paper,
        # Arms that a line may join: of one quantity, in its order.
        "curve": list(study.dose.given) if study.dose else [row["arm"] for row in paper],
        "commits": sorted({result["environment"]["commit"] for result in found.values()}),
    }


def _hidden_shares(found: dict[tuple[str, int, int], Row]) -> dict[str, dict[str, float]]:
    """Arm → fold → the share of training images that hide a novel object, as measured."""
    shares: dict[str, dict[str, float]] = {}
    for (arm, fold, _), result in found.items():
        shares.setdefault(arm, {})[str(fold)] = result["training"]["hidden_share_percent"]
    return shares


def paper_rows(name: str, study: Study) -> list[Row]:
    """The paper's cells for the arms of a study, as printed, and their gains over the same arm that ours have."""
    with PAPER.open(newline="") as file:
        rows: dict[str, Row] = {row["arm"]: dict(row) for row in csv.DictReader(file) if row["study"] == name}
    names = [f"fold{fold}" for fold in FOLDS]
    for arm, row in rows.items():
        reference = rows.get(study.compared.get(arm, ""))
        row["gain"] = round(float(row["mean"]) - float(reference["mean"]), 2) if reference else None
        row["fold_gains"] = [round(float(row[f]) - float(reference[f]), 2) for f in names] if reference else []
    return list(rows.values())


def spent(results: Path) -> list[Row]:
    """The budget, and beside it the cells that are finished and what they took."""
    cells = finished_cells(results)
    took: dict[str, list[float]] = {name: [] for name in STUDIES}
    for name, cell in every_cell():
        if cell.digest in cells:
            took[name].append(sum(cells[cell.digest]["seconds"].values()))
    # By the median: cells that had to wait for other work tell nothing.
    took = {name: [median(some)] * len(some) if some else [] for name, some in took.items()}
    took["all"] = [seconds for some in took.values() for seconds in some]
    return [row | _measured(some) for row, some in zip(budget(), took.values(), strict=True)]


def _measured(took: list[float]) -> Row:
    """Of a study's cells, and of the machine: two run side by side."""
    return {
        "finished": len(took),
        "measured": round(mean(took)) if took else None,
        "hours_measured": round(sum(took) / 7200, 2),
    }


def fill(text: str, name: str, content: str) -> str:
    """Put `content` between the markers of that name.

    >>> fill("<!-- main -->\\nold\\n<!-- /main -->", "main", "new")
    '<!-- main -->\\nnew\\n<!-- /main -->'
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    pattern = re.compile(f"{re.escape(opening)}\n.*?{re.escape(closing)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"page: expected the markers {opening} and {closing}, got none; add them where it belongs")
    return pattern.sub(lambda _: f"{opening}\n{content}\n{closing}", text)


def assemble(results: Path, pages: Path) -> None:
    """Write `results/STUDY.json`, `results/STUDY.png` and every marked block of the pages."""
    texts = {name: (pages / f"{name}.md").read_text() for name in [*STUDIES, "how"]}
    for name, study in STUDIES.items():
        report, picture = report_of(name, study, results), None
        if report["cells"]:
            write_text_atomically(results / f"{name}.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        if report["gains"]:
            draw_gains(report, results / f"{name}.png")
            picture = os.path.relpath(results / f"{name}.png", pages)
        texts[name] = fill(texts[name], name, block(report, picture))
        if name in READ_AGAIN:
            texts[name] = fill(texts[name], "yardstick", _yardstick(name, study, results, pages))
        print(f"{name}: {report['cells']} of {report['wanted']} cells")
    looked_at = results / "purity.json"
    purity = json.loads(looked_at.read_text()) if looked_at.is_file() else None
    texts["regions"] = fill(texts["regions"], "purity", purity_block(purity))
    texts["how"] = fill(texts["how"], "again", repeated_block(repeated(STUDIES, results, results / "again")))
    rows = spent(results)
    write_text_atomically(results / "budget.json", json.dumps(rows, indent=2) + "\n")
    texts["how"] = fill(texts["how"], "budget", budget_block(rows))
    for name, text in texts.items():
        write_text_atomically(pages / f"{name}.md", text)


def _yardstick(name: str, study: Study, results: Path, pages: Path) -> str:
    """The block of what was read off the kept weights; writes `results/yardstick/STUDY.json` and `.png`."""
    read = finished_cells(results, READ)
    images = {cell.data for cell in study.cells().values()}
    untrained = {key: line for key, line in lines_of(UNTRAINED, read).items() if {line["cell"]["data"]} == images}
    report, picture = measured_again(study, lines_of(study, read), untrained), None
    if report["read"]:
        file = results / READ / f"{name}.png"
        write_text_atomically(file.with_suffix(".json"), json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        draw_yardstick(report, file)
        picture = os.path.relpath(file, pages)
    return yardstick_block(report, picture)


def main(arguments: list[str] | None = None) -> None:
    """Assemble what the command line names."""
    parser = ExactParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "experiments" / "results", help="holds cells/")
    parser.add_argument(
        "--pages", type=Path, default=ROOT / "docs" / "evidence", help="a page a study, with its markers"
    )
    given = parser.parse_args(arguments)
    assemble(given.results, given.pages)


if __name__ == "__main__":
    run_command(main)
