"""Where a cell's files lie, the recipe that a cell means there, and the command line that names studies and folders."""

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.synthetic import DRAWING, make_scenes
from grid.cell import Cell
from grid.cell_store import TRAINED, Row, finished_cells
from grid.study import DRAWS
from recipe import Recipe
from runtime.options import ExactParser, Range

from running.small_hosts import HostRecipe

# Earlier drawings that stored cells saw, and the last commit whose code draws each.
EARLIER = {"scenes": "dc34113"}


def check_data(data: str) -> None:
    """
    Raises:
        ValueError: the data are scenes that the code of today does not draw.
    """
    if data in EARLIER:
        raise ValueError(
            f"data: expected photographs or {DRAWING}, got {data}, an earlier drawing of the scenes; run this study at "
            f"commit {EARLIER[data]}, whose code drew them"
        )


@dataclass(frozen=True)
class Folders:
    """Folders, none of which changes a result.

    Attributes:
        work: what may be deleted: caches of features, drawn scenes, and for each cell its log and checkpoints.
        results: holds `cells/STUDY.jsonl` and `yardstick/STUDY.jsonl`, which are kept.
        photographs: root of a VOC layout.
    """

    work: Path
    results: Path
    photographs: Path | None = None

    def result(self, cell: Cell, kind: str = TRAINED) -> Row | None:
        """What a finished cell measured; None of one that is not finished, or with `READ`, that was not read."""
        return finished_cells(self.results, kind).get(cell.digest)

    def run(self, cell: Cell) -> Path:
        return self.work / "cells" / cell.digest

    def recipe(self, cell: Cell) -> Recipe:
        """The cell's recipe on this machine; draws its scenes where they are not there yet.

        Raises:
            ValueError: the cell wants photographs, and no folder was named; or scenes of an earlier drawing.
        """
        check_data(cell.data)
        settings = cell.recipe | {"scales": tuple(cell.recipe["scales"])} | _draw_of(cell.recipe["draw"])
        # A cell of no step is read and never trained; a recipe has one at least.
        settings["steps"] = max(settings["steps"], 1)
        if cell.data == DRAWING:
            data = make_scenes(self.work / f"scenes-{DRAWING}-hidden{settings['hidden']:g}", settings["hidden"])
        elif self.photographs is None:
            raise ValueError(
                "--data: expected a folder in VOC's layout, which this study is run on, got none; name one, or set "
                "SELFCONTRAST_VOC"
            )
        else:
            data = self.photographs
        run, features = str(self.run(cell) / "run"), str(self.work / "features")
        return HostRecipe(
            **settings, data=str(data), out=run, features=features, resume=True, baseline=run, host=cell.host
        )


def _draw_of(name: str) -> dict[str, str | None]:
    """The recipe's own draw, and the one that changes it."""
    return {"draw": "class", "further_draw": name} if name in DRAWS else {"draw": name, "further_draw": None}


def add_folders(parser: argparse.ArgumentParser) -> None:
    """The options that name the folders; `named_folders` reads them."""
    results = Path(__file__).parents[1] / "results"
    parser.add_argument("--data", type=Path, default=os.environ.get("SELFCONTRAST_VOC"), help="photographs")
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"), help="caches, logs, checkpoints")
    parser.add_argument("--results", type=Path, default=results, help="one file a study")


def named_folders(given: argparse.Namespace) -> Folders:
    """
    >>> parser = argparse.ArgumentParser()
    >>> add_folders(parser)
    >>> named_folders(parser.parse_args(["--work", "w", "--data", "d"])).photographs.name
    'd'
    """
    return Folders(given.work, given.results, Path(given.data) if given.data else None)


def asked(
    description: str | None, studies: Iterable[str], arguments: Sequence[str] | None
) -> tuple[list[str], int, Folders]:
    """The studies, the cells at a time, and the folders that a command line names."""
    names = list(studies)
    parser = ExactParser(description=description)
    parser.add_argument("studies", nargs="+", choices=names, metavar="STUDY", help=", ".join(names))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells at a time; default: every core")
    add_folders(parser)
    given = parser.parse_args(arguments)
    Range(1).check("jobs", given.jobs)
    return given.studies, given.jobs, named_folders(given)
