"""Cells that train and evaluate in seconds, on drawn scenes."""

from pathlib import Path
from typing import Any

from data.synthetic import DRAWING
from drawn_scenes import SHARED, drawn_scenes
from grid.cell import Cell
from grid.study import cell
from running.folders import Folders

SCENES = f"scenes-{DRAWING}-hidden0.25"
TINY = {"data": DRAWING, "episodes": {"1": 6, "5": 4}, "hidden": 0.25, "min_pixels": 500}
TINY |= {"size": 64, "scales": [4, 2], "channels": 16, "batch": 2, "steps": 4, "learning_rate": 0.003}


def tiny(**changes: Any) -> Cell:
    """A cell of fold 0 and seed 0, unless `changes` says otherwise."""
    return cell(**({"fold": 0, "seed": 0} | TINY | changes))


def tiny_folders(root: Path) -> Folders:
    """Folders below `root`, with scenes few enough for a test; features are computed for the first that needs them."""
    features = SHARED / "features"
    features.mkdir(exist_ok=True)
    (root / "work").mkdir(parents=True)
    (root / "work" / SCENES).symlink_to(drawn_scenes())
    (root / "work" / "features").symlink_to(features)
    return Folders(root / "work", root / "results")
