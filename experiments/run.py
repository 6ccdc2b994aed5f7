"""Run studies of the grid, or go on with them: finished cells are skipped.

python experiments/run.py main --data DIR --jobs 2              # DIR: photographs in VOC's layout
python experiments/run.py dose                                  # drawn scenes, of an earlier drawing
SELFCONTRAST_VOC=DIR python experiments/run.py main table3      # one after the other
"""

import sys
from collections.abc import Callable, Iterable, Sequence

from running import example_modules  # noqa: F401

# isort: split
from data.image_list import ImageList
from grid.budget import expected_seconds
from grid.cell import Cell
from grid.studies import STUDIES
from recipe import Recipe
from running.folders import Folders, asked, check_data
from running.objectives import check_objective
from running.pool import log_of, run_cells
from running.trial import features_of
from runtime.command import run_command


def both_lists(recipe: Recipe) -> list[ImageList]:
    return [recipe.listed_images(), recipe.evaluation_images()]


def prepare(
    cells: Iterable[Cell], folders: Folders, lists: Callable[[Recipe], Sequence[ImageList]] = both_lists
) -> None:
    """Draw the scenes and cache the features that the cells share, so that two cells never compute the same ones.

    Args:
        lists: the lists of images that a cell needs features of.
    """
    ready: set[tuple[object, ...]] = set()
    for cell in cells:
        recipe = folders.recipe(cell)
        key = (recipe.data, recipe.backbone, recipe.backbone_weights, recipe.size)
        if key not in ready:
            ready.add(key)
            model = recipe.build_model()
            for images in lists(recipe):
                features_of(recipe, model, images)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names; 1 if a cell failed, 130 after Ctrl-C."""
    studies, jobs, folders = asked(__doc__, STUDIES, arguments)
    cells = [cell for name in studies for cell in STUDIES[name].cells().values()]
    unfinished = [cell for cell in cells if folders.result(cell) is None]
    for cell in unfinished:
        check_objective(cell.objective)
        check_data(cell.data)
    try:
        prepare(unfinished, folders)
        failed = run_cells(cells, folders, jobs, expected_seconds)
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
        return 130
    for cell in failed:
        print(f"failed: {cell.digest}, see {log_of(cell, folders)}")
    return 1 if failed else 0


if __name__ == "__main__":
    run_command(lambda words: sys.exit(main(words)))
