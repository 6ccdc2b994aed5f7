"""Cells that train and evaluate in seconds, on drawn scenes."""

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.synthetic import DRAWING
from drawn_scenes import drawn_scenes
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
def _features() -> Path:
    """Of the scenes; they are computed for the first test of a process that needs them."""
    folder = TemporaryDirectory(prefix="features-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def tiny_folders(root: Path) -> Folders:
    """Folders below `root`, with scenes few enough for a test."""
    (root / "work").mkdir(parents=True)
    (root / "work" / SCENES).symlink_to(drawn_scenes())
    (root / "work" / "features").symlink_to(_features())
    return Folders(root / "work", root / "results")
