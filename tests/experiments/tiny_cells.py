"""Cells that train and evaluate in seconds, on drawn scenes."""

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.synthetic import DRAWING, make_scenes
from grid.cell import Cell
from grid.study import cell
from running.folders import Folders

SCENES = f"scenes-{DRAWING}-hidden0.25"
TINY = {"data": DRAWING, "episodes": {"1": 6, "5": 4}, "hidden": 0.25, "min_pixels": 500}
TINY |= {"size": 64, "scales": [4, 2], "channels": 16, "batch": 2, "steps": 4, "learning_rate": 0.003}


def tiny(**changes: Any) -> Cell:
    """A cell of fold 0 and seed 0, unless `changes` says otherwise."""
    return cell(**({"fold": 0, "seed": 0} | TINY | changes))


@cache
def _shared() -> Path:
    """Scenes, which the tests of a process only read, and their features, which are computed for the first of them."""
    folder = TemporaryDirectory(prefix="scenes-")
    atexit.register(folder.cleanup)
    make_scenes(Path(folder.name) / SCENES, 0.25, 60, 100)
    (Path(folder.name) / "features").mkdir()
    return Path(folder.name)


def tiny_folders(root: Path) -> Folders:
    """Folders below `root`, with scenes few enough for a test."""
    (root / "work").mkdir(parents=True)
    for name in (SCENES, "features"):
        (root / "work" / name).symlink_to(_shared() / name)
    return Folders(root / "work", root / "results")
